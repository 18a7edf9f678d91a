import type { ChildProcess } from 'node:child_process'
import { afterAll } from 'vitest'

const children = new Set<ChildProcess>()

// What a failed test leaves running would hold its pipes open, and so the whole run, for ever.
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** Ends the process with the test file that started it, at the latest. */
export function owned<Child extends ChildProcess>(child: Child): Child {
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}
