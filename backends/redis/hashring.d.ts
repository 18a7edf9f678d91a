/** What logfold uses of hashring 3.2.0, which has no types of its own. Its `get` is left out: it caches in a plain object, and the key `__proto__` would write onto every object. */
declare module 'hashring' {
  type Hasher = (key: string) => Uint8Array

  interface Member {
    readonly vnodes: number
  }

  class HashRing {
    constructor(members: Readonly<Record<string, Member>>, hasher: Hasher, options: { readonly 'vnode count': number; readonly replicas: number })
    /** In the order of `value`, each of 32 bits. */
    readonly ring: readonly { readonly value: number; readonly server: string }[]
  }

  export = HashRing
}
