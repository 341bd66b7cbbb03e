import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowHash } from '../../src/engines/mysql/row-hash.ts'

const hash = new RowHash()

function of(add: () => void): string {
  hash.begin()
  add()
  hash.end()
  return `${hash.high} ${hash.low}`
}

const asText = (cells: (string | null)[]) => of(() => cells.map((cell) => hash.addText(cell, false)))
const asBytes = (cells: (string | null)[]) =>
  of(() => cells.map((cell) => hash.addBytes(cell === null ? null : Buffer.from(cell))))

const cells = fc.array(fc.option(fc.oneof(fc.string(), fc.string({ unit: 'grapheme' })), { nil: null }), {
  maxLength: 6
})

test('text and its bytes have the same hash', () => {
  fc.assert(
    fc.property(cells, (row) => {
      expect(asText(row)).toBe(asBytes(row))
    })
  )
})

test('rows that differ, be it in where a cell ends, have other hashes', () => {
  fc.assert(
    fc.property(cells, cells, (a, b) => {
      if (JSON.stringify(a) === JSON.stringify(b)) expect(asText(a)).toBe(asText(b))
      else expect(asText(a)).not.toBe(asText(b))
    }),
    { numRuns: 2000 }
  )
  for (const [a, b] of [
    [
      ['ab', 'c'],
      ['a', 'bc']
    ],
    [[null], ['NULL']],
    [[''], [null]],
    [['', ''], ['']],
    [['a\0'], ['a']]
  ] as [(string | null)[], (string | null)[]][]) {
    expect(asText(a)).not.toBe(asText(b))
  }
})

test('a million rows that are nearly the same have a million hashes', () => {
  const seen = new Set<string>()
  const high = new Set<number>()
  for (let i = 0; i < 1_000_000; i++) {
    seen.add(asText([String(i), 'the same', String(i % 10)]))
    high.add(hash.high)
  }
  expect(seen.size).toBe(1_000_000)
  // Each lane alone is as good as chance: n^2 / 2^33 pairs share 32 bits, 116 here.
  expect(high.size).toBeGreaterThan(999_700)
})
