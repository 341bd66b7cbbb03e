import type { Engine, Lines, RowRange } from '../engines/engine.ts'
import type { Table } from '../model/table.ts'
import { imageColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { decodeRow, encodeRow } from '../model/value.ts'

/** Rows of one of several ranges. */
export interface RangeLines extends Lines {
  /** Which one, by its place. */
  range: number
}

/**
 * Reads ranges of a table's rows one after the other. Neighbours are read at once where their bounds can be told apart
 * here, which saves the database a question for each.
 * @param ranges in the table's order; of one without rows nothing comes. What comes is good until the next is asked for
 */
export async function* readRanges(
  engine: Engine,
  table: Table,
  ranges: readonly RowRange[]
): AsyncIterable<RangeLines> {
  const comparable = comparesByInteger(engine, table)
  for (let first = 0; first < ranges.length; ) {
    let next = first + 1
    while (comparable && next < ranges.length && follows(ranges[next] as RowRange, ranges[next - 1] as RowRange)) next++
    const run = ranges.slice(first, next)
    const whole = { from: (run[0] as RowRange).from, to: (run.at(-1) as RowRange).to }
    const splitter = new Splitter(table, run, first)
    for await (const lines of engine.readLines(table, whole)) yield* splitter.split(lines)
    first = next
  }
}

/**
 * Whether all rows come in one statement that reads the table itself, so that a count would only read the same once more.
 * @param ranges that follow each other, from the table's beginning to its end
 */
export function isOneScan(engine: Engine, table: Table, ranges: readonly RowRange[]): boolean {
  const isOneStatement = ranges.length === 1 || comparesByInteger(engine, table)
  return isOneStatement && table.atomic && !engine.capabilities.ordersByIndex
}

/** The order of text is the server's own, and what a column of SQLite holds need not be of its type. */
function comparesByInteger(engine: Engine, table: Table): boolean {
  const kindOf = (name: string) => table.columns.find((column) => column.name === name)?.type.kind
  return !engine.capabilities.typesPerValue && (table.order ?? []).every((name) => kindOf(name) === 'integer')
}

function follows(range: RowRange, before: RowRange): boolean {
  return range.from !== null && before.to !== null && encodeRow(range.from) === encodeRow(before.to)
}

/** Says of rows that come in order which of some ranges that follow each other they belong to. */
class Splitter {
  readonly #orderAt: number[]
  readonly #ranges: readonly RowRange[]
  readonly #first: number
  #at = 0

  constructor(table: Table, ranges: readonly RowRange[], first: number) {
    const columns = imageColumns(table)
    this.#orderAt = (table.order ?? []).map((name) => columns.indexOf(name))
    this.#ranges = ranges
    this.#first = first
  }

  *split(lines: Lines): Iterable<RangeLines> {
    let begun = 0
    for (;;) {
      const end = this.#isLast() ? lines.ends.length : this.#firstBeyond(lines, begun)
      if (end > begun) yield { ...part(lines, begun, end), range: this.#first + this.#at }
      if (end === lines.ends.length) return
      begun = end
      this.#at++
    }
  }

  #isLast(): boolean {
    return this.#at === this.#ranges.length - 1
  }

  /** The first line, of those from `begun` on, that is beyond the range at hand; by halving, because they are in order. */
  #firstBeyond(lines: Lines, begun: number): number {
    const bound = this.#ranges[this.#at]?.to as Row
    let low = begun
    let high = lines.ends.length
    // Most pieces lie within one range.
    if (high > low && !this.#isBeyond(lines, high - 1, bound)) return high
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#isBeyond(lines, middle, bound)) high = middle
      else low = middle + 1
    }
    return low
  }

  #isBeyond({ bytes, ends }: Lines, line: number, bound: Row): boolean {
    const row = decodeRow(bytes.toString('utf8', startOf(ends, line), (ends[line] as number) - 1))
    for (const [i, at] of this.#orderAt.entries()) {
      const [cell, limit] = [row[at] as bigint, bound[i] as bigint]
      if (cell !== limit) return cell > limit
    }
    return true
  }
}

function startOf(ends: readonly number[], line: number): number {
  return line === 0 ? 0 : (ends[line - 1] as number)
}

function part(lines: Lines, from: number, to: number): Lines {
  if (from === 0 && to === lines.ends.length) return lines
  const start = startOf(lines.ends, from)
  return {
    bytes: lines.bytes.subarray(start, lines.ends[to - 1]),
    ends: lines.ends.slice(from, to).map((end) => end - start)
  }
}
