import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyCheck } from '../../src/format/key-check.ts'
import { hash128 } from '../../src/model/hash128.ts'
import type { Value } from '../../src/model/value.ts'

describe('KeyCheck', () => {
  test('reports the first repeated key with both lines, and how many follow', () => {
    const check = new KeyCheck()
    expect(check.add(2, ['a'])).toBeNull()
    expect(check.add(3, ['b'])).toBeNull()
    expect(check.add(5, ['a'])).toBe(2)
    expect(check.add(6, ['b'])).toBe(3)
    expect(check.add(7, ['a'])).toBe(2)
    expect(check.firstRepeat).toEqual({ key: ['a'], firstLine: 2, line: 5 })
    expect(check.repeats).toBe(3)
  })

  test('reports the first null in a key and leaves such rows out', () => {
    const check = new KeyCheck()
    check.add(2, ['a', null])
    check.add(3, ['a', null])
    check.add(4, [null, 'a'])
    expect(check.firstNull).toEqual({ line: 2, position: 1 })
    expect([check.nulls, check.repeats]).toEqual([3, 0])
  })

  test('finds nothing among unique keys', () => {
    const check = new KeyCheck()
    for (const [line, key] of ['a', 'A', 'a ', 'é', 'e\u0301', '', '\ud800', '\ud801', 'aa'].entries()) {
      expect(check.add(line, [key])).toBeNull()
    }
    expect([check.firstRepeat, check.firstNull]).toEqual([null, null])
  })

  test('keeps the cells of a key apart', () => {
    const check = new KeyCheck()
    const keys = [
      ['a', 'bc'],
      ['ab', 'c'],
      ['abc', ''],
      ['', 'abc'],
      ['1:a', ''],
      ['', '1:a']
    ]
    for (const [line, key] of keys.entries()) expect(check.add(line, key)).toBeNull()
    expect(check.add(99, ['ab', 'c'])).toBe(1)
  })

  test('takes formatted values: an integer is the same as number or bigint', () => {
    const check = new KeyCheck()
    check.add(2, [7])
    check.add(3, [2n ** 60n])
    expect(check.add(4, [7n])).toBe(2)
    expect(check.add(5, [2n ** 60n + 1n])).toBeNull()
    check.add(6, [new Uint8Array([1, 2])])
    expect(check.add(7, [new Uint8Array([1, 2])])).toBe(6)
    expect(check.add(8, [new Uint8Array([1, 3])])).toBeNull()
  })

  test('finds every repeat among many keys, and lines beyond 2^31', () => {
    const check = new KeyCheck()
    const rows = 150_000
    const offset = 4_000_000_000
    for (let i = 0; i < rows; i++) check.add(offset + i, [`customer ${i}`])
    expect(check.repeats).toBe(0)
    for (let i = 0; i < rows; i += 997) expect(check.add(1, [`customer ${i}`])).toBe(offset + i)
    expect(check.repeats).toBe(Math.ceil(rows / 997))
  })

  test('agrees with a Map', () => {
    const cell = fc.oneof(fc.constantFrom('a', 'b', 'ab', '1:a', ''), fc.string({ maxLength: 20 }))
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 60 }), (keys) => {
        const check = new KeyCheck()
        const seen = new Map<string, number>()
        for (const [line, key] of keys.entries()) {
          const text = JSON.stringify(key)
          expect(check.add(line, key as Value[])).toBe(seen.get(text) ?? null)
          if (!seen.has(text)) seen.set(text, line)
        }
      })
    )
  })
})

describe('hash128', () => {
  // Two bytes of Latin-1 per UTF-16 code, as the reference hashes bytes.
  function hashOfBytes(bytes: string): string {
    const words = new Uint32Array(4)
    const codes = Array.from(
      { length: bytes.length / 2 },
      (_, i) => bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8)
    )
    hash128(String.fromCharCode(...codes), words)
    return [...words].map((word) => word.toString(16).padStart(8, '0')).join('')
  }

  test('is MurmurHash3 x86_128', () => {
    expect(hashOfBytes('')).toBe('0'.repeat(32))
    expect(hashOfBytes('I will not buy this record, it is scratched.')).toBe('a0a9683b25ac5e40d9af2895890dddf5')
  })
})
