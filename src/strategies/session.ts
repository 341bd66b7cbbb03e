import type { Bookkeeping, Engine } from '../engines/engine.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Table } from '../model/table.ts'
import type { BackupScope, TrackedTable, Version } from '../model/version.ts'
import type { Repository } from '../store/repository.ts'
import { currentlyTracked } from './lifetimes.ts'
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

/** The target as it is now: its tables, and which of them keep their superseded rows. */
export interface LiveState {
  tables: Table[]
  /** By table name. */
  tracked: Map<string, TrackedTable>
  /** Every table that is or was tracked. */
  everTracked: TrackedTable[]
  versions: Version[]
}

/** Reads the live tables with bookkeeping hidden, that of runs which were interrupted included. */
export async function readLiveState(engine: Engine, ledger: Ledger): Promise<LiveState> {
  const versions = await ledger.versions()
  const { tracked: everTracked, notes } = await ledger.trackedAndNoted()
  const tracked = currentlyTracked(everTracked, versions)
  const left = leftBookkeeping(notes)
  const tables = await engine.tables([...bookkeepingOf({ tracked, everTracked }), ...left])
  return { tables, tracked, everTracked, versions }
}

/** What tracking has put among the tables of the user. */
export function bookkeepingOf({ tracked, everTracked }: Pick<LiveState, 'tracked' | 'everTracked'>): Bookkeeping[] {
  return everTracked.map((entry) => ({
    table: tracked.get(entry.table) === entry ? entry.table : null,
    history: entry.history,
    ddl: entry.ddl
  }))
}
