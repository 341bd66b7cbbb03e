import type { WriteMode } from '../model/change.ts'
import type { Table } from '../model/table.ts'
import type { TableReport } from '../model/version.ts'
import { reachedByCascade } from './cascades.ts'

/** What a version does to one table that is there already. */
export interface Write {
  table: Table
  mode: WriteMode
}

/** The tables whose rows a version may change: what its backup has to hold. */
export interface Touched {
  tables: readonly Table[]
  /** Why they are all of them, a sentence; null where they are known. */
  note: string | null
}

/** What writes may change, by themselves and by cascades; everything, where a trigger may fire. */
export function touchedBy(writes: readonly Write[], all: readonly Table[]): Touched {
  const names = new Set(writes.flatMap(({ table, mode }) => [table.name, ...reachedByCascade(table, mode, all)]))
  const tables = all.filter(({ name }) => names.has(name))
  const firing = tables.find(({ triggers }) => triggers.length > 0)
  if (!firing) return { tables, note: null }
  const note = `The trigger ${firing.triggers[0]} of ${firing.name} may write any table, so the whole database was backed up.`
  return { tables: all, note }
}

/**
 * The names of the tables that a version may have changed, by what it says of itself. Only loads, which have a mode, leave
 * it to the database to change others: what puts rows back fires nothing, and a script tells all that it changed.
 */
export function reachedBy(
  reports: readonly Pick<TableReport, 'table' | 'mode' | 'tracking'>[],
  all: readonly Table[]
): Set<string> {
  const written = reports.filter((report) => !report.tracking)
  const writes = written.flatMap(({ table: name, mode }) =>
    mode ? all.filter((table) => table.name === name).map((table) => ({ table, mode })) : []
  )
  return new Set([...written.map(({ table }) => table), ...touchedBy(writes, all).tables.map(({ name }) => name)])
}

/** The tables of several writes, each once. */
export function tablesOf(writes: readonly Write[]): Table[] {
  return [...new Map(writes.map(({ table }) => [table.name, table])).values()]
}
