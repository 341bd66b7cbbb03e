import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Table } from '../model/table.ts'
import { sameList } from '../model/table.ts'
import type { TrackedTable } from '../model/version.ts'
import { assertHistoryThere } from './lost-history.ts'
import type { LiveState } from './session.ts'
import type { ShapeChanges } from './table-shapes.ts'
import { assertHasVersions, changesOf, describeChanges, shapeOf } from './table-shapes.ts'

/** What others did to the columns of a tracked table since they were noted last. */
export interface ChangedTable {
  tracked: TrackedTable
  table: LiveState['tables'][number]
  changes: ShapeChanges
}

/** The tracked tables whose columns others changed, and no version noticed yet. */
export async function changedTables(engine: Engine, live: LiveState): Promise<ChangedTable[]> {
  const changed: ChangedTable[] = []
  for (const [name, tracked] of live.tracked) {
    const table = live.tables.find((candidate) => candidate.name === name)
    const changes = table && !table.lacksVersions ? await changesOf(engine, tracked, table) : null
    if (table && changes) changed.push({ tracked, table, changes })
  }
  return changed
}

/** What became of {@link carrySchema}. */
export interface Carried {
  /** What was noticed; sentences. */
  notes: string[]
  /** By table, why its history cannot go on. */
  refused: Map<string, RowbackError>
}

/**
 * Carries what others did to the columns of tracked tables into their histories, so that rows can be superseded again and
 * states before still be read; to be called before a version writes its first row, and where changes of the schema commit
 * outside a transaction. May be repeated after it was interrupted.
 * @param since the version from which on the tables are as they are now
 * @param ledger null for a rehearsal
 */
export async function carrySchema(
  engine: Engine,
  ledger: Ledger | null,
  live: LiveState,
  since: number
): Promise<Carried> {
  const carried: Carried = { notes: [], refused: new Map() }
  for (const [name, tracked] of live.tracked) {
    const table = live.tables.find((candidate) => candidate.name === name)
    const error = table && refusalOf(engine, table, tracked)
    if (error) carried.refused.set(name, error)
  }
  for (const { tracked, table, changes } of await changedTables(engine, live)) {
    if (tracked.isLost) continue
    const what = describeChanges(table.name, changes)
    try {
      if (ledger === null && !engine.capabilities.transactionalDdl) throw needsRecover(what)
      await assertSameKey(engine, { tracked, table, changes }, what)
      await engine.carryColumns(table, { history: tracked.history, live: true }, changes)
      const shape = shapeOf(engine, table, since)
      await ledger?.addTableShape(tracked, shape)
      tracked.shapes.push(shape)
      tracked.ddl = shape.ddl
      carried.notes.push(what)
    } catch (error) {
      if (!(error instanceof RowbackError) || error.code !== 'schema.changed') throw error
      carried.refused.set(table.name, error)
    }
  }
  return carried
}

function refusalOf(engine: Engine, table: Table, tracked: TrackedTable): RowbackError | null {
  try {
    assertHasVersions(engine, table)
    assertHistoryThere(tracked)
    return null
  } catch (error) {
    if (error instanceof RowbackError) return error
    throw error
  }
}

/** A history tells rows apart by the key that the table had. */
async function assertSameKey(engine: Engine, { tracked, table, changes }: ChangedTable, what: string): Promise<void> {
  const history = await engine.historyShape(tracked.history)
  const held = history?.key?.slice(0, -2) ?? []
  const key = held.map((name) => changes.renamed.find(({ from }) => from === name)?.column.name ?? name)
  if (sameList(key, table.key ?? [])) return
  throw new RowbackError({
    code: 'schema.changed',
    message: `${what} Its history tells rows apart by ${key.join(', ')}, and its key is ${table.key?.join(', ') ?? 'none'} now.`,
    hint: `Give ${table.name} its former key back, then try again.`,
    exit: ExitCode.conflict
  })
}

function needsRecover(what: string): RowbackError {
  return new RowbackError({
    code: 'schema.changed',
    message: `${what} A rehearsal cannot carry that into its history.`,
    hint: 'Carry it first, which changes none of your tables: rowback recover',
    exit: ExitCode.conflict
  })
}
