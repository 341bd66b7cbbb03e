import type { RowChange } from '../model/change.ts'
import { RowKey } from '../model/key.ts'
import type { Table } from '../model/table.ts'
import { sameList, writableColumns } from '../model/table.ts'
import type { Row, Value } from '../model/value.ts'
import { decodeRow } from '../model/value.ts'
import type { TableReport, TrackedTable, Version } from '../model/version.ts'
import type { Piece, TableChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { linesIn } from './increments.ts'
import { nameThen } from './table-shapes.ts'

/** What a version did to a tracked table, as the database tells it. */
export interface ToldByHistory {
  version: Version
  tracked: TrackedTable
  /** The table as it is now. */
  table: Table
  /** In its columns of now. */
  changes: () => AsyncIterable<RowChange>
}

/**
 * What a version did to a tracked table by its change set: live rows that bear its number may have been changed by others
 * since, and then are not what it left. Where the change set has other columns than there are now, or lists all rows that
 * there were, the history is asked as well.
 */
export async function exactChanges(
  repository: Repository | null,
  told: ToldByHistory
): Promise<() => AsyncIterable<RowChange>> {
  const { version, tracked, table, changes } = told
  const entry = await entryOf(repository, version, tracked)
  if (repository === null || entry === null) return changes
  const columns = writableColumns(table).map(({ name }) => name)
  if (entry.all && !onlyInserted(version.tables, tracked, entry.added)) {
    const { own } = entry
    return own ? () => corrected(told, entry, pairs(repository, entry, [], own), 'after') : changes
  }
  const written = () => pairs(repository, entry, entry.removed, entry.added)
  return sameList(entry.columns, columns) ? written : () => corrected(told, entry, written(), 'both')
}

async function entryOf(
  repository: Repository | null,
  { number }: Version,
  { table, since }: TrackedTable
): Promise<TableChangeSet | null> {
  for await (const { version, tables } of repository?.changeSets.before(number + 1) ?? []) {
    if (version !== number) return null
    return tables.find((entry) => entry.name === table && entry.since === since) ?? null
  }
  return null
}

/** Whether all rows that there were afterwards are those that the version inserted. */
function onlyInserted(reports: readonly TableReport[], { history }: TrackedTable, added: readonly Piece[]): boolean {
  const report = reports.find((one) => one.history === history)
  const rows = rowsOf(added)
  return report !== undefined && report.updated + report.deleted === 0 && report.inserted === rows
}

function rowsOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.rows, 0)
}

/**
 * Pairs what went with what came, by key. Both are read side by side, in proportion: they mostly stand in the same order, so
 * that few rows wait in memory for their other half.
 */
async function* pairs(
  repository: Repository,
  { columns, key, collations }: TableChangeSet,
  removed: readonly Piece[],
  added: readonly Piece[]
): AsyncIterable<RowChange> {
  const rowKey = new RowKey(columns, key ?? [], collations)
  const went = new Half(repository, removed)
  const came = new Half(repository, added)
  const pairOf = (line: string, isAfter: boolean): RowChange | null => {
    const row = decodeRow(line)
    const alone = isAfter ? { before: null, after: row } : { before: row, after: null }
    const id = rowKey.of(row)
    if (id === null) return alone
    const other = (isAfter ? went : came).take(id)
    if (other !== undefined)
      return isAfter ? { before: decodeRow(other), after: row } : { before: row, after: decodeRow(other) }
    if ((isAfter ? went : came).isOver) return alone
    ;(isAfter ? came : went).wait(id, line)
    return null
  }
  while (!went.isOver || !came.isOver) {
    const isAfter = went.isOver || (!came.isOver && came.part < went.part)
    for (const line of await (isAfter ? came : went).next()) {
      const pair = pairOf(line, isAfter)
      if (pair) yield pair
    }
  }
  for (const line of went.waiting()) yield { before: decodeRow(line), after: null }
  for (const line of came.waiting()) yield { before: null, after: decodeRow(line) }
}

/** The lines of one side of a change, and those that wait for their other half. */
class Half {
  isOver = false
  readonly #lines: AsyncIterator<string[]>
  readonly #rows: number
  readonly #waiting = new Map<string, string>()
  #read = 0

  constructor(repository: Repository, pieces: readonly Piece[]) {
    this.#lines = linesIn(repository, pieces)[Symbol.asyncIterator]()
    this.#rows = rowsOf(pieces)
    this.isOver = pieces.length === 0
  }

  /** How much of it was read. */
  get part(): number {
    return this.#read / this.#rows
  }

  async next(): Promise<string[]> {
    const { done, value } = await this.#lines.next()
    this.isOver = done === true || this.#read + value.length >= this.#rows
    const lines: string[] = done ? [] : value
    this.#read += lines.length
    return lines
  }

  wait(id: string, line: string): void {
    this.#waiting.set(id, line)
  }

  take(id: string): string | undefined {
    const line = this.#waiting.get(id)
    this.#waiting.delete(id)
    return line
  }

  waiting(): Iterable<string> {
    return this.#waiting.values()
  }
}

/**
 * What the history tells, with the cells that the change set has instead of its own; in memory are the rows of the change
 * set. A version did not touch the cells of columns that came after it.
 * @param side of the rows that the change set knows: what was there before may stand in the history alone
 */
async function* corrected(
  { version, tracked, table, changes }: ToldByHistory,
  entry: TableChangeSet,
  written: AsyncIterable<RowChange>,
  side: 'after' | 'both'
): AsyncIterable<RowChange> {
  const columns = writableColumns(table)
  const then = columns.map(({ name }) => nameThen(tracked, version.number, name))
  const at = then.map((name) => (name === null ? -1 : entry.columns.indexOf(name)))
  /** Whether cells of a column are written now as they were then. */
  const isSame = columns.map(
    ({ declared }, i) => entry.definition.find(({ name }) => name === then[i])?.declared === declared
  )
  const keyNow = new RowKey(
    columns.map(({ name }) => name),
    table.key ?? [],
    table.collations
  )
  const keyThen = new RowKey(entry.columns, entry.key ?? [], entry.collations)
  const known = new Map<string, RowChange>()
  for await (const change of written) {
    const id = keyThen.of((change.before ?? change.after) as Row)
    if (id !== null) known.set(id, change)
  }
  const cellsOf = (exact: Row | null, told: Row | null, untouched: Row | null): Row | null =>
    exact &&
    columns.map((_, i): Value => {
      const place = at[i] as number
      if (place < 0) return untouched?.[i] ?? null
      return isSame[i] ? (exact[place] ?? null) : (told?.[i] ?? null)
    })
  for await (const { before, after } of changes()) {
    const id = keyNow.of((before ?? after) as Row)
    const exact = id === null ? undefined : known.get(id)
    if (id !== null) known.delete(id)
    const untouched = after ?? before
    const was: Row | null =
      side === 'both' ? cellsOf(exact?.before ?? null, before, untouched) : withCells(before, untouched, at)
    // A row that the change set does not have was made by others, in the version's name.
    const left = cellsOf(exact?.after ?? null, after, untouched)
    if (was || left) yield { before: was, after: left }
  }
  // What others made of these looks to the history as if nothing had been done.
  if (side === 'both')
    for (const { before, after } of known.values()) {
      yield { before: cellsOf(before, null, null), after: cellsOf(after, null, null) }
    }
}

/** The row, with the cells of columns that came after it as another has them. */
function withCells(row: Row | null, other: Row | null, at: readonly number[]): Row | null {
  return row === null ? null : row.map((cell, i) => ((at[i] as number) < 0 ? (other?.[i] ?? null) : cell))
}
