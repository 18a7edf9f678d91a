import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** Runs a module's text as a process of its own, from this folder's point of view: `{ ask }` of `import('./ask.ts')`. */
export function spawnModule(code: string, env: NodeJS.ProcessEnv) {
  const here = JSON.stringify(`file://${join(import.meta.dirname, '/')}`)
  const local = code.replaceAll(/import\('(\.\/[^']+)'\)/g, (_, path: string) => `import(new URL('${path}', ${here}).href)`)
  return spawn(process.execPath, ['--input-type=module', '-e', local], { env, stdio: ['ignore', 'pipe', 'inherit'] })
}

/** What a process that has nothing but this environment says when it is asked for a shared server: `started`, or why not. */
export async function startElsewhere(server: 'kafka' | 'redis' | 'postgres', env: NodeJS.ProcessEnv): Promise<string> {
  const code = `
    const { startShared } = await import('./service.ts')
    const { ${server}Service } = await import('./${server}-service.ts')
    await startShared(${server}Service).then(() => console.log('started'), error => console.log(error.message))
    process.exit()`
  const child = spawnModule(code, env)
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await once(child, 'close')
  return said.trim()
}
