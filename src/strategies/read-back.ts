import { createHash } from 'node:crypto'
import type { Engine } from '../engines/engine.ts'
import type { RowChange } from '../model/change.ts'
import type { Table } from '../model/table.ts'
import { imageColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import { Repository } from '../store/repository.ts'
import { readRanges } from './range-reader.ts'
import type { CutRange, StoredImage } from './table-image.ts'
import { rangeOf } from './table-image.ts'

/** Whether the rows that a table now has in some ranges are those of a backup. */
export async function readsBackAs(
  engine: Engine,
  table: Table,
  wanted: StoredImage,
  ranges: readonly CutRange[]
): Promise<boolean> {
  const hashes = ranges.map(() => createHash('sha256'))
  for await (const { range, bytes } of readRanges(engine, table, ranges.map(rangeOf))) hashes[range]?.update(bytes)
  for (const [i, range] of ranges.entries()) {
    if (hashes[i]?.digest('hex') !== (await nameAsOne(wanted, range))) return false
  }
  return true
}

/**
 * Whether changes read back as they were to be made: each row that was written is there, and none that was taken away.
 * Where the rest was read in the same transaction this says as much as reading it all again, at the cost of what changed.
 * @param changes of the whole table, in the columns of `imageColumns(table)`
 * @returns null where that cannot be told row by row
 */
export async function changesReadBack(
  engine: Engine,
  table: Table,
  changes: readonly RowChange[]
): Promise<boolean | null> {
  const { key } = table
  // What cannot be aborted others may change meanwhile.
  if (key === null || table.hiddenOrder || !table.atomic) return null
  const keyAt = key.map((name) => imageColumns(table).indexOf(name))
  const keyOf = (row: Row) => keyAt.map((at) => row[at] ?? null)
  const come = changes.flatMap(({ after }) => (after ? [after] : []))
  const gone = changes.flatMap(({ before }) => (before ? [before] : []))
  if ([...come, ...gone].some((row) => keyOf(row).includes(null))) return null
  const written = new Set(come.map(encodeRow))
  const found = await engine.findRows(table, key, come.map(keyOf))
  if (!found.every((row, i) => row !== null && encodeRow(row) === encodeRow(come[i] as Row))) return false
  const stay = new Set(come.map((row) => encodeRow(keyOf(row))))
  const left = await engine.findRows(
    table,
    key,
    gone.map(keyOf).filter((cells) => !stay.has(encodeRow(cells)))
  )
  // The table may take another row's key for the same, spelled otherwise.
  return left.every((row) => row === null || written.has(encodeRow(row)))
}

/** The name that the rows of a range have, or would have if they were one object. */
async function nameAsOne({ stored: { repository, objects } }: StoredImage, { from, to }: CutRange): Promise<string> {
  const names = objects(from, to)
  return names.length === 1 ? (names[0] as string) : Repository.nameOf(await repository.joined(names))
}
