/** One thing that has to be so before the process is ready. */
export interface ReadinessCheck {
  readonly name: string
  readonly ok: boolean
  /** What was found, for people. */
  readonly detail: string
}

/** A JSON document about a view; what is in it is the matter of whoever provides it. */
export type StatusDocument = object

/** What the admin listener tells, and can't know by itself. */
export interface StatusProvider {
  /** Asked for each probe. One that throws, or doesn't answer within 5 s, is not ready. */
  readiness(): Promise<readonly ReadinessCheck[]>
  /** Of every view, in the order of the config. */
  views(): Promise<readonly StatusDocument[]>
  /** Of each view that is known by its commands, and that no config names. */
  unconfigured(): readonly StatusDocument[]
  /** Of one view, by a name that exists. */
  view(name: string): Promise<StatusDocument>
}
