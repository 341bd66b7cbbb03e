import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseableJson } from '../../src/model/json-text.ts'

const key = fc.string({ unit: fc.constantFrom('k', '"', '\\', 'u', '0', '2', '\n', 'é'), maxLength: 4 })

test('objects whose keys end in quotation marks and backslashes keep them, whatever was parsed before', () => {
  fc.assert(
    fc.property(fc.array(fc.dictionary(key, fc.string(), { noNullPrototype: true }), { maxLength: 20 }), (objects) => {
      for (const object of objects) {
        const parsed = JSON.parse(parseableJson(JSON.stringify(object))) as object
        expect(Object.entries(parsed)).toEqual(Object.entries(object))
      }
    }),
    { numRuns: 2000 }
  )
})

test('a text without these escapes stays as it is', () => {
  const text = '{"a":"b\\n\\u00e9","c":[1,2]}'
  expect(parseableJson(text)).toBe(text)
})
