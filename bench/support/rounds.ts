/** One way of doing the work: what it did, and in how long. */
export interface Contender {
  readonly name: string
  /** @returns records a second */
  run(): Promise<number>
}

export const perSecond = (count: number, startedMs: number): number => count / ((performance.now() - startedMs) / 1000)

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const shown = (figure: number): string => (figure < 10 ? figure.toFixed(2) : Math.round(figure).toLocaleString('en'))

/** What one round measured, by name. */
export type Figures = Readonly<Record<string, number>>

/** Goes so many rounds, as these machines' speed varies, and prints the median of each figure. */
export async function printMedians(title: string, rounds: number, round: () => Promise<Figures>): Promise<void> {
  const measured: Figures[] = []
  for (let nth = 0; nth < rounds; nth++) measured.push(await round())
  process.stdout.write(`${title}, medians of ${rounds} rounds\n`)
  for (const name of Object.keys(measured[0] ?? {})) {
    process.stdout.write(`  ${name.padEnd(52)} ${shown(median(measured.map(figures => figures[name] ?? 0))).padStart(10)}\n`)
  }
}

/** Runs them one after another, so many rounds, as these machines' speed varies; prints each median, and its ratio to the first one's. */
export async function compare(title: string, contenders: readonly Contender[], rounds: number): Promise<void> {
  const rates = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  for (let round = 0; round < rounds; round++) for (const { name, run } of contenders) rates.get(name)?.push(await run())
  process.stdout.write(`${title}, records/s, median of ${rounds} alternating rounds\n`)
  const first = median([...rates.values()][0] ?? [])
  for (const [name, its] of rates) {
    const ratio = (median(its) / first).toFixed(2)
    process.stdout.write(`  ${name.padEnd(44)} ${shown(median(its)).padStart(10)}  × ${ratio}  (${its.map(shown).join(' · ')})\n`)
  }
}
