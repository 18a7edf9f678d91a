import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { isLoopback } from '../model/access.ts'
import type { Faults } from './faults.ts'
import { ADMIN_PORT, HOST, HTTP_PORT } from './schema.ts'
import type { Tree } from './tree.ts'

/** Checks what the schemas of `http` and `admin` can't. Works on what was written, whatever else is wrong with it. Answers with notes. */
export function checkListeners(tree: Tree, baseDir: string, faults: Faults): string[] {
  checkAnonymous(tree, faults)
  checkStatic(tree, baseDir, faults)
  checkPorts(tree, faults)
  const host = tree.get(['admin', 'host'])
  const tokens = tree.get(['admin', 'tokens'])
  const open = typeof host === 'string' && !isLoopback(host) && Object.keys(tokens ?? {}).length === 0
  return open ? [`The admin listener is reachable at ${host} and has no tokens: its verbs are refused there`] : []
}

function checkAnonymous(tree: Tree, faults: Faults): void {
  const host = tree.get(['http', 'host'])
  if (typeof host !== 'string' || host === '' || isLoopback(host) || tree.get(['http', 'anonymous']) !== undefined) return
  const detail = `Others can reach ${host}, so what they may do without a token must be written down: http.anonymous: [read], [read, write] or []`
  faults.add(tree.locationOf(['http', 'host']), ['http', 'host'], detail)
}

function checkStatic(tree: Tree, baseDir: string, faults: Faults): void {
  const path = ['http', 'static']
  const folder = tree.get(path)
  if (typeof folder !== 'string' || folder === '') return
  const found = resolve(baseDir, folder)
  const stats = statSync(found, { throwIfNoEntry: false })
  if (stats?.isDirectory() === true) return
  faults.add(tree.locationOf(path), path, stats === undefined ? `There is no folder ${found}` : `${found} is no folder`)
}

function checkPorts(tree: Tree, faults: Faults): void {
  const [http, admin] = [tree.get(['http', 'port']) ?? HTTP_PORT, tree.get(['admin', 'port']) ?? ADMIN_PORT]
  const [httpHost, adminHost] = [tree.get(['http', 'host']) ?? HOST, tree.get(['admin', 'host']) ?? HOST]
  if (http !== admin || http === 0 || httpHost !== adminHost) return
  const path = [tree.get(['admin', 'port']) === undefined ? 'http' : 'admin', 'port']
  faults.add(tree.locationOf(path), path, `http and admin cannot both listen on ${httpHost}:${http}. Choose another port`)
}
