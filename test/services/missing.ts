/** A server can't be had in one way, for a reason that another way may not have: nothing is broken. */
export class Missing extends Error {}
