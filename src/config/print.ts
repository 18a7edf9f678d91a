import { stringify } from 'yaml'

/** Data as YAML. */
export const toYaml = (value: unknown): string => stringify(value, { lineWidth: 0 })
