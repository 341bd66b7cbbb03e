import type { RowChange } from '../model/change.ts'
import { RowKey } from '../model/key.ts'
import { sameList } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { decodeRow } from '../model/value.ts'
import type { TableReport, TrackedTable, Version } from '../model/version.ts'
import type { Piece, TableChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { linesIn } from './increments.ts'

/**
 * What a version did to a tracked table by its change set: live rows that bear its number may have been changed by others
 * since, and then are not what it left.
 * @param fromHistory the same as the database tells it, in these columns
 * @param columns that can be written now
 */
export async function exactChanges(
  repository: Repository | null,
  version: Version,
  tracked: TrackedTable,
  columns: readonly string[],
  fromHistory: () => AsyncIterable<RowChange>
): Promise<() => AsyncIterable<RowChange>> {
  const entry = await entryOf(repository, version, tracked)
  if (repository === null || entry === null) return fromHistory
  if (!sameList(entry.columns, columns)) return () => withoutColumns(fromHistory(), columns, entry.columns)
  const isTold = !entry.all || onlyInserted(version.tables, tracked, entry.added)
  return isTold ? () => changesIn(repository, entry) : fromHistory
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
  const rows = added.reduce((sum, piece) => sum + piece.rows, 0)
  return report !== undefined && report.updated + report.deleted === 0 && report.inserted === rows
}

/** Pairs what went with what came, by key; in memory is what went. */
async function* changesIn(repository: Repository, entry: TableChangeSet): AsyncIterable<RowChange> {
  const rowKey = new RowKey(entry.columns, entry.key ?? [], entry.collations)
  const went = new Map<string, string>()
  for await (const lines of linesIn(repository, entry.removed)) {
    for (const line of lines) {
      const before = decodeRow(line)
      const key = rowKey.of(before)
      if (key === null) yield { before, after: null }
      else went.set(key, line)
    }
  }
  for await (const lines of linesIn(repository, entry.added)) {
    for (const line of lines) {
      const after = decodeRow(line)
      const key = rowKey.of(after)
      const before = key === null ? undefined : went.get(key)
      if (key !== null) went.delete(key)
      yield { before: before === undefined ? null : decodeRow(before), after }
    }
  }
  for (const line of went.values()) yield { before: decodeRow(line), after: null }
}

/** A version did not touch the cells of columns that came after it. */
async function* withoutColumns(
  changes: AsyncIterable<RowChange>,
  columns: readonly string[],
  known: readonly string[]
): AsyncIterable<RowChange> {
  const isKnown = columns.map((name) => known.includes(name))
  for await (const { before, after } of changes) {
    if (!before || !after) yield { before, after }
    else yield { before: before.map((cell, i) => (isKnown[i] ? cell : (after[i] ?? null))) as Row, after }
  }
}
