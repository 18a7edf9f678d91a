import { type ErrorDetail, LogfoldError } from '../model/errors.ts'
import { type Path, type Place, pathText, placeText } from './place.ts'

interface Fault {
  readonly place: Place
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

  add(place: Place, path: Path, detail: string): void {
    this.#faults.push({ place, path, detail })
  }

  /** @throws config-invalid with every fault: those of the file by line, then those of flags. */
  throwIfAny(): void {
    if (this.count === 0) return
    const sorted = this.#faults.toSorted(byPlace).map(toDetail)
    const distinct = sorted.filter((one, at) => sorted.findIndex(other => isSame(one, other)) === at)
    const count = distinct.length === 1 ? 'a fault' : `${distinct.length} faults`
    throw new LogfoldError('config-invalid', `The config has ${count}`, { errors: distinct.slice(0, FAULTS_MAX) })
  }
}

const toDetail = ({ place, path, detail }: Fault): ErrorDetail => ({
  pointer: [placeText(place), pathText(path)].filter(part => part !== '').join(' '),
  detail,
})

const isSame = (a: ErrorDetail, b: ErrorDetail): boolean => a.pointer === b.pointer && a.detail === b.detail

const byPlace = (a: Fault, b: Fault): number => lineOf(a) - lineOf(b) || (a.place.column ?? 0) - (b.place.column ?? 0)

const lineOf = ({ place }: Fault): number => place.line ?? Number.MAX_SAFE_INTEGER
