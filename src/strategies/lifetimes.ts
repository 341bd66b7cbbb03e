import type { TrackedTable, Version } from '../model/version.ts'

/** Versions that left something, the oldest first. */
export function committed(versions: readonly Version[]): Version[] {
  return versions.filter((version) => version.status === 'committed')
}

/** The newest committed version: the state that the live tables are in. */
export function headOf(versions: readonly Version[]): number {
  return committed(versions).at(-1)?.number ?? 0
}

/** Whether a tracked table was there, under its history, in the state that version `at` left. */
export function existedAt(tracked: TrackedTable, versions: readonly Version[], at: number): boolean {
  if (tracked.since > at) return false
  const events = committed(versions)
    .filter((version) => version.number <= at)
    .flatMap((version) => version.tables)
    .filter((report) => report.history === tracked.history && (report.created || report.dropped))
  return !events.at(-1)?.dropped
}

/** The tables that are tracked now, by name. A table that was dropped and made anew has a history of its own each time. */
export function currentlyTracked(
  everTracked: readonly TrackedTable[],
  versions: readonly Version[]
): Map<string, TrackedTable> {
  return trackedAt(everTracked, versions, headOf(versions))
}

/** The tables that were tracked in the state of version `at`, by name. */
export function trackedAt(
  everTracked: readonly TrackedTable[],
  versions: readonly Version[],
  at: number
): Map<string, TrackedTable> {
  return new Map(
    everTracked.filter((entry) => existedAt(entry, versions, at)).map((entry) => [entry.table, entry] as const)
  )
}

/** Whether some version after `after` and up to `upTo` made this table. */
export function createdBetween(versions: readonly Version[], table: string, after: number, upTo: number): boolean {
  return reportsBetween(versions, after, upTo).some((report) => report.table === table && report.created)
}

/**
 * The tables of a full backup that were there at version `at`: versions between it and the backup may have made others.
 * @param state the version whose state the backup holds
 */
export function storedAt<T extends { name: string }>(
  versions: readonly Version[],
  stored: { state: number; tables: T[] } | null,
  at: number
): T[] {
  return (stored?.tables ?? []).filter((table) => !createdBetween(versions, table.name, at, stored?.state ?? at))
}

/** Whether some version after `after` and up to `upTo` wrote this table. */
export function writtenBetween(versions: readonly Version[], table: string, after: number, upTo: number): boolean {
  return reportsBetween(versions, after, upTo).some((report) => report.table === table)
}

function reportsBetween(versions: readonly Version[], after: number, upTo: number) {
  return committed(versions)
    .filter((version) => version.number > after && version.number <= upTo)
    .flatMap((version) => version.tables)
}

/**
 * The full backup that holds the state of version `at` for every table that was not tracked then: the first one taken
 * after it, because a version that writes such a table always takes one before.
 * @returns the backup's identity, or null when the live tables still are in that state
 */
export function anchorFor(versions: readonly Version[], at: number): string | null {
  return committed(versions).find((version) => version.number > at && version.anchor !== null)?.anchor ?? null
}
