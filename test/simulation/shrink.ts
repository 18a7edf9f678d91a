import { actionNames } from './actions.ts'
import { type Options, type Outcome, simulate } from './simulate.ts'

/**
 * Looks for less that still goes wrong under a seed: fewer steps, then without kinds of action that it doesn't need. What goes wrong may then be something else; all
 * the better.
 */
export async function shrink({ seed, steps, without = [] }: Options): Promise<Outcome & { readonly without: readonly string[] }> {
  const run = async (steps: number, without: readonly string[]): Promise<Outcome> => await simulate({ seed, steps, without })
  let least = await run(steps, without)
  for (let fewer = 1; fewer < least.steps; fewer = Math.ceil(fewer * 1.5)) {
    const tried = await run(fewer, without)
    if (tried.violation !== undefined) least = tried
  }
  let needless: readonly string[] = without
  for (const name of actionNames) {
    const tried = await run(least.steps, [...needless, name])
    if (tried.violation === undefined) continue
    least = tried
    needless = [...needless, name]
  }
  return { ...least, without: needless }
}
