import type { Table } from '../model/table.ts'
import type { TrackedTable } from '../model/version.ts'
import type { TableManifest } from '../store/manifest.ts'
import { createdBetween, endOf, headOf, trackedAt, writtenBetween } from './lifetimes.ts'
import type { StoredState } from './recovery.ts'
import type { LiveState } from './session.ts'
import { hasSameShape, shapeDifferences } from './shape.ts'

/** How one table gets to the state of an earlier version. */
export type TableRoute =
  /** Its history holds the state: take away what came after, put back what was superseded. */
  | { kind: 'undo'; table: Table; tracked: TrackedTable }
  /** A version that is being left made it: it goes. */
  | { kind: 'drop'; table: Table; tracked: TrackedTable | null }
  /**
   * It was taken away since; it is made anew and filled from its history, which is kept on unless it was ended, or, where
   * that was taken out of the database, from a full backup and change sets.
   */
  | { kind: 'revive'; name: string; tracked: TrackedTable; isEnded: boolean; isReplayed: boolean }
  /** A history that was ended holds the state: write the rows that differ. */
  | { kind: 'recall'; table: Table; from: TrackedTable; tracked: TrackedTable | null }
  /** Its history of then was taken out of the database: a full backup and change sets give the state, write the rows that differ. */
  | { kind: 'replay'; table: Table; from: TrackedTable; tracked: TrackedTable | null }
  /** It was taken away since; it is made anew and filled from a full backup. */
  | { kind: 'rebuild'; stored: TableManifest }
  /** Others changed its columns since, and a version wrote it: it is made anew as it was, and filled from a full backup. */
  | { kind: 'reshape'; table: Table; stored: TableManifest }
  /** Others changed its columns, and no version wrote it. */
  | { kind: 'leave'; table: Table }
  /** A full backup holds the state: write the rows that differ. */
  | { kind: 'restore'; table: Table; stored: TableManifest; tracked: TrackedTable | null }

/**
 * Chooses for each table the cheapest way to the state that version `to` left. Tables that are in that state already,
 * and tables of others that no version made, are not on the route.
 * @param stored what full backups hold of that state; null when none was taken after `to`
 */
export function planRoute(live: LiveState, to: number, stored: StoredState | null): TableRoute[] {
  const head = headOf(live.versions)
  const trackedThen = trackedAt(live.everTracked, live.versions, to)
  const routes: TableRoute[] = []
  for (const [name, tracked] of trackedThen) {
    const table = findTable(live.tables, name)
    const isEnded = endOf(tracked, live.versions) !== null
    if (live.tracked.get(name) === tracked && table) {
      if (!writtenBetween(live.versions, name, to, head)) continue
      routes.push(
        isPruned(tracked, to) ? { kind: 'replay', table, from: tracked, tracked } : { kind: 'undo', table, tracked }
      )
    } else if (
      isEnded &&
      table &&
      !(table.ddl[0] !== tracked.ddl[0] && createdBetween(live.versions, name, to, head))
    ) {
      const kind = isPruned(tracked, to) ? 'replay' : 'recall'
      routes.push({ kind, table, from: tracked, tracked: live.tracked.get(name) ?? null })
    } else {
      if (table) routes.push({ kind: 'drop', table, tracked: live.tracked.get(name) ?? null })
      routes.push({ kind: 'revive', name, tracked, isEnded, isReplayed: isPruned(tracked, to) })
    }
  }
  const storedThen = stored?.tables ?? []
  for (const before of storedThen) {
    const table = findTable(live.tables, before.name)
    const tracked = live.tracked.get(before.name) ?? null
    if (table && table.ddl[0] !== before.ddl[0] && createdBetween(live.versions, before.name, to, head)) {
      routes.push({ kind: 'drop', table, tracked }, { kind: 'rebuild', stored: before })
    } else if (table && isAnothers(live, table, before, to)) routes.push({ kind: 'leave', table })
    else if (table && tracked === null && !hasSameShape(table, before)) {
      routes.push({ kind: 'reshape', table, stored: before })
    } else if (table) routes.push({ kind: 'restore', table, stored: before, tracked })
    else routes.push({ kind: 'rebuild', stored: before })
  }
  for (const table of live.tables) {
    const known = trackedThen.has(table.name) || storedThen.some((before) => before.name === table.name)
    if (known || !createdBetween(live.versions, table.name, to, head)) continue
    routes.push({ kind: 'drop', table, tracked: live.tracked.get(table.name) ?? null })
  }
  return routes
}

/** Whether a state is older than what its history has. */
export function isPruned({ keptFrom }: TrackedTable, at: number): boolean {
  return at < keptFrom
}

/** Whether a table's columns are not those of the backup, and no version had a hand in it. */
function isAnothers(live: LiveState, table: Table, before: TableManifest, to: number): boolean {
  if (hasSameShape(table, before)) return false
  return !writtenBetween(live.versions, table.name, to, headOf(live.versions))
}

function findTable(tables: Table[], name: string): Table | undefined {
  return tables.find((table) => table.name === name)
}

/** The route in words, a line per table. */
export function describeRoute(route: TableRoute): string {
  switch (route.kind) {
    case 'undo':
      return `${route.table.name}: undo from its history`
    case 'drop':
      return `${route.table.name}: drop the table, which a later version made`
    case 'revive':
      return `${route.name}: make the table again from ${route.isReplayed ? 'its base backup and the change sets after it' : 'its history'}`
    case 'recall':
      return `${route.table.name}: put back the rows that differ from its history, which was kept until the switch`
    case 'replay':
      return `${route.table.name}: put back the rows that differ from its base backup and the change sets after it`
    case 'rebuild':
      return `${route.stored.name}: make the table again from the backup`
    case 'reshape':
      return `${route.table.name}: the table is made again as it was in the backup: ${shapeDifferences(route.table, route.stored)}`
    case 'leave':
      return `${route.table.name}: left alone; others changed its columns, and no version wrote it`
    case 'restore':
      return `${route.table.name}: restore the rows that differ from the backup`
  }
}
