import type { ConfigResult, ConfigSchema } from '../model/config-schema.ts'
import type { Faults } from './faults.ts'
import { addIssues, flatIssues, issuePath, type Section } from './issues.ts'
import { getIn } from './tree.ts'

/**
 * Checks a section of the tree. A value that was wholly one `${…}`, and that is at fault as what YAML made of it, is tried as the text it came from:
 * a password of digits stays a password. What is at fault is told; the result is then undefined.
 */
export async function validate<T>(
  schema: ConfigSchema<T>,
  section: Section,
  faults: Faults,
  select: (value: unknown) => unknown = value => value,
): Promise<{ readonly value: T } | undefined> {
  const { tree, base } = section
  const check = async (): Promise<ConfigResult<T>> => {
    const result = await schema['~standard'].validate(select(getIn(tree.value, base)))
    return result.issues === undefined ? result : { issues: flatIssues(result.issues) }
  }
  let result = await check()
  if (result.issues === undefined) return result
  const before = tree.value
  const paths = new Set(result.issues.map(issue => JSON.stringify([...base, ...issuePath(issue)])))
  for (const { path, text } of tree.interpolated) if (paths.has(JSON.stringify(path))) tree.replace(path, text)
  if (tree.value !== before) {
    const again = await check()
    if ((again.issues?.length ?? 0) < result.issues.length) result = again
    else tree.value = before
  }
  if (result.issues === undefined) return result
  addIssues(result.issues, section, faults)
  return undefined
}
