/** How far a generation goes by itself, in this order. */
export const UNTIL = ['ready', 'verified', 'serving', 'completed'] as const
export type Until = (typeof UNTIL)[number]
