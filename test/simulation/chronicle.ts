import { type Command, type CommandName, decodeCommand } from '../../src/generations/command.ts'
import { judge, nothingYet, UNVERIFIED, type ViewState } from '../../src/generations/state.ts'
import { generationName } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'

/** A generation that an accepted command made. */
export interface Made {
  readonly number: number
  readonly createdAt: Offset
  readonly shards: readonly string[]
}

const VIEW = 'job'

/** What the control topic says, known at the moment it stands there; and whether each state is one that there may be (src/generations/SPEC.md). */
export class Chronicle {
  /** By name, in the order of their numbers; those that are gone among them. */
  readonly made = new Map<string, Made>()
  /** Servers on which what is left of a generation may stay, as an operator said so: its name → theirs. */
  readonly left = new Map<string, readonly string[]>()
  readonly #violated: (what: string) => void
  /** `name/command` of all that was accepted. */
  readonly #accepted = new Set<string>()
  readonly #ids = new Set<string>()
  #state = nothingYet
  #last: Offset = -1

  constructor(violated: (what: string) => void) {
    this.#violated = violated
  }

  get state(): ViewState {
    return this.#state
  }

  get serving(): Made | undefined {
    const number = this.#state.generations.find(({ role }) => role === 'serving')?.number
    return number === undefined ? undefined : this.made.get(generationName({ view: VIEW, number }))
  }

  /** Names of those that are there, what leaves among them. */
  get there(): readonly string[] {
    return this.#state.generations.map(({ number }) => generationName({ view: VIEW, number }))
  }

  leaves(name: string): boolean {
    return this.#state.generations.some(({ number, role }) => role === 'leaving' && generationName({ view: VIEW, number }) === name)
  }

  ring(name: string): readonly string[] {
    return this.made.get(name)?.shards ?? []
  }

  wasAccepted(name: string, command: CommandName): boolean {
    return this.#accepted.has(`${name}/${command}`)
  }

  appended(offset: Offset, value: Uint8Array | null): void {
    const decoded = decodeCommand(value)
    if (decoded.kind !== 'command') {
      this.#violated(`what stands at ${offset} of the control topic is no command`)
      return
    }
    const before = JSON.stringify(this.#state)
    const { command } = decoded
    const verdict = judge(this.#state, command, offset)
    if (JSON.stringify(this.#state) !== before) this.#violated(`command ${offset} changed a state that was known`)
    if (verdict.kind === 'refused') return
    this.#check(command, offset)
    this.#state = verdict.state
    this.#checkState()
    this.#accepted.add(`${generationName({ view: VIEW, number: command.generation })}/${command.command}`)
    this.#ids.add(command.id)
    this.#last = offset
  }

  #check(command: Command, offset: Offset): void {
    const name = generationName({ view: VIEW, number: command.generation })
    if (command.after !== this.#last)
      this.#violated(`command ${offset} was accepted, though its sender knew nothing behind ${command.after}; the last was ${this.#last}`)
    if (this.#ids.has(command.id)) this.#violated(`command ${offset} was accepted twice`)
    if (command.command === 'create') {
      if (this.made.has(name)) this.#violated(`the number of ${name} was given twice`)
      this.made.set(name, { number: command.generation, createdAt: offset, shards: command.pinned.shards })
    }
    if (command.command === 'verified' && command.differences > 0) this.#violated(`${name} differs from the log: ${command.differences} differences`)
    if (command.command === 'switch' && !this.wasAccepted(name, 'verified') && command.forced?.includes(UNVERIFIED) !== true)
      this.#violated(`${name} was switched to, and nobody had verified it`)
    if (command.command === 'dropped') {
      const forsaken = this.#state.generations.some(({ number, forsaken }) => number === command.generation && forsaken)
      if (command.left.length > 0 && !forsaken) this.#violated(`${name} is left on ${command.left}, and no operator said that it may be`)
      this.left.set(name, command.left)
    }
  }

  #checkState(): void {
    const roles = this.#state.generations.map(({ role }) => role)
    const count = (role: (typeof roles)[number]): number => roles.filter(each => each === role).length
    if (count('serving') !== 1) this.#violated(`${count('serving')} generations serve`)
    if (count('next') + count('previous') > 1) this.#violated(`more than two generations are alive: ${roles}`)
  }
}
