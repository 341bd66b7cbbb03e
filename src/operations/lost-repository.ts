import { ExitCode, RowbackError } from '../errors.ts'
import type { Version } from '../model/version.ts'
import { Repository } from '../store/repository.ts'
import { anchorsAfter, committed } from '../strategies/lifetimes.ts'
import { ranges } from './ranges.ts'

/**
 * The versions whose state was in backups of a repository that is not there; none where it is there, or never held any.
 * @param root the repository's folder
 */
export function versionsOfLostRepository(root: string, versions: readonly Version[]): number[] {
  if (Repository.isThere(root)) return []
  return committed(versions)
    .map(({ number }) => number)
    .filter((number) => anchorsAfter(versions, number).length > 0)
}

/** What no longer works without these backups, a sentence. */
export function lossOf(versions: readonly number[]): string {
  return `Without them version ${ranges(versions)} can no longer be gone back to, compared or read, but for what history has.`
}

/** Nothing goes on top of backups that are gone: the folder may just be another one. */
export function repositoryMissing(root: string, versions: readonly number[]): RowbackError {
  return new RowbackError({
    code: 'repository.missing',
    message: `There is no backup repository in ${root}, and the versions of this database have backups. ${lossOf(versions)}`,
    hint: 'Name the folder that holds them with --repository DIR. If it is lost for good, begin a new one with: rowback backup create',
    exit: ExitCode.backupDamaged
  })
}
