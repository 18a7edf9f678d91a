const units = ['kB', 'MB', 'GB', 'TB', 'PB']

/** As people read it: 950 B, 1.2 MB, 340 GB. Powers of 1,000. */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 'B']
  for (const next of units) {
    // What would be rounded to 1,000 is 1 of the next.
    if (value < 999.5) break
    value /= 1000
    unit = next
  }
  return `${unit !== 'B' && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

/** Never 100 % before all is there. */
export const percentText = (part: number, whole: number): string => `${whole <= 0 ? 100 : Math.min(100, Math.floor((part / whole) * 100))} %`
