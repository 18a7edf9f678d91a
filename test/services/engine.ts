import { existsSync } from 'node:fs'
import { type RequestOptions, request } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { GenericContainer, StartedTestContainer } from 'testcontainers'
import type { Started } from './service.ts'

const PING_MS = 2_000

/** Whether a container engine answers, in the places where testcontainers looks for one. */
export async function engineAnswers(): Promise<boolean> {
  const { DOCKER_HOST, XDG_RUNTIME_DIR } = process.env
  if (DOCKER_HOST !== undefined && DOCKER_HOST !== '') return answers(targetOf(DOCKER_HOST))
  const home = homedir()
  const runtime = XDG_RUNTIME_DIR === undefined ? [] : [join(XDG_RUNTIME_DIR, 'docker.sock')]
  const sockets = ['/var/run/docker.sock', ...runtime, join(home, '.docker/run/docker.sock'), join(home, '.docker/desktop/docker.sock')]
  for (const socketPath of sockets) if (existsSync(socketPath) && (await answers({ socketPath }))) return true
  return false
}

function targetOf(dockerHost: string): RequestOptions {
  if (dockerHost.startsWith('unix://')) return { socketPath: dockerHost.slice('unix://'.length) }
  const { hostname, port } = new URL(dockerHost)
  return { host: hostname, port }
}

function answers(target: RequestOptions): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const asking = request({ ...target, path: '/_ping', timeout: PING_MS, agent: false }, response => {
    response.resume()
    // An engine behind TLS refuses plain HTTP with a 400: it is there all the same.
    resolve(true)
  })
  asking.on('timeout', () => asking.destroy(new Error('No answer')))
  asking.on('error', () => resolve(false))
  asking.end()
  return promise
}

export interface ContainerPlan {
  readonly image: string
  readonly port: number
  /** Of this machine; any, where it isn't given. */
  readonly hostPort?: number
  readonly env?: Readonly<Record<string, string>>
  /** A line that the server logs once it is there. */
  readonly ready: RegExp
  /** How often that line comes. */
  readonly readyTimes?: number
}

const START_MS = 180_000

/** Starts a container, and gives `host:port` of this machine. testcontainers' reaper removes it when this process dies, unless TESTCONTAINERS_RYUK_DISABLED is set. */
export async function startContainer(plan: ContainerPlan): Promise<Started> {
  const { image, port, hostPort, env = {}, ready, readyTimes = 1 } = plan
  const testcontainers = await import('testcontainers')
  const container: GenericContainer = new testcontainers.GenericContainer(image)
    .withExposedPorts(hostPort === undefined ? port : { container: port, host: hostPort })
    .withEnvironment({ ...env })
    .withWaitStrategy(testcontainers.Wait.forLogMessage(ready, readyTimes))
    .withStartupTimeout(START_MS)
  const started: StartedTestContainer = await container.start()
  return {
    address: `${started.getHost()}:${started.getMappedPort(port)}`,
    stop: async () => {
      await started.stop()
    },
  }
}

/** Where this machine reaches the ports of containers. */
export async function containersHost(): Promise<string> {
  const { getContainerRuntimeClient } = await import('testcontainers')
  return (await getContainerRuntimeClient()).info.containerRuntime.host
}
