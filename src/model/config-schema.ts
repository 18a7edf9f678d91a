/**
 * The part of the Standard Schema interface (standardschema.dev, version 1) that logfold calls: zod, valibot, arktype and others have it. Validation
 * reports all faults at once, each with the path of its key.
 */
export interface ConfigSchema<Config> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => ConfigResult<Config> | Promise<ConfigResult<Config>>
    readonly types?: { readonly input: unknown; readonly output: Config } | undefined
  }
}

export type ConfigResult<Config> = { readonly value: Config; readonly issues?: undefined } | { readonly issues: readonly ConfigIssue[] }

export interface ConfigIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}
