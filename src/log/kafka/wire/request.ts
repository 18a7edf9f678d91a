/** A kind of request, in one version. */
export interface Api {
  /** As Kafka's documentation names it. */
  readonly name: string
  readonly apiKey: number
  readonly apiVersion: number
}

/** `Fetch v13`, for messages. */
export const shownApi = ({ name, apiVersion }: Api): string => `${name} v${apiVersion}`

/** A request of the Kafka protocol, ready to be sent over any connection, and how its answer is read. */
export interface Request<Answer> extends Api {
  /** The same in a later version, to be sent instead to a broker that speaks it. */
  readonly newer?: { readonly apiVersion: number; readonly request: () => Request<Answer> }
  /** What follows the client id in the request's header: for a flexible version the header's empty tags, then the body. */
  readonly body: Uint8Array
  /** Reads what follows the correlation id. The answer may hold views of these bytes. @throws where they are no such answer */
  decode(answer: Buffer): Answer
}
