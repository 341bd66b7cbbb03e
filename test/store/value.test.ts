import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAuthor } from '../../src/model/author.ts'
import type { Value } from '../../src/model/value.ts'
import { decodeRow, display, encodeRow, RawText, sameValue, toJson } from '../../src/model/value.ts'

const bytes = fc.uint8Array({ maxLength: 12 })
const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -10n, max: 10n }),
  fc.constantFrom(2n ** 53n, 2n ** 53n - 1n, 2n ** 53n + 1n, -(2n ** 53n), -(2n ** 53n) - 1n),
  fc.double(),
  fc.integer(),
  fc.constantFrom(-0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 1e308, 1e21),
  bytes,
  bytes.map((raw) => new RawText(raw))
)
const row = fc.array(value, { maxLength: 6 })

describe('encodeRow and decodeRow', () => {
  test('give every row back exactly, type by type', () => {
    fc.assert(
      fc.property(row, (values) => {
        expect(decodeRow(encodeRow(values))).toEqual(values)
      }),
      { numRuns: 2000 }
    )
  })

  test('write one line, and equal rows as equal text', () => {
    fc.assert(
      fc.property(row, row, (a, b) => {
        const [lineA, lineB] = [encodeRow(a), encodeRow(b)]
        expect(/[\n\r]/.test(lineA)).toBe(false)
        expect(Array.isArray(JSON.parse(lineA))).toBe(true)
        expect(encodeRow(decodeRow(lineA))).toBe(lineA)
        const same = a.length === b.length && a.every((cell, i) => sameValue(cell, b[i] as Value))
        if (same) expect(lineA).toBe(lineB)
      }),
      { numRuns: 1000 }
    )
  })

  test('sameValue is equality of the text', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        fc.pre(typeof a !== 'number' || typeof b !== 'number' || a !== b)
        expect(sameValue(a, b)).toBe(encodeRow([a]) === encodeRow([b]))
      }),
      { numRuns: 2000 }
    )
  })

  test.each<[Value, string]>([
    [null, '[null]'],
    ['', '[""]'],
    ['a\0"\n', '["a\\u0000\\"\\n"]'],
    [1n, '[1]'],
    [-9007199254740991n, '[-9007199254740991]'],
    [9007199254740992n, '[{"i":"9007199254740992"}]'],
    [1, '[{"r":"1"}]'],
    [-0, '[{"r":"-0"}]'],
    [0.1, '[0.1]'],
    [1e308, '[{"r":"1e+308"}]'],
    [Number.NEGATIVE_INFINITY, '[{"r":"-Infinity"}]'],
    [new Uint8Array([0, 255]), '[{"b":"AP8="}]'],
    [new RawText(new Uint8Array([255])), '[{"t":"/w=="}]'],
    ['\ud800', '["\\ud800"]']
  ])('%s is %s', (cell, line) => {
    expect(encodeRow([cell])).toBe(line)
    expect(decodeRow(line)).toEqual([cell])
  })

  test('a part of a buffer is encoded as that part', () => {
    const part = new Uint8Array(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)
    expect(decodeRow(encodeRow([part, new RawText(part)]))).toEqual([
      new Uint8Array([2, 3]),
      new RawText(new Uint8Array([2, 3]))
    ])
  })

  test.each(['', '{}', '[', '[true]', '[{"x":1}]', '[[1]]', '1'])('%j is not a row', (line) => {
    expect(() => decodeRow(line)).toThrow(SyntaxError)
  })

  test('for programs and for people', () => {
    const values: Value[] = [null, 5n, 2n ** 60n, 0.5, Number.POSITIVE_INFINITY, 'x', new Uint8Array([1, 171])]
    expect(values.map(toJson)).toEqual([null, 5, '1152921504606846976', 0.5, 'Infinity', 'x', '0x01ab'])
    expect(values.map(display)).toEqual(['null', '5', '1152921504606846976', '0.5', 'Infinity', 'x', '0x01ab'])
    expect(toJson(new RawText(new Uint8Array([255])))).toBe('0xff')
  })
})

describe('parseAuthor', () => {
  test.each([
    ['Li Lei <lilei@example.com>', 'Li Lei', 'lilei@example.com', null],
    ['  Li Lei   <lilei@example.com>  ', 'Li Lei', 'lilei@example.com', null],
    ['李雷 <lilei@example.com>', '李雷', 'lilei@example.com', null],
    ['<lilei@example.com>', null, 'lilei@example.com', null],
    ['lilei@example.com', null, 'lilei@example.com', null],
    ['li.lei+db@mail.example.com', null, 'li.lei+db@mail.example.com', null],
    ['Li Lei', 'Li Lei', null, null],
    ['lilei', null, null, 'lilei'],
    ['李雷', null, null, '李雷'],
    ['@lilei', null, null, '@lilei'],
    ['Li Lei <not an address>', 'Li Lei <not an address>', null, null],
    ['"Lei, Li" <lilei@example.com>', '"Lei, Li"', 'lilei@example.com', null]
  ])('%s', (given, name, email, alias) => {
    expect(parseAuthor(given)).toEqual({ given: given.trim(), name, email, alias })
  })
})
