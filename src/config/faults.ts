import { type ErrorDetail, LogfoldError } from '../model/errors.ts'
import { type Location, locationText, type Path, pathText } from './location.ts'

interface Fault {
  readonly location: Location
  readonly path: Path
  readonly detail: string
}

const FAULTS_MAX = 100

/** Collects what is wrong, so that everything is told at once. */
export class Faults {
  readonly #faults: Fault[] = []

  get count(): number {
    return this.#faults.length
  }

  /** Whether something is told already of what stands at the path. */
  has(path: Path): boolean {
    return this.#faults.some(fault => pathText(fault.path) === pathText(path))
  }

  add(location: Location, path: Path, detail: string): void {
    this.#faults.push({ location, path, detail })
  }

  /** @throws config-invalid with every fault: those of the file by line, then those of flags. */
  throwIfAny(): void {
    if (this.count === 0) return
    const sorted = this.#faults.toSorted(byLocation).map(toDetail)
    const distinct = sorted.filter((one, at) => sorted.findIndex(other => isSame(one, other)) === at)
    const count = distinct.length === 1 ? 'a fault' : `${distinct.length} faults`
    throw new LogfoldError('config-invalid', `The config has ${count}`, { errors: distinct.slice(0, FAULTS_MAX) })
  }
}

const toDetail = ({ location, path, detail }: Fault): ErrorDetail => ({
  pointer: [locationText(location), pathText(path)].filter(part => part !== '').join(' '),
  detail,
})

const isSame = (a: ErrorDetail, b: ErrorDetail): boolean => a.pointer === b.pointer && a.detail === b.detail

const byLocation = (a: Fault, b: Fault): number => lineOf(a) - lineOf(b) || (a.location.column ?? 0) - (b.location.column ?? 0)

const lineOf = ({ location }: Fault): number => location.line ?? Number.MAX_SAFE_INTEGER
