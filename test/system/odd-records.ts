const script = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
/** What other programs may write to the topic of a job board: markup, and records that are no jobs. */
export const oddRecords: readonly { readonly id: string; readonly value: unknown }[] = [
  { id: 'markup', value: { title: script, company: script, location: script, description: script, tags: [script], salary: script, type: script } },
  { id: 'link', value: { title: 'Link', url: 'javascript:alert(3)' } },
  { id: '<b>"id"</b>/../?#%', value: { title: 'Id' } },
  { id: '__proto__', value: { title: 'Proto', ['__proto__']: 1 } },
  { id: 'types', value: { title: 7, company: {}, location: [], remote: 'no', tags: { a: 1 }, postedAt: {}, description: null, url: 5 } },
  { id: 'time', value: { title: 'Time', postedAt: 9e15 } },
  { id: 'string', value: 'just text' },
  { id: 'number', value: 42 },
  { id: 'array', value: [1, [2]] },
  { id: 'none', value: {} },
  { id: 'false', value: false },
  { id: 'long', value: { title: 'W'.repeat(2_000), company: 'm'.repeat(2_000), location: 'x'.repeat(500), salary: '9'.repeat(500) } },
]
