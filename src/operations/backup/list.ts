import { z } from 'zod'
import type { Repository } from '../../store/repository.ts'
import { neededBy } from '../../strategies/recovery.ts'
import type { LiveState } from '../../strategies/session.ts'
import { operation } from '../operation.ts'
import type { BackupJson } from './backup-json.ts'
import { backupJson } from './backup-json.ts'

/** A full backup among the others. */
export interface ListedBackup extends BackupJson {
  /** The versions that cannot be gone back to without it. */
  neededBy: number[]
  /** Of these versions. */
  tags: string[]
}

export interface BackupListOutput {
  /** The newest first. */
  backups: ListedBackup[]
  /** What the repository takes on disk, in bytes, and how much of it is in the trash. */
  disk: { total: number; trash: number }
}

export const backupList = operation({
  name: 'backup list',
  summary: 'the full backups: when, by which version, how many rows, what each added on disk, and who needs it',
  details: `A backup is needed by the versions that cannot be gone back to without it. Ranges of rows that several backups have in common are on the disk once.`,
  example: 'rowback backup list',
  positional: [],
  input: z.object({}),
  makesDatabase: false,
  async run(context): Promise<BackupListOutput> {
    const repository = await context.repository()
    if (!repository) return { backups: [], disk: { total: 0, trash: 0 } }
    const backups = await listBackups(repository, await context.liveState())
    return { backups: backups.reverse(), disk: await repository.size() }
  }
})

/** All backups with who needs them, the oldest first. */
export async function listBackups(repository: Repository, live: LiveState): Promise<ListedBackup[]> {
  const backups = await repository.backups()
  const needed = neededBy(live, backups)
  const tagOf = new Map(live.versions.map(({ number, tag }) => [number, tag]))
  return backups.map(({ name, manifest }) => {
    const versions = needed.get(name) ?? []
    const tags = versions.map((version) => tagOf.get(version) ?? null).filter((tag) => tag !== null)
    return { ...backupJson(name, manifest), neededBy: versions, tags }
  })
}
