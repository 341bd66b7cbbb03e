import type { Bookkeeping, Engine } from '../engines/engine.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Table } from '../model/table.ts'
import type { BackupScope, TrackedTable, Version } from '../model/version.ts'
import type { Repository } from '../store/repository.ts'
import { currentlyTracked } from './lifetimes.ts'
import { markLost } from './lost-history.ts'
import { leftBookkeeping } from './schema-change.ts'

/** The parts that a version is made with. */
export interface Session {
  engine: Engine
  ledger: Ledger
  repository: Repository
  /** What backups before versions hold. */
  scope: BackupScope
  /** What was put right before; sentences. */
  told: readonly string[]
  /** Gives the run up. */
  signal: AbortSignal | undefined
}

/** What the ledger says: the versions, and which tables keep their superseded rows. */
export interface KnownHistory {
  /** By table name. */
  tracked: Map<string, TrackedTable>
  /** Every table that is or was tracked. */
  everTracked: TrackedTable[]
  versions: Version[]
}

/** The target as it is now. */
export interface LiveState extends KnownHistory {
  tables: Table[]
}

/** The target as it is now for who only reads rows: its tables are looked at one by one, when they are asked for. */
export interface LiveToRead extends KnownHistory {
  names: readonly string[]
  /** @returns see `Engine.tableToRead`; undefined where there is no such table */
  table(name: string): Promise<Table | undefined>
}

/** Reads the live tables with bookkeeping hidden, that of runs which were interrupted included. */
export async function readLiveState(engine: Engine, ledger: Ledger): Promise<LiveState> {
  const { history, bookkeeping } = await readHistory(engine, ledger)
  return { ...history, tables: await engine.tables(bookkeeping) }
}

/** The same for who only reads rows. */
export async function readLiveToRead(engine: Engine, ledger: Ledger): Promise<LiveToRead> {
  const { history, bookkeeping } = await readHistory(engine, ledger)
  const names = await engine.tableNames(bookkeeping)
  const seen = new Map<string, Promise<Table | undefined>>()
  const table = (name: string) => {
    const known = seen.get(name) ?? engine.tableToRead(name, bookkeeping)
    seen.set(name, known)
    return known
  }
  return { ...history, names, table: async (name) => (names.includes(name) ? table(name) : undefined) }
}

/** A state that was read whole, for who only reads rows. */
export function asRead(live: LiveState | LiveToRead): LiveToRead {
  if ('names' in live) return live
  const { tables } = live
  const table = async (name: string) => tables.find((candidate) => candidate.name === name)
  return { ...live, names: tables.map(({ name }) => name), table }
}

async function readHistory(
  engine: Engine,
  ledger: Ledger
): Promise<{ history: KnownHistory; bookkeeping: Bookkeeping[] }> {
  const versions = await ledger.versions()
  const { tracked: everTracked, notes } = await ledger.trackedAndNoted()
  const tracked = currentlyTracked(everTracked, versions)
  const history = { tracked, everTracked, versions }
  await markLost(engine, history)
  return { history, bookkeeping: [...bookkeepingOf(history), ...leftBookkeeping(notes)] }
}

/** What tracking has put among the tables of the user. */
export function bookkeepingOf({ tracked, everTracked }: Pick<LiveState, 'tracked' | 'everTracked'>): Bookkeeping[] {
  return everTracked.map((entry) => ({
    table: tracked.get(entry.table) === entry ? entry.table : null,
    history: entry.history,
    ddl: entry.ddl
  }))
}
