export interface Place {
  readonly city: string
  readonly country: string
  /** Put before, or after, an amount. */
  readonly currency: readonly [before: string, after: string]
  /** What one euro of pay comes to here, roughly, cost of living included. */
  readonly factor: number
  /** Amounts are rounded to this. */
  readonly step: number
}

const euro = ['€', ''] as const
const place = (city: string, country: string, factor = 1, currency: Place['currency'] = euro, step = 500): Place => ({
  city,
  country,
  currency,
  factor,
  step,
})

const all: readonly Place[] = [
  place('Utrecht', 'Netherlands', 1.08),
  place('Ghent', 'Belgium', 1.05),
  place('Leipzig', 'Germany', 0.98),
  place('Hamburg', 'Germany', 1.06),
  place('Porto', 'Portugal', 0.62),
  place('Lisbon', 'Portugal', 0.68),
  place('Bilbao', 'Spain', 0.76),
  place('València', 'Spain', 0.72),
  place('Lyon', 'France', 0.92),
  place('Nantes', 'France', 0.88),
  place('Turin', 'Italy', 0.76),
  place('Bologna', 'Italy', 0.8),
  place('Graz', 'Austria', 0.98),
  place('Zürich', 'Switzerland', 1.75, ['CHF ', ''], 1000),
  place('Malmö', 'Sweden', 9.6, ['', ' kr'], 5000),
  place('Gothenburg', 'Sweden', 9.9, ['', ' kr'], 5000),
  place('Aarhus', 'Denmark', 8.9, ['', ' kr'], 5000),
  place('Bergen', 'Norway', 12.4, ['', ' kr'], 5000),
  place('Tampere', 'Finland', 0.95),
  place('Tallinn', 'Estonia', 0.72),
  place('Gdańsk', 'Poland', 2.7, ['', ' zł'], 1000),
  place('Brno', 'Czechia', 16.5, ['', ' Kč'], 10_000),
  place('Ljubljana', 'Slovenia', 0.76),
  place('Cork', 'Ireland', 1.1),
  place('Leeds', 'United Kingdom', 0.84, ['£', '']),
  place('Bristol', 'United Kingdom', 0.88, ['£', '']),
  place('Glasgow', 'United Kingdom', 0.84, ['£', '']),
  place('Halifax', 'Canada', 1.5, ['$', ''], 1000),
  place('Montréal', 'Canada', 1.55, ['$', ''], 1000),
  place('Portland', 'United States', 1.6, ['$', ''], 1000),
  place('Pittsburgh', 'United States', 1.45, ['$', ''], 1000),
  place('Wellington', 'New Zealand', 1.6, ['$', ''], 1000),
]

export const places: ReadonlyMap<string, Place> = new Map(all.map(each => [each.city, each]))
