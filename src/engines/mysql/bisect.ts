import type { Refusal } from '../engine.ts'
import { refusalOf } from './errors.ts'
import type { Statements } from './statements.ts'
import { allOrNothing } from './statements.ts'

/**
 * Does something to many rows in as few statements as the server lets through: a range that it refuses is halved until
 * the row at fault stands alone. One bad row of n costs about log n statements over ever fewer rows.
 * @param ranges numbers of the rows that are tried at once, ascending
 * @param apply does it to all rows of a range, whole; both ends belong to it
 * @param refuse takes the row that the server refused, with the server's own words
 * @throws what is no refusal of a row
 */
export async function applyBisecting(
  statements: Statements,
  ranges: readonly (readonly number[])[],
  apply: (from: number, to: number) => Promise<void>,
  refuse: (number: number, refusal: Refusal) => void
): Promise<void> {
  for (const numbers of ranges) {
    const open: [start: number, end: number][] = numbers.length > 0 ? [[0, numbers.length]] : []
    for (let range = open.pop(); range; range = open.pop()) {
      const [start, end] = range
      const from = numbers[start] as number
      try {
        await allOrNothing(statements, () => apply(from, numbers[end - 1] as number))
      } catch (error) {
        const refusal = refusalOf(error)
        if (!refusal) throw error
        const middle = (start + end) >> 1
        if (end - start === 1) refuse(from, refusal)
        // The first half is done first, as the rows stand in the source.
        else open.push([middle, end], [start, middle])
      }
    }
  }
}
