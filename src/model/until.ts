/** How far a generation goes by itself, in this order. */
export const UNTIL = ['ready', 'verified', 'serving', 'completed'] as const
export type Until = (typeof UNTIL)[number]

export const isFurther = (a: Until, b: Until): boolean => UNTIL.indexOf(a) > UNTIL.indexOf(b)

export const further = (a: Until, b: Until): Until => (isFurther(a, b) ? a : b)
