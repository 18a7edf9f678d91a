export interface Company {
  readonly name: string
  /** Keys of `places`. */
  readonly cities: readonly string[]
  /** Titles of `roles`. */
  readonly roles: readonly string[]
  readonly about: string
}

/** `cities` and `roles` with commas between them. */
export const company = (name: string, cities: string, roles: string, about: string): Company => ({
  name,
  cities: cities.split(', '),
  roles: roles.split(', '),
  about,
})
