import { messageOf } from '../model/errors.ts'

/** Why a file is no use, for people. */
export function fileProblem(file: string, error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return `There is no file ${file}`
  return `${file}: ${messageOf(error)}`
}
