/** What a reload of the config has changed. */
export interface ReloadAnswer {
  readonly addedViews: readonly string[]
  readonly addedBackends: readonly string[]
  /** Views whose definition in the config is another one now. They serve on by their own. */
  readonly changedViews: readonly string[]
  readonly next_steps: readonly string[]
}
