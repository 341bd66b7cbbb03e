import { z } from 'zod'
import type { RowbackError } from '../../errors.ts'
import { ExitCode } from '../../errors.ts'
import type { Manifest } from '../../store/manifest.ts'
import { DamagedFile } from '../../store/objects.ts'
import type { Repository } from '../../store/repository.ts'
import { committed } from '../../strategies/lifetimes.ts'
import type { NewestState } from '../../strategies/lost-state.ts'
import { newestState } from '../../strategies/lost-state.ts'
import { readLeft } from '../../strategies/read-left.ts'
import { missingBackups, neededBy, versionsOf } from '../../strategies/recovery.ts'
import type { LiveState } from '../../strategies/session.ts'
import type { Context } from '../context.ts'
import { restoreNewest } from '../lost-database.ts'
import { repositoryMissing, versionsOfLostRepository } from '../lost-repository.ts'
import { operation } from '../operation.ts'
import type { BackupJson } from './backup-json.ts'
import { backupJson } from './backup-json.ts'

/** The record of what a version left. */
export interface LeftJson {
  version: number
  record: string
  /** ISO 8601, UTC. */
  recordedAt: string
  tables: number
  rows: number
  /** What it added to the repository, in bytes. */
  added: number
}

/** A full backup among the others. */
export interface ListedBackup extends BackupJson {
  /** The versions that cannot be gone back to without it. */
  neededBy: number[]
  /** Of these versions. */
  tags: string[]
}

/** A full backup that cannot be read, or that the ledger names and that is not there. */
export interface DamagedBackup {
  backup: string
  /** What is wrong, with the file's name. */
  message: string
  /** The versions that cannot be gone back to without it; null where the database cannot be asked. */
  neededBy: number[] | null
}

export interface BackupListOutput {
  /** The newest first; `neededBy` is null where the database cannot be asked. */
  backups: (Omit<ListedBackup, 'neededBy'> & { neededBy: number[] | null })[]
  /** Those that cannot be read or are missing, the newest first. */
  damaged: DamagedBackup[]
  /** Of versions whose record says what they left, by which changes of others are told; empty where the database cannot be asked. */
  records: LeftJson[]
  /** Where there is no database with a ledger: the newest state that the repository makes, the backup that has it, where it is not made of change sets, and the command. */
  newest?: { version: number; backup: string | null; command: string }
  /** What the repository takes on disk, in bytes, and how much of it is in the trash. */
  disk: { total: number; trash: number }
  /** Sentences. */
  notes: string[]
}

export const backupList = operation({
  name: 'backup list',
  summary: 'the full backups: when, by which version, how many rows, what each added on disk, and who needs it',
  details: `A backup is needed by the versions that cannot be gone back to without it. Ranges of rows that several backups have in common are on the disk once. Beside them it is on record what versions left, to tell what others changed since; that is no backup. Where the database is lost, the repository alone is listed, with the newest state that it makes.`,
  example: 'rowback backup list',
  positional: [],
  input: z.object({}),
  makesDatabase: false,
  worksWithoutDatabase: true,
  async run(context): Promise<BackupListOutput> {
    const why = context.whyNoLedger()
    if (why !== null) return listWithoutLedger(context, why)
    const repository = await context.repository()
    if (!repository) return { backups: [], damaged: [], records: [], disk: { total: 0, trash: 0 }, notes: [] }
    const live = await context.liveState()
    const lost = versionsOfLostRepository(repository.root, live.versions)
    if (lost.length > 0) throw repositoryMissing(repository.root, lost)
    const found = await repository.backupsAsFound()
    const { readable } = found
    const damaged = [...found.damaged, ...(await missing(repository, live))].sort((a, b) => (a.name < b.name ? -1 : 1))
    const needed = versionsOf(
      live,
      [...readable, ...damaged].map(({ name }) => name),
      readable
    )
    const { records, faults } = await listRecords(repository, live)
    return {
      backups: listed(live, readable, needed).reverse(),
      damaged: damaged.map((backup) => damagedJson(backup, needed.get(backup.name) ?? [])).reverse(),
      records: records.reverse(),
      disk: await repository.size(),
      notes: [...faults, ...(damaged.length + faults.length > 0 ? [CHECK] : [])]
    }
  },
  exitCode: ({ damaged }) => (damaged.length > 0 ? ExitCode.backupDamaged : ExitCode.done)
})

