import type { Bookkeeping, Engine, Tracking } from '../engines/engine.ts'
import { VERSION_COLUMN } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Ledger, SchemaNote } from '../ledger/ledger.ts'
import type { Table } from '../model/table.ts'
import type { Repository } from '../store/repository.ts'
import type { Guarded } from './put-back.ts'
import { putBackRows } from './put-back.ts'

/**
 * What is to be done once a version is settled, where changes of the schema are no part of its transaction. Each is
 * noted in the ledger before the change it belongs to, so that whoever comes after a killed run can finish the work.
 */
export type SchemaChange =
  /** The version made this table: it goes if the version failed. */
  | { kind: 'created'; table: string }
  /** The version began to track this table: the column and the history go if it failed. */
  | { kind: 'tracked'; table: string; history: string; ddl: string[] }
  /** The version ended the history of this table: the column goes if it committed. */
  | { kind: 'untracked'; table: string; history: string; ddl: string[] }
  /** The version took this table away, and emptied it: it goes if the version committed. */
  | { kind: 'emptied'; table: string }
  /** The version put the table aside under another name: it goes if the version committed, else it gets its name back. */
  | { kind: 'aside'; table: string; under: string }
  /** The version made the table again under another name: it takes the table's place if the version committed. */
  | { kind: 'swap'; table: string; under: string; aside: string; finish: string[] }
  /** The version wrote this table, which the database cannot abort: its rows are put back if the version failed. */
  | ({ kind: 'guarded' } & Guarded)
  /** Triggers that were lifted: they come back in any case. */
  | { kind: 'triggers'; table: string; statements: string[] }

/** Whether a note is about the version's failure, its success or both, and which come first. */
const ORDER: Record<SchemaChange['kind'], number> = {
  created: 0,
  tracked: 1,
  untracked: 1,
  emptied: 2,
  aside: 3,
  swap: 4,
  guarded: 5,
  triggers: 6
}

/** Notes a change that is about to be made; where the transaction undoes it, there is nothing to note. */
export async function announce(engine: Engine, ledger: Ledger, version: number, change: SchemaChange): Promise<void> {
  if (engine.capabilities.transactionalDdl) return
  // The note commits with the change, and not at all once another run has declared this one interrupted.
  await ledger.holdPending(version)
  await ledger.addSchemaNote(version, JSON.stringify(change))
}

/**
 * Finishes or takes back the schema changes of versions that are settled; to be called while the migration lock is held
 * and outside a transaction. Each step may be repeated. Versions that are pending are left alone: on another node of a
 * cluster they may be in the making, and whoever marks them as failed settles them.
 * @param repository has the backups from which rows are put back
 * @returns which rows were put back, in sentences
 * @throws RowbackError `schema.unsettled` or `rows.half_written` (exit code 6)
 */
