import { RowbackError } from '../errors.ts'
import type { Version } from '../model/version.ts'
import type { LeftRecord } from '../store/left-records.ts'
import type { TableManifest } from '../store/manifest.ts'
import { DamagedFile } from '../store/objects.ts'
import type { Repository } from '../store/repository.ts'
import { anchorsAfter, committed } from './lifetimes.ts'

/**
 * The record of what a version left.
 * @returns null where none was made, or it is not there: {@link isLost} tells whether it should be
 * @throws RowbackError `backup.damaged` (exit code 7), so that changes of others are not overlooked
 */
export async function readLeft(
  repository: Repository | null,
  version: Version | undefined
): Promise<LeftRecord | null> {
  if (!repository || !version?.leftRecord) return null
  try {
    const record = await repository.left.get(version.leftRecord)
    return record.version === version.number ? record : null
  } catch (error) {
    if (error instanceof RowbackError && error.code === 'backup.missing') return null
    throw error
  }
}

/**
 * Whether the record of what a version left should be in the repository and is not: the ledger names it, and no prune took it.
 * One goes with the backup after its version, or with all backups that there are.
 * @throws RowbackError `backup.damaged`
 */
export async function isLost(
  repository: Repository,
  versions: readonly Version[],
  { number, leftRecord, anchor }: Version
): Promise<boolean> {
  if (leftRecord === null || number <= repository.since || repository.left.has(leftRecord)) return false
  const [next] = anchorsAfter(versions, number)
  if (next !== undefined && (await repository.pruned(next))) return false
  const own = anchor && (await repository.pruned(anchor))
  if (!own) return true
  const { readable } = await repository.backupsAsFound()
  return readable.some(({ manifest }) => manifest.takenAt < own.prunedAt)
}

/**
 * Each table as the newest backup or record has it, by name: the next backup cuts there. With what the last version left a
 * table has most in common.
 */
export async function latestTables(
  repository: Repository,
  versions: readonly Version[]
): Promise<Map<string, TableManifest>> {
  const backedUp = await repository.latestTables()
  const newestLeft = committed(versions).findLast((version) => version.leftRecord !== null)
  // Without it a backup is cut elsewhere, and is as good.
  const left = await readLeft(repository, newestLeft).catch(nullWhereDamaged)
  if (!left) return backedUp
  const recorded = left.tables.map((table) => [table.name, table] as const)
  const [newest] = (await repository.names()).slice(-1)
  const isNewer = newest === undefined || (await repository.manifest(newest)).takenAt < left.recordedAt
  return new Map(isNewer ? [...backedUp, ...recorded] : [...recorded, ...backedUp])
}

function nullWhereDamaged(error: unknown): null {
  if (error instanceof DamagedFile) return null
  throw error
}
