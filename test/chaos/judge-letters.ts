import { readTopic } from './capture.ts'
import type { Poison } from './direct.ts'
import type { Bad, History } from './history.ts'
import { VIEWS, type World } from './world.ts'

interface Letter {
  readonly letter: string
  readonly partition: number
  readonly offset: number
  readonly otherTopic: boolean
  readonly otherGeneration: boolean
  readonly reason: string
}

export interface LettersJudged {
  /** Records that can't be folded, in the topic. */
  readonly bad: number
  readonly reasons: number
  /** Letters that stand in their topic more than once. */
  readonly repeated: number
  readonly violations: readonly string[]
}

const hexOf = (key: Buffer | null | undefined): string => String(key?.toString('hex'))

/** Every record that can't be folded is a dead letter of every view, once, with its reason; nothing else is. */
export async function judgeLetters(world: World, history: History, poisons: readonly Poison[]): Promise<LettersJudged> {
  const violations: string[] = []
  const reasons = new Map(poisons.map(({ key, reason }) => [hexOf(key), reason]))
  const lastOfKey = new Map(history.bad.map(bad => [hexOf(bad.key), bad]))
  const isLast = (bad: Bad): boolean => lastOfKey.get(hexOf(bad.key)) === bad
  const at = ({ partition, offset }: { readonly partition: number; readonly offset: number }): string => `${partition}:${offset}`
  const there = new Map(history.bad.map(bad => [at(bad), bad]))
  for (const poison of poisons) {
    if (poison.place !== undefined && !there.has(at(poison.place)) && poison.reason !== 'key-empty')
      violations.push(`LOST: the poison ${poison.reason} isn't at ${at(poison.place)}`)
  }
  let repeated = 0
  for (const view of VIEWS) {
    for (const api of world.apis) {
      const listed = await lettersOf(api.adminPort, view)
      const letters = new Map(listed.map(letter => [at(letter), letter]))
      const where = `the dead letters of ${view} by ${api.name}`
      if (listed.length !== letters.size) violations.push(`In ${where}: ${listed.length} letters of ${letters.size} records`)
      for (const [place, bad] of there) {
        const letter = letters.get(place)
        const reason = reasons.get(hexOf(bad.key))
        // One that was compacted before a view came to it is no loss.
        if (letter === undefined && isLast(bad)) violations.push(`MISSING in ${where}: ${reason} at ${place}`)
        if (letter !== undefined && letter.reason !== reason) violations.push(`In ${where}: ${place} is ${letter.reason}, and should be ${reason}`)
      }
      for (const [place, { otherTopic, otherGeneration }] of letters) {
        if (otherTopic || otherGeneration) violations.push(`In ${where}: ${place} is said to be of another topic or generation`)
      }
      for (const [place, letter] of letters) if (!there.has(place)) violations.push(`In ${where}: ${JSON.stringify(letter)}, where nothing bad is`)
    }
    const keys = (await readTopic(world.direct, `logfold.${view}.dead`)).map(({ key }) => String(key)).filter(key => !key.endsWith('/resolved'))
    repeated += keys.length - new Set(keys).size
  }
  return {
    bad: there.size,
    reasons: new Set([...there.values()].map(({ key }) => reasons.get(hexOf(key)))).size,
    repeated,
    violations,
  }
}

async function lettersOf(adminPort: number, view: string): Promise<readonly Letter[]> {
  const all: Letter[] = []
  for (let after: string | null | undefined; after !== null; ) {
    const query: string = after === undefined ? '' : `&after=${after}`
    const answer = await fetch(`http://127.0.0.1:${adminPort}/admin/views/${view}/deadletters?limit=1000${query}`)
    if (!answer.ok) throw new Error(`The dead letters of ${view}: ${answer.status} ${await answer.text()}`)
    const { items, next } = (await answer.json()) as { items: readonly Letter[]; next: string | null }
    all.push(...items)
    after = next
  }
  return all
}
