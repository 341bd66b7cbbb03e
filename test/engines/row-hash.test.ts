import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowHash } from '../../src/engines/mysql/row-hash.ts'
import { endOfCell, WireRow } from '../../src/engines/mysql/wire-rows.ts'

const hash = new RowHash()
const row = new WireRow()

function of(add: () => void): string {
  row.begin()
  add()
  hash.take(row.bytes, 0, row.length)
  return `${hash.high} ${hash.low}`
}

const asText = (cells: (string | null)[]) => of(() => cells.map((cell) => row.addText(cell, false)))
const asBytes = (cells: (string | null)[]) =>
  of(() => cells.map((cell) => row.addBytes(cell === null ? null : Buffer.from(cell))))

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

test('cells of any length end where the protocol says', () => {
  for (const length of [0, 1, 250, 251, 252, 65_535, 65_536, 70_000, (1 << 24) - 1, 1 << 24]) {
    row.begin()
    row.addText('before', false)
    row.addText('x'.repeat(length), false)
    const ascii = Buffer.from(row.bytes.subarray(0, row.length))
    expect(endOfCell(ascii, endOfCell(ascii, 0))).toBe(ascii.length)
    row.begin()
    row.addText('before', false)
    row.addBytes(Buffer.alloc(length, 'x'))
    expect(ascii.equals(row.bytes.subarray(0, row.length))).toBe(true)
  }
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