/** Those that the ledger names and that are not there. */
async function missing(repository: Repository, live: LiveState): Promise<{ name: string; error: RowbackError }[]> {
  const { backups } = await missingBackups(live.versions, repository)
  return Promise.all(backups.map(async (name) => ({ name, error: await repository.whyMissing(name) })))
}

const CHECK = 'Name every file that is damaged, and the versions that need it, with: rowback backup verify'

const WRITE_BACKUP = 'Write what a backup holds into another database with: rowback backup restore BACKUP --to URL'

/** What the repository says of itself: each backup says which version's state it holds. */
async function listWithoutLedger(context: Context, why: string): Promise<BackupListOutput> {
  const repository = await context.repositoryByItself()
  const { readable, damaged } = await repository.backupsAsFound()
  const newest = await newestState(repository, readable)
  if (readable.length + damaged.length === 0 && newest === null) {
    if (context.lost) throw context.lost
    return { backups: [], damaged: [], records: [], disk: { total: 0, trash: 0 }, notes: [] }
  }
  return {
    records: [],
    backups: readable
      .reverse()
      .map(({ name, manifest }) => ({ ...backupJson(name, manifest), neededBy: null, tags: [] })),
    damaged: damaged.reverse().map((backup) => damagedJson(backup, null)),
    ...(newest && { newest: { version: newest.version, backup: newest.backup, command: restoreNewest(newest) } }),
    disk: await repository.size(),
    notes: [
      `${why} Without its ledger it is not known which versions need which backup.`,
      ...(readable.length > 0 ? [WRITE_BACKUP] : []),
      ...(newest ? newestInWords(newest) : []),
      ...(damaged.length > 0 ? [CHECK] : [])
    ]
  }
}

function newestInWords(newest: NewestState): string[] {
  const { version, backup, fault } = newest
  const way = backup === null ? 'made of change sets' : 'which a backup has'
  const others = backup === null ? '; that of another version with: rowback backup restore VERSION --to URL' : ''
  return [
    ...(fault ? [`Newer states cannot be made. ${fault.message}`] : []),
    `The newest state that can be restored is that of version ${version}, ${way}: ${restoreNewest(newest)}${others}`
  ]
}

/** Only the ledger knows which versions were committed. */
async function listRecords(
  repository: Repository,
  { versions }: LiveState
): Promise<{ records: LeftJson[]; faults: string[] }> {
  const records: LeftJson[] = []
  const faults: string[] = []
  for (const version of committed(versions)) {
    const record = await readLeft(repository, version).catch((error: unknown) => {
      if (!(error instanceof DamagedFile)) throw error
      faults.push(error.message)
      return null
    })
    if (!record) continue
    const { recordedAt, tables, added } = record
    const rows = tables.reduce((sum, table) => sum + table.rows, 0)
    const { number, leftRecord } = version
    records.push({ version: number, record: leftRecord ?? '', recordedAt, tables: tables.length, rows, added })
  }
  return { records, faults }
}

/**
 * All backups with who needs them, the oldest first.
 * @throws RowbackError `backup.damaged`
 */
export async function listBackups(repository: Repository, live: LiveState): Promise<ListedBackup[]> {
  const backups = await repository.backups()
  return listed(live, backups, neededBy(live, backups))
}

function listed(
  live: LiveState,
  backups: readonly { name: string; manifest: Manifest }[],
  needed: ReadonlyMap<string, number[]>
): ListedBackup[] {
  const tagOf = new Map(live.versions.map(({ number, tag }) => [number, tag]))
  return backups.map(({ name, manifest }) => {
    const versions = needed.get(name) ?? []
    const tags = versions.map((version) => tagOf.get(version) ?? null).filter((tag) => tag !== null)
    return { ...backupJson(name, manifest), neededBy: versions, tags }
  })
}

function damagedJson({ name, error }: { name: string; error: RowbackError }, versions: number[] | null): DamagedBackup {
  return { backup: name, message: error.message, neededBy: versions }
}
