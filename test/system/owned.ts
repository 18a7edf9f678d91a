import type { ChildProcess } from 'node:child_process'

const children = new Set<ChildProcess>()

/** What a run that failed leaves running would hold its pipes open, and so whatever started the run, for ever. */
process.once('exit', endOwned)

/** Ends the process with the test file (`test/system/end-owned.ts`) or the program that started it, at the latest. */
export function owned<Child extends ChildProcess>(child: Child): Child {
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

export function endOwned(): void {
  for (const child of children) child.kill('SIGKILL')
}
