import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ThreeStates } from '../../src/model/merge-rows.ts'
import { mergeRow } from '../../src/model/merge-rows.ts'
import type { Row } from '../../src/model/value.ts'

const cell = fc.constantFrom(null, 'a', 'b', 1n, 1, new Uint8Array([1]))
const row = fc.array(cell, { minLength: 3, maxLength: 3 })
const maybe = fc.option(row)
const states: fc.Arbitrary<ThreeStates> = fc.record({ was: maybe, base: maybe, now: maybe })

describe('mergeRow', () => {
  test('takes back the cells that nobody touched again, and keeps the others', () => {
    expect(mergeRow({ was: ['a', 1n, 'x'], base: ['b', 2n, 'x'], now: ['b', 3n, 'y'] })).toEqual({
      kept: ['a', 3n, 'y'],
      old: ['a', 1n, 'y'],
      conflicts: [1]
    })
  })

  test('a row that one side took away and the other changed is a conflict in the cells that were changed', () => {
    const [a, b]: Row[] = [
      ['a', 1n],
      ['a', 2n]
    ]
    expect(mergeRow({ was: a as Row, base: b as Row, now: null })).toEqual({ kept: null, old: a, conflicts: [1] })
    expect(mergeRow({ was: null, base: a as Row, now: b as Row })).toEqual({ kept: b, old: null, conflicts: [1] })
    expect(mergeRow({ was: a as Row, base: null, now: b as Row })).toEqual({ kept: b, old: a, conflicts: [1] })
  })

  test('1 and 1.0 are not the same', () => {
    expect(mergeRow({ was: [1n], base: ['b'], now: [1] }).conflicts).toEqual([0])
  })

  test('what nobody touched since goes back to what it was', () => {
    fc.assert(
      fc.property(maybe, maybe, (was, base) => {
        expect(mergeRow({ was, base, now: base })).toEqual({ kept: was, old: was, conflicts: [] })
      })
    )
  })

  test('what is as it was before stays, without a conflict', () => {
    fc.assert(
      fc.property(maybe, maybe, (was, base) => {
        expect(mergeRow({ was, base, now: was })).toEqual({ kept: was, old: was, conflicts: [] })
      })
    )
  })

  test('a change that changed nothing takes nothing back', () => {
    fc.assert(
      fc.property(maybe, maybe, (was, now) => {
        expect(mergeRow({ was, base: was, now })).toEqual({ kept: now, old: now, conflicts: [] })
      })
    )
  })

  test('the two ways to settle it differ where there is a conflict, and nowhere else', () => {
    fc.assert(
      fc.property(states, (three) => {
        const { kept, old, conflicts } = mergeRow(three)
        if (conflicts.length === 0) expect(kept).toEqual(old)
        else expect(kept).not.toEqual(old)
        if (kept && old && three.was && three.base) {
          expect([...kept.keys()].filter((i) => !Object.is(kept[i], old[i]))).toEqual(conflicts)
        }
      })
    )
  })

  test('reverting what is settled again finds no other conflict when old values won', () => {
    fc.assert(
      fc.property(states, (three) => {
        const { old } = mergeRow(three)
        expect(mergeRow({ ...three, now: old })).toEqual({ kept: old, old, conflicts: [] })
      })
    )
  })
})
