import type { DumpText } from '../engines/dump-text.ts'
import { commentLine } from '../engines/dump-text.ts'
import type { Engine } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { SchemaObject } from '../model/schema-object.ts'
import type { Row } from '../model/value.ts'
import type { ReadableState, StateTable } from './backup-reader.ts'
import type { LiveState } from './session.ts'

const COUNTS = /\bAUTO_?INCREMENT\b/i

export interface ExportRequest {
  engine: Engine
  state: ReadableState
  live: LiveState
  /** What the file says of itself, a comment line each. */
  about: readonly string[]
  /** In an order in which they can be made; tables may draw their defaults from sequences, and the others read tables. */
  objects: readonly SchemaObject[]
  signal: AbortSignal | undefined
}

/** The rows that were written, as they are. */
export interface ExportedTable {
  table: string
  rows: number
}

/**
 * One state as an SQL file for the stock client, in pieces; to be read inside one read transaction.
 * @param exported gets each table when it is written
 * @throws RowbackError `backup.missing` for a table of which nothing is left
 */
export async function* exportState(request: ExportRequest, exported: ExportedTable[]): AsyncGenerator<string> {
  const { engine, state, about } = request
  const dump = await engine.dumpText()
  yield dump.begin()
  yield about.map(commentLine).join('')
  const [sequences, others] = partition(request.objects, ({ kind }) => kind === 'sequence')
  yield* exportObjects(dump, sequences)
  const triggers: string[] = []
  for (const name of state.names().sort()) {
    const table = await state.table(name)
    if (!table) throw notThere(name)
    triggers.push(dump.triggers(table.ddl))
    yield* exportTable(request, dump, table, exported)
  }
  yield* triggers
  yield* exportObjects(dump, others)
  yield dump.end()
}

async function* exportTable(
  { engine, live, signal }: ExportRequest,
  dump: DumpText,
  table: StateTable,
  exported: ExportedTable[]
): AsyncGenerator<string> {
  const { name, ddl } = table
  const columns = table.written.map((written) => table.columns.find((column) => column.name === written)!)
  // Numbers that were given once are not given again: the counter of a table that is there is never lower.
  const isLive = live.tables.some((candidate) => candidate.name === name)
  const counter = isLive && ddl.some((statement) => COUNTS.test(statement)) ? await engine.counterOf(name) : null
  yield `\n${commentLine(`Table ${name}`)}${dump.table(ddl)}`
  const counts: ExportedTable = { table: name, rows: 0 }
  const hasGenerated = table.columns.some((column) => column.generated)
  yield* dump.inserts({ name, columns, hasGenerated }, counted(table.rows(), counts, signal))
  if (counter !== null) yield dump.counter(name, counter)
  yield dump.afterRows(ddl)
  exported.push(counts)
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))]
}

/** Views, routines and the like. */
async function* exportObjects(dump: DumpText, objects: readonly SchemaObject[]): AsyncGenerator<string> {
  for (const { kind, name, statements } of objects) {
    yield `\n${commentLine(`${kind} ${name}`)}${dump.object(statements)}`
  }
}

async function* counted(
  batches: AsyncIterable<Row[]>,
  counts: ExportedTable,
  signal: AbortSignal | undefined
): AsyncGenerator<Row[]> {
  for await (const rows of batches) {
    signal?.throwIfAborted()
    counts.rows += rows.length
    yield rows
  }
}

function notThere(table: string): RowbackError {
  return new RowbackError({
    code: 'backup.missing',
    message: `The rows of ${table} in that state cannot be found.`,
    hint: 'Check the repository with: rowback backup list'
  })
}
