export interface Role {
  readonly title: string
  /** Thousands of euros a year, from and to. */
  readonly pay: readonly [from: number, to: number]
  readonly tags: readonly string[]
  readonly work: string
  readonly duties: readonly string[]
  readonly needs: readonly string[]
  readonly can: { readonly remote: boolean; readonly seniority: boolean; readonly partTime: boolean }
}

type Trait = 'remote' | 'seniority' | 'part-time'

/** `tags` with commas between them, `duties` and `needs` with semicolons. */
export function role(title: string, pay: Role['pay'], tags: string, traits: readonly Trait[], work: string, duties: string, needs: string): Role {
  return {
    title,
    pay,
    tags: tags.split(', '),
    work,
    duties: duties.split('; '),
    needs: needs.split('; '),
    can: { remote: traits.includes('remote'), seniority: traits.includes('seniority'), partTime: traits.includes('part-time') },
  }
}
