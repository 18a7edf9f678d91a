/** A command's answer. An error reply is one like any other, to be looked at. */
export type Reply = Buffer | string | number | null | Error | readonly Reply[]
