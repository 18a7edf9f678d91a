import { describe, expect, it } from 'vitest'
import { compileJsonSchema } from '../src/config/json-schema.ts'

const check = (schema: unknown, value: unknown): unknown => compileJsonSchema(schema).check(value)

describe('the JSON Schema of a view', () => {
  it('tells every error of a value, by a pointer to where it is', () => {
    const schema = {
      type: 'object',
      required: ['title', 'a/b'],
      properties: { title: { type: 'string' }, pay: { minimum: 0 }, kind: { enum: ['full', 'part'] }, when: { format: 'date' } },
      additionalProperties: false,
    }
    expect(check(schema, { title: 1, pay: -1, kind: 'half', when: 'soon', 'x~y': 1 })).toEqual([
      { pointer: '/a~1b', detail: 'is missing' },
      { pointer: '/x~0y', detail: 'is not allowed here' },
      { pointer: '/title', detail: 'must be string' },
      { pointer: '/pay', detail: 'must be >= 0' },
      { pointer: '/kind', detail: 'must be one of "full","part"' },
      { pointer: '/when', detail: 'must match format "date"' },
    ])
    expect(check(schema, { title: 'Baker', 'a/b': 1 })).toEqual([{ pointer: '/a~1b', detail: 'is not allowed here' }])
  })

  it('is read by its draft, and by 2020-12 where it names none', () => {
    const tuple = { prefixItems: [{ type: 'string' }], items: false }
    expect(check(tuple, ['a', 'b'])).toEqual([{ pointer: '', detail: 'must NOT have more than 1 items' }])
    expect(check({ ...tuple, $schema: 'https://json-schema.org/draft/2020-12/schema' }, [1])).toEqual([{ pointer: '/0', detail: 'must be string' }])
    expect(check({ $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }], additionalItems: false }, ['a', 'b'])).toEqual([
      { pointer: '', detail: 'must NOT have more than 1 items' },
    ])
    expect(() => compileJsonSchema({ $schema: 'http://json-schema.org/draft-04/schema#' })).toThrow(
      '$schema names "http://json-schema.org/draft-04/schema#"; known are http://json-schema.org/draft-07/schema and https://json-schema.org/draft/2020-12/schema',
    )
  })

  it('is refused where it is none', () => {
    expect(() => compileJsonSchema([])).toThrow('A JSON Schema is an object, true or false')
    expect(() => compileJsonSchema({ type: 'objekt' })).toThrow(
      'It is no JSON Schema that can be used: schema is invalid: data/type must be equal to one of the allowed values',
    )
    expect(() => compileJsonSchema({ $ref: 'https://example.org/x.json' })).toThrow(
      "It is no JSON Schema that can be used: can't resolve reference https://example.org/x.json",
    )
    expect(() => compileJsonSchema({ properties: { b: { format: 'daet' } } })).toThrow(
      'It is no JSON Schema that can be used: unknown format "daet" at path "#/properties/b"',
    )
    expect(() => compileJsonSchema({ $async: true })).toThrow('An asynchronous JSON Schema cannot be used')
  })

  it('takes what an object inherits for missing', () => {
    expect(check({ required: ['toString'] }, {})).toEqual([{ pointer: '/toString', detail: 'is missing' }])
    expect(check(true, {})).toEqual([])
  })

  it('tells twenty errors at most, and one of a very large value', () => {
    const numbers = { items: { type: 'number' } }
    expect(compileJsonSchema(numbers).check(Array.from({ length: 100 }, () => 'x'))).toHaveLength(20)
    expect(
      check(
        numbers,
        Array.from({ length: 100_000 }, () => 'x'),
      ),
    ).toEqual([{ pointer: '/0', detail: 'must be number' }])
  })

  it('notes words that mean nothing in it', () => {
    expect(compileJsonSchema({ requierd: ['a'] }).notes).toEqual(['unknown keyword: "requierd"'])
  })
})
