import { hash } from 'node:crypto'
import type { Row } from './value.ts'
import { encodeRow } from './value.ts'

/**
 * The rows of a table as one number, in whatever order they come. The hashes of the rows are added up, not XORed: two
 * equal rows would cancel each other out.
 */
export class RowsDigest {
  rows = 0
  /** Typed arrays of 64 bits wrap around by themselves. */
  readonly #sums = new BigUint64Array(4)

  add(row: Row): void {
    const bytes = hash('sha256', encodeRow(row), 'buffer')
    for (let i = 0; i < 4; i++) this.#sums[i] = (this.#sums[i] as bigint) + bytes.readBigUInt64LE(8 * i)
    this.rows++
  }

  equals(other: RowsDigest): boolean {
    return this.rows === other.rows && this.#sums.every((sum, i) => sum === other.#sums[i])
  }
}

/** Passes batches of rows on and adds them to a digest. */
export async function* digested(batches: AsyncIterable<Row[]>, digest: RowsDigest): AsyncIterable<Row[]> {
  for await (const rows of batches) {
    for (const row of rows) digest.add(row)
    yield rows
  }
}

export async function digestOf(batches: AsyncIterable<Row[]>): Promise<RowsDigest> {
  const digest = new RowsDigest()
  for await (const _ of digested(batches, digest));
  return digest
}

/** How two sets of rows differ. */
export interface Comparison {
  /** Rows that one side has and the other does not, the larger number of both. */
  differing: number
  /** One of them, as JSON that is cut short; empty where none differs. */
  example: string
}

/** Compares rows in whatever order they come; keeps one side in memory. */
export async function compareRows(a: AsyncIterable<Row[]>, b: AsyncIterable<Row[]>): Promise<Comparison> {
  const left = new Map<string, number>()
  for await (const rows of a) for (const row of rows) left.set(encodeRow(row), (left.get(encodeRow(row)) ?? 0) + 1)
  let onlyRight = 0
  let example = ''
  for await (const rows of b) {
    for (const line of rows.map(encodeRow)) {
      const count = left.get(line) ?? 0
      if (count === 1) left.delete(line)
      else if (count > 1) left.set(line, count - 1)
      else {
        onlyRight++
        if (example === '') example = line
      }
    }
  }
  const onlyLeft = [...left.values()].reduce((sum, count) => sum + count, 0)
  const [some = example] = left.keys()
  return { differing: Math.max(onlyLeft, onlyRight), example: some.length > 100 ? `${some.slice(0, 99)}…` : some }
}
