import { usageError } from '../../errors.ts'

/** Which backups a prune keeps; one that any rule keeps is kept. */
export interface KeepRules {
  /** So many of the newest. */
  keepLast?: number | undefined
  /** The newest of each day (UTC), for so many days that have any. */
  keepDaily?: number | undefined
  /** Those with the state of a version that has a tag. */
  keepTagged: boolean
}

interface Candidate {
  takenAt: string
  tags: readonly string[]
}

/**
 * The backups that the rules keep.
 * @param backups the oldest first
 * @throws RowbackError `prune.no_rule` when there is none
 */
export function keptBy<T extends Candidate>(rules: KeepRules, backups: readonly T[]): Set<T> {
  const { keepLast, keepDaily, keepTagged } = rules
  if (keepLast === undefined && keepDaily === undefined && !keepTagged) {
    throw usageError(
      'prune.no_rule',
      'Which backups shall stay was not said.',
      'Give at least one of --keep-last N, --keep-daily N and --keep-tagged.'
    )
  }
  const newest = backups.toReversed()
  const ofDays = new Map<string, T>()
  for (const backup of newest) {
    const day = backup.takenAt.slice(0, 10)
    if (!ofDays.has(day)) ofDays.set(day, backup)
  }
  return new Set([
    ...newest.slice(0, keepLast ?? 0),
    ...[...ofDays.values()].slice(0, keepDaily ?? 0),
    ...(keepTagged ? backups.filter(({ tags }) => tags.length > 0) : [])
  ])
}
