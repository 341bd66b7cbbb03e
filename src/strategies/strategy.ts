import type { WriteMode } from '../model/change.ts'
import type { Table } from '../model/table.ts'
import type { StrategyName } from '../model/version.ts'
import type { Run } from './run.ts'
import type { Write } from './touched.ts'

/** Why a strategy cannot take a write back, and the way out. */
export interface Objection {
  reason: string
  hint: string
}

/** What a strategy looks at besides the table itself. */
export type Surroundings = Pick<Run, 'unsupported' | 'live'>

/** How a version can be taken back: what is made durable before it writes, and how its rows are marked. */
export interface Strategy {
  readonly name: StrategyName
  /**
   * Whether this strategy can take back all that writing the table might change.
   * @returns the reason and the way out when it cannot
   */
  objection(table: Table, mode: WriteMode, run: Surroundings): Objection | null
  /** Prepares recovery material for tables that are there already, before the first write. */
  prepare(run: Run, writes: readonly Write[]): Promise<void>
  /** Prepares a table that this version has just made. */
  prepareNew(run: Run, table: Table): Promise<void>
}

/** Storage engines that cannot abort, and in which single rows can be put back. */
const RESTORABLE = /^(myisam|aria|memory)$/i

/** Of a table whose rows could be neither taken back nor put back, nothing can be promised. */
export function restoreObjection(table: Table): Objection | null {
  return canBePutBack(table) ? null : atomicObjection(table)
}

function canBePutBack(table: Table): boolean {
  return RESTORABLE.test(table.storage ?? '')
}

/** Of a table whose storage engine keeps half of a failed load, no row-by-row history can be promised. */
export function atomicObjection(table: Table): Objection | null {
  if (table.atomic) return null
  return {
    reason: `its storage engine ${table.storage} undoes nothing when a load fails half-way`,
    hint: `Convert it first: ALTER TABLE ${table.name} ENGINE=InnoDB${canBePutBack(table) ? '; or use --strategy snapshot, which puts its rows back from a backup' : ''}`
  }
}
