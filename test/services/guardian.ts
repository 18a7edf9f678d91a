import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'

/**
 * Guarantee: servers and temporary folders that are guarded are gone when this process is, however it ends; kill -9 included.
 * How: a shell of a session of its own reads our pipe. When the pipe closes, it kills and removes what stands in its list.
 * Limits: whoever kills the shell too (a container that stops) must end the servers himself.
 */
const SCRIPT = `
trap '' INT TERM HUP QUIT
pids=' '
folders=
while read -r what value; do
  case $what in
    guard) pids="$pids$value " ;;
    release) pids="\${pids%% $value *} \${pids#* $value }" ;;
    folder) folders="$folders $value" ;;
  esac
done
kill -KILL $pids 2>/dev/null
rm -rf $folders
`

let pipe: Socket | undefined

function tell(line: string): void {
  pipe ??= start()
  pipe.write(`${line}\n`)
}

function start(): Socket {
  const child = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  child.unref()
  const stdin = child.stdin as Socket
  stdin.unref()
  return stdin
}

export function guard(pid: number): void {
  tell(`guard ${pid}`)
}

/** To be called as soon as the process is gone: its number may be given to another. */
export function release(pid: number): void {
  tell(`release ${pid}`)
}

/** @param path without blanks, as `mkdtemp` makes them */
export function guardFolder(path: string): void {
  tell(`folder ${path}`)
}
