import { ExitCode, RowbackError } from '../errors.ts'
import type { Version } from '../model/version.ts'
import type { ChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { committed } from './lifetimes.ts'

/**
 * The versions whose change sets must be in the repository and are not, the oldest first: by the ledger, each version that wrote
 * a table with a history; by the change sets, each version that one goes on from.
 * @param versions none where there is no ledger
 * @param readable the change sets that can be read
 * @throws RowbackError `backup.damaged` where they cannot be listed
 */
export async function lostChangeSets(
  repository: Repository,
  versions: readonly Version[],
  readable: readonly ChangeSet[]
): Promise<number[]> {
  const there = new Set((await repository.changeSets.names()).map((name) => Number.parseInt(name, 10)))
  const written = committed(versions).filter(({ tables }) => tables.some(({ history }) => history !== undefined))
  const goneOnFrom = readable.flatMap(({ tables }) =>
    tables.flatMap(({ all, previous }) => (all ? [] : (previous ?? [])))
  )
  const wanted = new Set([...written.map(({ number }) => number), ...goneOnFrom])
  return [...wanted].filter((number) => number > repository.since && !there.has(number)).sort((a, b) => a - b)
}

/** @throws RowbackError `backup.missing` (exit code 7) where one is lost: it may come back, and needs what it names */
export async function assertChangeSets(repository: Repository, versions: readonly Version[]): Promise<void> {
  const [first] = await lostChangeSets(repository, versions, await repository.changeSets.all())
  if (first === undefined) return
  throw new RowbackError({
    code: 'backup.missing',
    message: `${lostChangeSet(first)} What it names must not go with a prune.`,
    hint: 'If it stands elsewhere, put it back into the folder changesets of the repository. To see all that is missing: rowback backup verify',
    exit: ExitCode.backupDamaged
  })
}

/** In words. */
export function lostChangeSet(version: number): string {
  return `The change set of version ${version} is missing.`
}
