import { ExitCode, RowbackError } from '../errors.ts'
import type { TrackedTable } from '../model/version.ts'
import type { ChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { committedChangeSets } from './keep-change-set.ts'
import { touching } from './lifetimes.ts'
import type { RebuiltTable } from './rebuilt-table.ts'
import { rebuildTable } from './rebuilt-table.ts'
import type { TableRoute } from './route.ts'
import type { KnownHistory } from './session.ts'

/**
 * Makes a tracked table as a version left it from the repository alone, whose change sets must be whole.
 * @throws RowbackError `backup.missing` or `backup.damaged` (exit code 7)
 */
export async function rebuildAt(
  repository: Repository | null,
  live: KnownHistory,
  tracked: TrackedTable,
  at: number
): Promise<RebuiltTable> {
  if (repository === null) throw notThere(tracked, at, 'there is no repository')
  return rebuildOf(repository, live, tracked, at, await changeSetsOf(repository, live, tracked))
}

/**
 * The same, of change sets that were read already.
 * @param all of those of the table, the oldest first
 * @throws RowbackError `backup.missing` or `backup.damaged` (exit code 7)
 */
export async function rebuildOf(
  repository: Repository,
  live: KnownHistory,
  tracked: TrackedTable,
  at: number,
  all: readonly ChangeSet[]
): Promise<RebuiltTable> {
  const changeSets = all.filter(({ version }) => version <= at)
  const lost = lostBetween(live, tracked, changeSets, at)
  if (lost !== undefined) throw notThere(tracked, at, `${repository.root} lacks the change set of version ${lost}`)
  const rebuilt = await rebuildTable(repository, changeSets, tracked.table, tracked.since)
  if (rebuilt === null) throw notThere(tracked, at, `${repository.root} lacks the backup that they go on from`)
  return rebuilt
}

/**
 * Makes every table that a route takes from change sets once, so that what is damaged or missing is found before anything
 * is written.
 * @throws RowbackError `backup.missing` or `backup.damaged` (exit code 7)
 */
export async function proveReplayed(
  repository: Repository | null,
  live: KnownHistory,
  steps: readonly TableRoute[],
  to: number
): Promise<void> {
  for (const step of steps) {
    const from = step.kind === 'replay' ? step.from : step.kind === 'revive' && step.isReplayed ? step.tracked : null
    if (from) for await (const _ of (await rebuildAt(repository, live, from, to)).rows());
  }
}

/** The change sets of committed versions that have a table under one history, the oldest first. */
export async function changeSetsOf(
  repository: Repository,
  live: KnownHistory,
  tracked: TrackedTable
): Promise<ChangeSet[]> {
  return ofTable(await committedChangeSets(repository, live.versions), tracked)
}

/** Those of some change sets that have a table under one history. */
export function ofTable(changeSets: readonly ChangeSet[], { table, since }: TrackedTable): ChangeSet[] {
  return changeSets.filter(({ tables }) => tables.some((entry) => entry.name === table && entry.since === since))
}

/**
 * The same up to a version, none of which may be missing.
 * @throws RowbackError `backup.missing` or `backup.damaged` (exit code 7)
 */
export async function allChangeSetsOf(
  repository: Repository | null,
  live: KnownHistory,
  tracked: TrackedTable,
  to: number
): Promise<ChangeSet[]> {
  if (repository === null) throw notThere(tracked, to, 'there is no repository')
  const changeSets = (await changeSetsOf(repository, live, tracked)).filter(({ version }) => version <= to)
  const kept = new Set(changeSets.map(({ version }) => version))
  const lost = touching(live.versions, tracked).find((version) => version <= to && !kept.has(version))
  if (lost !== undefined) throw notThere(tracked, to, `${repository.root} lacks the change set of version ${lost}`)
  return changeSets
}

/** The last version without a change set, of those that a state is made of: from the last one on that lists all rows. */
export function lostBetween(
  live: KnownHistory,
  tracked: TrackedTable,
  changeSets: readonly ChangeSet[],
  at: number
): number | undefined {
  const kept = new Set(changeSets.map(({ version }) => version))
  const begin = changeSets.findLast(({ tables }) =>
    tables.some(({ name, since, all }) => name === tracked.table && since === tracked.since && all)
  )
  return touching(live.versions, tracked).findLast(
    (version) => version <= at && version >= (begin?.version ?? 0) && !kept.has(version)
  )
}

function notThere({ table }: TrackedTable, at: number, why: string): RowbackError {
  return new RowbackError({
    code: 'backup.missing',
    message: `${table} as version ${at} left it cannot be made: ${why}.`,
    hint: 'If the repository stands elsewhere, name it with --repository; to see what it lacks: rowback backup verify',
    exit: ExitCode.backupDamaged
  })
}
