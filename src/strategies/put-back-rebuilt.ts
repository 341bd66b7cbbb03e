import type { Tracking } from '../engines/engine.ts'
import { WHOLE_TABLE } from '../engines/engine.ts'
import { ExitCode, NOTHING_CHANGED, RowbackError } from '../errors.ts'
import type { RowChange, WriteCounts } from '../model/change.ts'
import { count, noCounts } from '../model/change.ts'
import { RowKey } from '../model/key.ts'
import { digestOf } from '../model/rows-digest.ts'
import type { Table } from '../model/table.ts'
import { sameList, writableColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import { withoutFirst } from './backup-reader.ts'
import type { RebuiltTable } from './rebuilt-table.ts'
import type { Run } from './run.ts'

/**
 * Writes the rows in which a table differs from what was made of a backup and change sets, and reads all of it back.
 * @param tracking how superseded rows are kept; null when they are not
 * @returns what was written
 * @throws RowbackError `schema.changed` (exit code 5), `backup.damaged`, `restore.mismatch`
 */
export async function putBackRebuilt(
  run: Run,
  table: Table,
  wanted: RebuiltTable,
  tracking: Tracking | null
): Promise<WriteCounts> {
  assertSameColumns(table, wanted)
  const changes = await differences(run, table, wanted)
  const counts = noCounts()
  for (const { before, after } of changes) count(counts, { before, after })
  if (changes.length === 0) return counts
  const read = async function* () {
    yield* changes
  }
  await run.engine.applyChanges(table, read, run.number, tracking)
  const [is, shallBe] = [await digestOf(liveRows(run, table)), await digestOf(wanted.rows())]
  if (is.equals(shallBe)) return counts
  throw new RowbackError({
    code: 'restore.mismatch',
    message: `${table.name} did not read back as its base backup and change sets have it.`,
    state: `The transaction was aborted. ${NOTHING_CHANGED}`,
    hint: 'Check whether other programs or generated defaults change the rows of this table as they are written.'
  })
}

/** Of rows with a hidden place, in which changed rows stay and new ones get one after all others. */
async function differences(run: Run, table: Table, wanted: RebuiltTable): Promise<RowChange[]> {
  const isPlaced = table.hiddenOrder
  const rowKey = new RowKey(wanted.written, table.key ?? [], table.collations)
  const come = await countedLines(wanted.rows())
  const gone: Row[] = []
  for await (const rows of run.engine.readRows(table, WHOLE_TABLE)) {
    run.throwIfGivenUp()
    for (const row of rows) if (!takeOne(come, encodeRow(isPlaced ? row.slice(1) : row))) gone.push(row)
  }
  const byKey = new Map<string, Row>()
  for (const { row } of come.values()) byKey.set(rowKey.of(row) ?? encodeRow(row), row)
  const changes: RowChange[] = gone.map((before) => {
    const key = rowKey.of(isPlaced ? before.slice(1) : before) ?? ''
    const after = byKey.get(key)
    if (after) takeOne(come, encodeRow(after))
    byKey.delete(key)
    return { before, after: after ? (isPlaced ? [before[0] ?? null, ...after] : after) : null }
  })
  for (const { row, times } of come.values()) {
    for (let i = 0; i < times; i++) changes.push({ before: null, after: isPlaced ? [null, ...row] : row })
  }
  return changes
}

async function countedLines(batches: AsyncIterable<Row[]>): Promise<Map<string, { row: Row; times: number }>> {
  const counted = new Map<string, { row: Row; times: number }>()
  for await (const rows of batches) {
    for (const row of rows) {
      const line = encodeRow(row)
      const known = counted.get(line)
      if (known) known.times++
      else counted.set(line, { row, times: 1 })
    }
  }
  return counted
}

function takeOne(counted: Map<string, { times: number }>, line: string): boolean {
  const known = counted.get(line)
  if (!known) return false
  if (known.times === 1) counted.delete(line)
  else known.times--
  return true
}

function liveRows(run: Run, table: Table): AsyncIterable<Row[]> {
  return withoutFirst(table.hiddenOrder, run.engine.readRows(table, WHOLE_TABLE))
}

function assertSameColumns(table: Table, { written, name }: RebuiltTable): void {
  const columns = writableColumns(table).map((column) => column.name)
  if (sameList(columns, written)) return
  throw new RowbackError({
    code: 'schema.changed',
    message: `The columns of ${name} are not those that it had then (${written.join(', ')}), and its history of then is not in the database any more.`,
    state: NOTHING_CHANGED,
    hint: `Bring the columns of ${name} back to what they were, or write the state elsewhere: rowback checkout VERSION --to URL`,
    exit: ExitCode.conflict
  })
}
