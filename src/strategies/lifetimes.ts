import type { TrackedTable, Version } from '../model/version.ts'

/** Versions that left something, the oldest first. */
export function committed(versions: readonly Version[]): Version[] {
  return versions.filter((version) => version.status === 'committed')
}

/** The newest committed version: the state that the live tables are in. */
export function headOf(versions: readonly Version[]): number {
  return committed(versions).at(-1)?.number ?? 0
}

/** The versions that had a hand in a tracked table, the oldest first. */
export function touching(versions: readonly Version[], { history }: TrackedTable): number[] {
  return committed(versions)
    .filter(({ tables }) => tables.some((report) => report.history === history))
    .map(({ number }) => number)
}

/** Whether a tracked table was there, under its history, in the state that version `at` left. */
export function existedAt(tracked: TrackedTable, versions: readonly Version[], at: number): boolean {
  if (tracked.since > at || (endOf(tracked, versions) ?? Number.POSITIVE_INFINITY) <= at) return false
  const events = committed(versions)
    .filter((version) => version.number <= at)
    .flatMap((version) => version.tables)
    .filter((report) => report.history === tracked.history && (report.created || report.dropped))
  return !events.at(-1)?.dropped
}

/**
 * The version that ended a table's history: what it left, and what came after it, is not in there. Null while it is kept
 * on, be it of a table that is not there just now.
 */
export function endOf(tracked: TrackedTable, versions: readonly Version[]): number | null {
  const ending = committed(versions).find((version) =>
    version.tables.some((report) => report.history === tracked.history && report.tracking === 'ended')
  )
  return ending?.number ?? null
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

/** Whether some version after `after` and up to `upTo` wrote this table. */
export function writtenBetween(versions: readonly Version[], table: string, after: number, upTo: number): boolean {
  return reportsBetween(versions, after, upTo).some((report) => report.table === table && !report.tracking)
}

function reportsBetween(versions: readonly Version[], after: number, upTo: number) {
  return committed(versions)
    .filter((version) => version.number > after && version.number <= upTo)
    .flatMap((version) => version.tables)
}

/** The full backups that versions after `at` took, the oldest first. */
export function anchorsAfter(versions: readonly Version[], at: number): string[] {
  return committed(versions).flatMap(({ number, anchor }) => (number > at && anchor !== null ? [anchor] : []))
}
