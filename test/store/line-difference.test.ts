import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { withoutCommonLines } from '../../src/model/line-difference.ts'
import { linesOf } from '../../src/model/value.ts'

function textOf(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''))
}

function difference(before: readonly string[], after: readonly string[]): { before: string[]; after: string[] } {
  const left = withoutCommonLines(textOf(before), textOf(after))
  return { before: linesOf(left.before), after: linesOf(left.after) }
}

/** How often each line is in the first list more than in the second. */
function surplus(lines: readonly string[], over: readonly string[]): Map<string, number> {
  const count = new Map<string, number>()
  for (const line of lines) count.set(line, (count.get(line) ?? 0) + 1)
  for (const line of over) count.set(line, (count.get(line) ?? 0) - 1)
  return new Map([...count].filter(([, times]) => times !== 0).sort())
}

const rows = Array.from({ length: 5000 }, (_, id) => `[${id},"row ${id}"]`)

describe('lines that two texts have in common are taken out', () => {
  test.each([
    ['a line that changed', rows.with(17, '[17,"another"]'), [rows[17]], ['[17,"another"]']],
    ['the first and the last', rows.with(0, 'x').with(-1, 'yy'), [rows[0], rows.at(-1)], ['x', 'yy']],
    ['lines that came', rows.toSpliced(300, 0, 'x', 'y', 'z'), [], ['x', 'y', 'z']],
    [
      'many that came',
      [...rows.slice(0, 9), ...rows.map((row) => `+${row}`), ...rows.slice(9)],
      [],
      rows.map((row) => `+${row}`)
    ],
    ['lines that went', rows.toSpliced(300, 700), rows.slice(300, 1000), []],
    ['lines behind the end', [...rows, 'x'], [], ['x']],
    ['all', [], rows, []],
    ['none', rows, [], []],
    [
      'a longer text that begins with the shorter one',
      rows.with(-1, `${rows.at(-1)}!`),
      [rows.at(-1)],
      [`${rows.at(-1)}!`]
    ]
  ])('%s', (_, after, gone, come) => {
    expect(difference(rows, after)).toEqual({ before: gone, after: come })
    expect(difference(after, rows)).toEqual({ before: come, after: gone })
  })

  test('and nothing else, whatever the texts are', () => {
    const lines = fc.array(fc.constantFrom('', 'a', 'b', 'ab', 'é', '\u0000', 'long '.repeat(50)), { maxLength: 40 })
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const left = difference(before, after)
        expect(surplus(left.before, left.after)).toEqual(surplus(before, after))
        expect(left.before.length).toBeLessThanOrEqual(before.length)
      })
    )
  })
})
