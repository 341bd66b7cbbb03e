import type { Engine, Tracking } from '../engines/engine.ts'
import { ExitCode, NOTHING_CHANGED, RowbackError } from '../errors.ts'
import type { RowChange } from '../model/change.ts'
import { sameRow } from '../model/merge-rows.ts'
import type { Table } from '../model/table.ts'
import { imageColumns } from '../model/table.ts'
import type { Row, Value } from '../model/value.ts'
import { display } from '../model/value.ts'
import type { ChangeSpool } from './change-spool.ts'
import type { Run } from './run.ts'

const FOUND_AT_ONCE = 1000

/**
 * Writes changes into a table and reads them back.
 * @param isNew whether the table was just made; its rows then stand in the columns that can be written
 * @throws RowbackError `unique.violated` (exit code 5) or `restore.mismatch`
 */
export async function applyMerged(
  run: Run,
  table: Table,
  changes: ChangeSpool,
  tracking: Tracking | null,
  isNew: boolean
): Promise<void> {
  const { engine } = run
  const needsPlaces = isNew && table.hiddenOrder
  async function* read(): AsyncIterable<RowChange> {
    // Rows that keep their place come first: one that gets a new place could be given one of theirs.
    for (const isPlaced of table.hiddenOrder ? [true, false] : [true]) {
      for await (const { before, after } of changes.read()) {
        run.throwIfGivenUp()
        const row = after && needsPlaces ? [null, ...after] : after
        if (!table.hiddenOrder || isPlaced === (row?.[0] !== null)) yield { before, after: row }
      }
    }
  }
  // Only where rows cannot be looked up their number is counted, which reads the whole table.
  const isCounted = await someUnkeyed(table, read())
  const rows = isCounted ? await engine.countRows(table.name) : 0
  try {
    await engine.applyChanges(table, read, run.number, tracking)
  } catch (error) {
    throw (await uniqueViolation(engine, table, read())) ?? error
  }
  const isWhole =
    (!isCounted || (await engine.countRows(table.name)) === rows + (await addedBy(read()))) &&
    (await readsBack(engine, table, read()))
  if (!isWhole) throw mismatch(table.name)
}

/** @throws RowbackError `locked` (exit code 4) when others changed rows since they were read */
export async function assertUnchanged(engine: Engine, table: Table, changes: ChangeSpool): Promise<void> {
  const { key } = table
  if (!key) return
  for await (const batch of changes.batches(FOUND_AT_ONCE)) {
    const wanted = batch.map(({ before }) => before).filter((row) => isKeyed(table, key, row))
    const found = await engine.findRows(table, key, cellsOf(table, key, wanted))
    if (wanted.every((row, i) => sameRow(row, found[i] ?? null))) continue
    throw new RowbackError({
      code: 'locked',
      message: `Another program changed rows of ${table.name} meanwhile.`,
      hint: 'Try again.',
      exit: ExitCode.locked
    })
  }
}

async function someUnkeyed(table: Table, changes: AsyncIterable<RowChange>): Promise<boolean> {
  const mayBeNull = (name: string) => table.columns.find((column) => column.name === name)?.nullable !== false
  if (table.key && !table.key.some(mayBeNull)) return false
  let isFound = false
  for await (const change of changes) {
    isFound ||= [change.before, change.after].some((row) => row && !(table.key && isKeyed(table, table.key, row)))
  }
  return isFound
}

async function addedBy(changes: AsyncIterable<RowChange>): Promise<number> {
  let added = 0
  for await (const { before, after } of changes) added += (after ? 1 : 0) - (before ? 1 : 0)
  return added
}

/** Whether rows that were written are there as they were to be, and those that were taken away are not. */
async function readsBack(engine: Engine, table: Table, changes: AsyncIterable<RowChange>): Promise<boolean> {
  const { key } = table
  if (!key) return true
  const shown = (row: Row | null) => (row && table.hiddenOrder ? row.slice(1) : row)
  for await (const batch of inBatches(changes)) {
    const wanted = batch.filter(({ before, after }) => isKeyed(table, key, after ?? before))
    const keys = cellsOf(
      table,
      key,
      wanted.map(({ before, after }) => (after ?? before) as Row)
    )
    const found = await engine.findRows(table, key, keys)
    if (!wanted.every(({ after }, i) => sameRow(shown(after), shown(found[i] ?? null)))) return false
  }
  return true
}

/** Whether a row can be found by these columns: none of them is NULL. */
function isKeyed(table: Table, by: readonly string[], row: Row | null): row is Row {
  return row !== null && !cellsOf(table, by, [row])[0]?.includes(null)
}

function cellsOf(table: Table, by: readonly string[], rows: readonly Row[]): Row[] {
  const at = by.map((name) => imageColumns(table).indexOf(name))
  return rows.map((row) => at.map((i) => row[i] as Value))
}

/** What stands in the way of rows that could not be written; null where it is no other row. */
async function uniqueViolation(
  engine: Engine,
  table: Table,
  changes: AsyncIterable<RowChange>
): Promise<RowbackError | null> {
  for await (const batch of inBatches(changes)) {
    for (const unique of table.uniqueKeys) {
      const rows = batch.map(({ after }) => after).filter((row) => isKeyed(table, unique, row))
      const found = await engine.findRows(table, unique, cellsOf(table, unique, rows))
      const key = table.key ?? unique
      const at = rows.findIndex((row, i) => {
        const other = found[i]
        return other && !sameRow(cellsOf(table, key, [row])[0] as Row, cellsOf(table, key, [other])[0] as Row)
      })
      if (at >= 0) return taken(table, unique, rows[at] as Row, found[at] as Row)
    }
  }
  return null
}

async function* inBatches(changes: AsyncIterable<RowChange>): AsyncIterable<RowChange[]> {
  let batch: RowChange[] = []
  for await (const change of changes) {
    batch.push(change)
    if (batch.length < FOUND_AT_ONCE) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

function taken(table: Table, unique: readonly string[], row: Row, other: Row): RowbackError {
  const named = (names: readonly string[], of: Row) =>
    names.map((name, i) => `${name} = ${display(cellsOf(table, names, [of])[0]?.[i] ?? null)}`).join(', ')
  const key = table.key ?? unique
  return new RowbackError({
    code: 'unique.violated',
    message: `${table.name}: the row ${named(key, row)} would have ${named(unique, row)} again, which the row ${named(key, other)} has taken since.`,
    state: `The transaction was aborted. ${NOTHING_CHANGED}`,
    hint: 'Give that row another value first, then try again.',
    exit: ExitCode.conflict
  })
}

function mismatch(table: string): RowbackError {
  return new RowbackError({
    code: 'restore.mismatch',
    message: `${table} did not read back as it was written.`,
    state: `The transaction was aborted. ${NOTHING_CHANGED}`,
    hint: 'Check whether other programs or generated defaults change the rows of this table as they are written.'
  })
}
