import { engineAnswers } from './engine.ts'
import { Missing } from './missing.ts'

/** A kind of server that tests share, and how it can be had. */
export interface Service {
  /** Stands in errors. */
  readonly name: string
  /** The environment variable that may hold its address. */
  readonly variable: string
  /** An example of it. */
  readonly example: string
  /** What the native way needs installed. */
  readonly packages: string
  /** Fails where no server answers at this address. */
  check(address: string): Promise<void>
  /** Fails with {@link Missing} where something isn't installed. */
  native(): Promise<Started>
  container(): Promise<Started>
}

export interface Started {
  /** As a value of `variable`. */
  readonly address: string
  stop(): Promise<void>
}

const WAYS = ['env', 'containers', 'native'] as const
type Way = (typeof WAYS)[number]

/**
 * Starts, or finds, a server for a whole run: the one at the address in the environment, else a container where an engine answers, else a process of this
 * machine. LOGFOLD_TEST_SERVICES names the one way that is tried. What was begun but went wrong fails; it doesn't lead to the next way.
 */
export async function startShared(service: Service): Promise<Started> {
  const only = wayFromEnvironment()
  const reasons: string[] = []
  for (const way of only === undefined ? WAYS : [only]) {
    const started = await tryWay(service, way).catch(error => {
      if (!(error instanceof Missing)) throw new Error(`${service.name} for the tests (${way}): ${(error as Error).message}`, { cause: error })
      reasons.push(error.message)
    })
    if (started !== undefined) return started
  }
  throw new Error(advice(service, reasons))
}

function wayFromEnvironment(): Way | undefined {
  const { LOGFOLD_TEST_SERVICES: value } = process.env
  if (value === undefined || value === '') return undefined
  const way = WAYS.find(known => known === value)
  if (way === undefined) throw new Error(`LOGFOLD_TEST_SERVICES is "${value}"; it may be ${WAYS.join(', ')}`)
  return way
}

async function tryWay(service: Service, way: Way): Promise<Started> {
  if (way === 'native') return service.native()
  if (way === 'containers') {
    if (!(await engineAnswers())) throw new Missing('no container engine answers')
    return service.container()
  }
  const address = process.env[service.variable]
  if (address === undefined || address === '') throw new Missing(`${service.variable} isn't set`)
  await service.check(address)
  return { address, stop: async () => undefined }
}

function advice({ name, variable, example, packages }: Service, reasons: readonly string[]): string {
  return `The tests need ${name}, and can’t have it: ${reasons.join('; ')}. Set ${variable}=${example}, or start a container engine, or install ${packages}.`
}
