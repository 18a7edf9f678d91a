import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { guard, release } from '../services/guardian.ts'
import { freePort } from '../services/ports.ts'
import { LOGFOLD, temporaryFolder } from './running.ts'

/**
 * The tutorial of docs/reshard.md, as a reader types it: each block `sh` goes to one shell, in their order; a block `yaml` below `<!-- FILE -->` is that file, and one below
 * `<!-- FILE, above LINE -->` comes before that line of it. Only its ports are others. What a block answers is held against the block `text` behind it: each line of that is to come, in this
 * order, and nothing in between unless `…` stands there. What goes to stderr is progress. Numbers other than those of generations, sizes, times, names of processes and the width of columns are masked.
 */
const PAGE = 'docs/reshard.md'
const SECTION = /^## From three Redis shards to four$(.*?)^## /ms
const BLOCK = /(?:^<!-- (?<file>\S+?)(?:, above (?<above>.+?))? -->\n)?^```(?<language>sh|yaml|text)\n(?<body>.*?)^```$/gms
const PORTS = ['7001', '7002', '7003', '7004', '8080', '9080', '9081']

interface Block {
  readonly file?: string
  readonly above?: string
  readonly language: string
  readonly body: string
}

interface Said {
  readonly text: string
  /** Of the last command of the block; undefined where the shell ended. */
  readonly exitCode: string | undefined
}

const section = SECTION.exec(readFileSync(PAGE, 'utf8'))?.[1] ?? ''
const blocks = [...section.matchAll(BLOCK)].map(({ groups }) => groups as unknown as Block)

const masked = (text: string): readonly string[] =>
  text
    .split('\n')
    .map(line =>
      line
        .replace(/\b[\w.-]+\/\d+\b/g, 'HOST/PID')
        // A rate comes with the second look.
        .replace(/, [\d,]+\/s|, [\d.]+ (?:s|min)(?: [\d.]+ s)? to go/g, '')
        .replace(/(?<![\w@]|generation )\d[\d,.]*(?: [kMG]?B\b)?/gi, '#')
        .replace(/\b(?:HOST\/PID, )+HOST\/PID/, 'HOST/PID')
        .replace(/ +/g, ' ')
        .trim(),
    )
    .filter(line => line !== '')

/** The first line that should be there and isn't, with where it was looked for; undefined where all are. */
function missing(shown: readonly string[], said: readonly string[]): string | undefined {
  let at = 0
  let skips = false
  for (const line of shown) {
    if (line === '…') {
      skips = true
      continue
    }
    const found = skips ? said.indexOf(line, at) : said[at] === line ? at : -1
    if (found === -1) return `${line}\nis not at line ${at + 1} of\n${said.join('\n')}`
    at = found + 1
    skips = false
  }
  return skips || at === said.length ? undefined : `The page lacks ${said[at]}`
}

it('every command of the tutorial does what the page shows', { timeout: 300_000 }, async () => {
  const { path: folder, remove } = temporaryFolder()
  const ports = new Map<string, string>()
  for (const port of PORTS) ports.set(port, String(await freePort()))
  const withPorts = (text: string): string => text.replace(/\b\d{4}\b/g, port => ports.get(port) ?? port)
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'logfold'), `#!/bin/sh\nexec "${process.execPath}" ${LOGFOLD.map(part => `"${part}"`).join(' ')} "$@"\n`, { mode: 0o755 })
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` }
  // A group of its own, so that what it leaves running ends with the test, however that ends.
  const shell = spawn('bash', [], { cwd: folder, env, detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
  const group = -(shell.pid ?? Number.NaN)
  guard(group)
  const codes = createInterface({ input: shell.stdout })[Symbol.asyncIterator]()
  const run = async (command: string, file: string): Promise<Said> => {
    shell.stdin.write(`{ ${command}\n} > ${file} 2> ${file}.progress < /dev/null; echo $?\n`)
    const { value: exitCode } = await codes.next()
    return { text: readFileSync(file, 'utf8'), exitCode }
  }
  try {
    let said: Said = { text: '', exitCode: '0' }
    for (const [nth, { language, body, file = '', above }] of blocks.entries()) {
      if (language === 'yaml') put(join(folder, 'tutorial', file), withPorts(body), above)
      else if (language === 'sh') {
        said = await run(withPorts(body), join(folder, `${nth}.txt`))
        expect([body, said.exitCode, said.text]).toEqual([body, / would be refused;/.test(said.text) ? '1' : '0', said.text])
      } else expect(missing(masked(body), masked(said.text)), said.text).toBeUndefined()
    }
    expect(readFileSync(join(folder, 'tutorial/reads.txt'), 'utf8')).toMatch(/^(right\n){20,}$/)
    shell.stdin.end()
    await once(shell, 'exit')
  } finally {
    try {
      process.kill(group, 'SIGKILL')
    } catch {
      // Nothing is left of it.
    }
    release(group)
    remove()
  }
})

function put(path: string, text: string, above: string | undefined): void {
  if (above === undefined) {
    appendFileSync(path, text)
    return
  }
  const before = readFileSync(path, 'utf8')
  expect(before).toContain(`\n${above}\n`)
  writeFileSync(
    path,
    before.replace(`\n${above}\n`, () => `\n${text}${above}\n`),
  )
}
