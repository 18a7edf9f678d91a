/**
 * What the file named by a view's `projection` exports as its default: makes of a record what the view stores, a value of the view's
 * format. Null, or nothing, means that there is no entry. `Value` is what the view's format says: any JSON value, a string, or a
 * Uint8Array. docs/projections.md has the rules.
 */
export type Projection<Value = unknown, Result = unknown> = (value: Value, key: string) => Result | null | undefined
