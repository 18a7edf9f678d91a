/** `npm run bench -- NAME [ARGS]`. Each prints what it measured beside what it is measured against, in the same run. */

const benches: Readonly<Record<string, () => Promise<{ readonly bench: (args: readonly string[]) => Promise<void> }>>> = {
  ingest: () => import('./ingest.ts'),
  writes: () => import('./writes.ts'),
  reshard: () => import('./reshard.ts'),
  'embedded-log': () => import('./embedded-log.ts'),
  'sqlite-backend': () => import('./sqlite-backend.ts'),
  'redis-backend': () => import('./redis-backend.ts'),
  'postgres-backend': () => import('./postgres-backend.ts'),
}

const [name = '', ...args] = process.argv.slice(2)
const load = benches[name]
if (load === undefined) {
  process.stderr.write(`There is no bench ${JSON.stringify(name)}. There are: ${Object.keys(benches).join(', ')}\n`)
  process.exit(2)
}
await (await load()).bench(args)