export async function settleSchema(engine: Engine, ledger: Ledger, repository: Repository | null): Promise<string[]> {
  // The notes first: what is noted then is a version's whose entry is there to be read afterwards.
  const noted = await ledger.schemaNotes()
  if (noted.length === 0) return []
  const statuses = new Map((await ledger.versions()).map((entry) => [entry.number, entry.status]))
  const isCommitted = (version: number) => statuses.get(version) === 'committed'
  const notes = noted
    .filter((entry) => statuses.get(entry.version) !== 'pending')
    .map((entry) => ({ ...entry, change: JSON.parse(entry.note) as SchemaChange }))
  const errors: unknown[] = []
  const told: string[] = []
  for (const { version, name, change } of notes.sort((a, b) => ORDER[a.change.kind] - ORDER[b.change.kind])) {
    try {
      if (change.kind !== 'guarded') await settle(engine, change, isCommitted(version))
      else if (!isCommitted(version)) told.push(await putBackRows(engine, ledger, repository, version, change))
      if (change.kind === 'tracked' && !isCommitted(version)) await ledger.removeTrackedTable(change.table, version)
      await ledger.removeSchemaNote(name)
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw unsettled(errors[0])
  // Triggers that were lifted to put rows back are noted by now.
  return told.length > 0 ? [...told, ...(await settleSchema(engine, ledger, repository))] : []
}

function unsettled(cause: unknown): RowbackError {
  if (cause instanceof RowbackError && cause.code === 'rows.half_written') return cause
  return new RowbackError({
    code: 'schema.unsettled',
    message: `A table or trigger could not be brought into its place: ${cause instanceof Error ? cause.message : String(cause)}`,
    state: 'The rows are as the newest committed version says; see it with: rowback log. What is left to do is noted.',
    hint: 'Mend the cause, then finish it with: rowback recover. What is left: rowback status',
    exit: ExitCode.interrupted,
    cause
  })
}

/** What is left to do, in words. */
export async function unsettledChanges(ledger: Ledger): Promise<string[]> {
  return (await ledger.schemaNotes()).map(inWords)
}

/**
 * Of what is left to do that because of which tables or rows are not those of the newest version, in words; none where only
 * bookkeeping, triggers or unused tables are left.
 * @param withPending off where a run that is pending may be at work elsewhere
 */
export async function misleadingChanges(ledger: Ledger, withPending: boolean): Promise<string[]> {
  const notes = await ledger.schemaNotes()
  if (notes.length === 0) return []
  const statuses = new Map((await ledger.versions()).map(({ number, status }) => [number, status]))
  return notes
    .filter(({ version, note }) => {
      const status = statuses.get(version)
      const misleads = MISLEADS[(JSON.parse(note) as SchemaChange).kind]
      if (status === 'pending' && !withPending) return false
      return misleads === 'always' || misleads === (status === 'committed' ? 'committed' : 'failed')
    })
    .map(inWords)
}

/** In which end of its version a change that is not settled leaves what is read in a state of no version. */
const MISLEADS: Record<SchemaChange['kind'], 'always' | 'committed' | 'failed' | null> = {
  created: 'failed',
  tracked: null,
  untracked: null,
  emptied: 'committed',
  aside: 'always',
  swap: 'committed',
  guarded: 'failed',
  triggers: null
}

function inWords({ version, note }: { version: number; note: string }): string {
  const change = JSON.parse(note) as SchemaChange
  const what = {
    created: `the table ${change.table} was made`,
    tracked: `the table ${change.table} was being tracked`,
    untracked: `the column ${VERSION_COLUMN} of ${change.table} is to be dropped`,
    emptied: `the table ${change.table} is to be dropped`,
    aside: `the table ${change.table} was put aside`,
    swap: `the table ${change.table} was made again, and is to take the place of the one that is there`,
    guarded: `rows of ${change.table} are to be put back from a backup`,
    triggers: `triggers of ${change.table} are to be put back`
  }[change.kind]
  return `version ${version}: ${what}`
}

async function settle(
  engine: Engine,
  change: Exclude<SchemaChange, { kind: 'guarded' }>,
  isCommitted: boolean
): Promise<void> {
  switch (change.kind) {
    case 'created':
      if (!isCommitted && (await find(engine, change.table))) await engine.dropTable(change.table)
      break
    case 'tracked':
      if (!isCommitted) await untrack(engine, change.table, { history: change.history, live: true })
      break
    case 'untracked': {
      const table = isCommitted ? await find(engine, change.table) : undefined
      if (table && hasVersionColumn(table)) await engine.dropVersionColumn(table)
      break
    }
    case 'emptied':
      if (isCommitted && (await find(engine, change.table))) await engine.dropTable(change.table)
      break
    case 'aside':
      if (!(await find(engine, change.under))) break
      if (isCommitted) await engine.dropTable(change.under)
      else await engine.renameTable(change.under, change.table)
      break
    case 'swap':
      if (isCommitted) await engine.swapIn(change)
      else if (await find(engine, change.under)) await engine.dropTable(change.under)
      break
    case 'triggers': {
      const table = await find(engine, change.table)
      const there = new Set(table?.ddl)
      if (table) for (const statement of change.statements) if (!there.has(statement)) await engine.run(statement)
    }
  }
}

async function untrack(engine: Engine, name: string, tracking: Tracking): Promise<void> {
  const table = await find(engine, name)
  await engine.stopTracking(table && hasVersionColumn(table) ? table : null, tracking)
}

/** Version columns that are there only because a version is not settled yet. */
export function leftBookkeeping(notes: readonly SchemaNote[]): Bookkeeping[] {
  const changes = notes.map(({ note }) => JSON.parse(note) as SchemaChange)
  return changes.filter((change) => change.kind === 'tracked' || change.kind === 'untracked')
}

/** Whether a table has a column where the version of a row stands: one of its own, unless it is tracked. */
export function hasVersionColumn(table: Table): boolean {
  return table.columns.some((column) => column.name.toLowerCase() === VERSION_COLUMN)
}

async function find(engine: Engine, name: string): Promise<Table | undefined> {
  return (await engine.tables([])).find((table) => table.name === name)
}
