import { z } from 'zod'
import { ExitCode, RowbackError } from '../../errors.ts'
import type { Version } from '../../model/version.ts'
import type { ChangeSet } from '../../store/change-set.ts'
import type { Manifest } from '../../store/manifest.ts'
import { DamagedFile } from '../../store/objects.ts'
import type { Repository } from '../../store/repository.ts'
import type { Problem, VerifyLevel } from '../../store/verify.ts'
import { Findings, VERIFY_LEVELS, Verifier } from '../../store/verify.ts'
import { committed, trackedAt } from '../../strategies/lifetimes.ts'
import { lostChangeSet, lostChangeSets } from '../../strategies/lost-change-sets.ts'
import { isLost } from '../../strategies/read-left.ts'
import { backupsReached, expectedBackups, neededBy, scopeOf, versionsOf } from '../../strategies/recovery.ts'
import type { Rehearsal } from '../../strategies/rehearse-restore.ts'
import { rehearseRestore } from '../../strategies/rehearse-restore.ts'
import type { LiveState } from '../../strategies/session.ts'
import type { Context } from '../context.ts'
import { flag, versionReference } from '../inputs.ts'
import { ledgerNeeded } from '../lost-database.ts'
import { operation } from '../operation.ts'
import { shownName } from './named-backup.ts'

export type { Rehearsal } from '../../strategies/rehearse-restore.ts'

export interface BackupVerifyOutput {
  level: VerifyLevel
  /** How many were looked at. */
  backups: number
  /** How many change sets were looked at: all, unless a version was named. */
  changeSets: number
  /** How many records of what versions left were looked at, by which changes of others are told: all, unless a version was named. */
  records: number
  /** Files of rows that were looked at, each once. */
  objects: number
  /** Every problem, with the versions that cannot be gone back to because of it. */
  problems: (Problem & { versions: number[] })[]
  /** Of --rehearse, where there was no problem. */
  rehearsal: Rehearsal | null
  /** Sentences. */
  notes: string[]
}

export const backupVerify = operation({
  name: 'backup verify',
  summary: 'check that the backups are whole, and name every file that is not',
  details: `Levels, each including those before: manifests (each can be read and is what its name says), objects (all files of rows are there), hashes (they hold what their names say), rows (every row can be read, in the order of the key as far as that can be told without the database, and the counts agree). The records of what versions left, by which a rollback tells changes of others, are checked alike. With --rehearse the newest backup, or the state of the version, is also restored into a scratch database of the same kind, compared row by row, and dropped again: on SQLite a temporary file, on MySQL and MariaDB a database DATABASE_rowback_rehearsal_..., which takes the privilege to make it.`,
  example: 'rowback backup verify --level rows',
  positional: ['version'],
  input: z.object({
    version: versionReference('only the backup with the state of this version; all when left out').optional(),
    level: z.enum(VERIFY_LEVELS).default('hashes').meta({ description: 'how thoroughly', placeholder: 'LEVEL' }),
    rehearse: flag('also restore it into a scratch database and compare every row')
  }),
  makesDatabase: false,
  whenInterrupted: ({ rehearse }) => (rehearse ? 'refuse' : null),
  worksWithoutDatabase: true,
  async run(context, options): Promise<BackupVerifyOutput> {
    if (context.lost && (options.version !== undefined || options.rehearse)) {
      throw await ledgerNeeded(context, context.lost, 'Without it all backups can be checked, but none rehearsed.')
    }
    const why = context.whyNoLedger()
    const repository = why === null ? await context.repository() : await context.repositoryByItself()
    const live = why === null ? await context.liveState() : NO_LEDGER
    const names = repository ? await namesToVerify(context, repository, live, options) : []
    if (context.lost && names.length === 0) throw context.lost
    const findings = new Findings()
    const readable: { name: string; manifest: Manifest }[] = []
    for (const name of names) {
      const manifest = await read(repository as Repository, name, findings)
      if (manifest) readable.push({ name, manifest })
    }
    const verifier = repository && new Verifier(repository, options.level, findings)
    const chunks = readable.flatMap(({ manifest }) => manifest.tables.flatMap((table) => table.chunks)).length
    let done = 0
    for (const backup of readable) {
      await verifier?.check(backup, () => {
        context.signal?.throwIfAborted()
        done += 1
        context.onProgress({ table: shownName(backup.name), bytesRead: done, bytes: chunks, rows: 0 })
      })
    }
    const changeSets = options.version === undefined ? await checkChangeSets(repository, live, verifier, findings) : 0
    const records = options.version === undefined ? await checkRecords(repository, live, verifier, findings) : 0
    const versions = versionsOf(live, names, readable)
    const problems = findings.problems.map((problem) => ({
      ...problem,
      versions: [...new Set(problem.backups.flatMap((name) => versions.get(name) ?? []))].sort((a, b) => a - b)
    }))
    const rehearsal =
      options.rehearse && problems.length === 0 ? await rehearse(context, repository, options.version) : null
    const notes =
      why === null || names.length === 0
        ? []
        : [`${why} Without its ledger it is not known whether any backup is missing.`]
    return {
      level: options.level,
      backups: names.length,
      changeSets,
      records,
      objects: verifier?.objects ?? 0,
      problems,
      rehearsal,
      notes
    }
  },
  exitCode: ({ problems, rehearsal }) =>
    problems.length > 0 || rehearsal?.tables.some((table) => table.differing > 0)
      ? ExitCode.backupDamaged
      : ExitCode.done
})

/** @returns how many there are */
async function checkChangeSets(
  repository: Repository | null,
  { versions }: LiveState,
  verifier: Verifier | null,
  findings: Findings
): Promise<number> {
  if (!repository) return 0
  const names = await repository.changeSets.names()
  const readable: ChangeSet[] = []
  for (const name of names) {
    try {
      const changeSet = await repository.changeSets.read(name)
      readable.push(changeSet)
      await verifier?.checkChangeSet(changeSet)
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error
      findings.add(null, error.file, `A change set: ${error.message}`)
    }
  }
  for (const version of await lostChangeSets(repository, versions, readable)) {
    findings.add(null, null, `${lostChangeSet(version)} Without it states from that version on may not be made again.`)
  }
  return names.length
}

/**
 * One that the ledger does not name is of a version that was not committed; one that is not there and was not pruned is lost.
 * @returns how many there are
 */
async function checkRecords(
  repository: Repository | null,
  { versions }: LiveState,
  verifier: Verifier | null,
  findings: Findings
): Promise<number> {
  const named = new Set(versions.map(({ leftRecord }) => leftRecord))
  const all = (await repository?.left.names()) ?? []
  const names = versions.length === 0 ? all : all.filter((name) => named.has(name))
  for (const version of repository ? committed(versions) : []) {
    if (await isLost(repository as Repository, versions, version)) findings.add(null, null, lostRecord(version))
  }
  for (const name of names) {
    try {
      await verifier?.checkRecord(await (repository as Repository).left.get(name))
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error
      findings.add(null, error.file, `The record of what version ${Number.parseInt(name, 10)} left: ${error.message}`)
    }
  }
  return names.length
}

function lostRecord({ number, leftRecord }: Version): string {
  return `The record of what version ${number} left is missing: left/${leftRecord}.json. Without it a rollback cannot tell what others changed then.`
}

const NO_LEDGER: LiveState = { tables: [], tracked: new Map(), everTracked: [], versions: [] }

async function rehearse(
  context: Context,
  repository: Repository | null,
  version: string | undefined
): Promise<Rehearsal> {
  const { engine, signal } = context
  const at = version === undefined ? null : await context.versionNumber(version)
  return engine.readTransaction(async () => rehearseRestore(engine, await context.liveState(), repository, at, signal))
}

/**
 * All backups, also those that the ledger names and that are gone without having been pruned; or those of one version.
 * @throws RowbackError `backup.missing` when the version needs none, or its own was pruned
 */
async function namesToVerify(
  context: Context,
  repository: Repository,
  live: LiveState,
  { version, rehearse }: { version?: string | undefined; rehearse: boolean }
): Promise<string[]> {
  const names = new Set(await repository.names())
  for (const anchor of await expectedBackups(live.versions, repository)) names.add(anchor)
  if (version === undefined) return [...names].sort()
  const number = await context.versionNumber(version)
  const anchors = await anchorsOf(repository, live, number)
  for (const anchor of anchors) if (!names.has(anchor)) await repository.manifest(anchor)
  const others = await takenByThemselves(repository, number)
  const wanted = [...anchors, ...others]
  if (wanted.length === 0 && !rehearse) {
    if (trackedAt(live.everTracked, live.versions, number).size > 0) throw madeOfChangeSets(number)
    throw new RowbackError({
      code: 'backup.missing',
      message: `There is no backup of the state of version ${number}, in which the tables are now.`,
      hint: 'Check all backups with: rowback backup verify',
      exit: ExitCode.backupDamaged
    })
  }
  return wanted
}

function madeOfChangeSets(number: number): RowbackError {
  return new RowbackError({
    code: 'backup.missing',
    message: `No backup is of version ${number} alone: its tables are made of an earlier backup and change sets.`,
    hint: `Check these among all with: rowback backup verify; or make the state and compare it: rowback backup verify ${number} --rehearse`,
    exit: ExitCode.backupDamaged
  })
}

/** The backups that a version's state is read from. */
async function anchorsOf(repository: Repository, live: LiveState, number: number): Promise<string[]> {
  const { readable } = await repository.backupsAsFound()
  const isWhole = (name: string) => {
    const manifest = readable.find((backup) => backup.name === name)?.manifest
    return manifest !== undefined && scopeOf(manifest) === 'database'
  }
  const needed = neededBy(live, readable)
  // A backup of some tables is only looked at for what it has of the state; of one that cannot be read that is not known.
  return backupsReached(live.versions, number, isWhole).filter(
    (name) => isWhole(name) || (needed.get(name)?.includes(number) ?? true)
  )
}

/** Backups of a version's state that no version took; what cannot be read is left to a check of all. */
async function takenByThemselves(repository: Repository, state: number): Promise<string[]> {
  const { readable } = await repository.backupsAsFound()
  return readable
    .filter(({ manifest }) => manifest.state === state && manifest.version === null)
    .map(({ name }) => name)
}

async function read(repository: Repository, name: string, findings: Findings): Promise<Manifest | null> {
  try {
    const manifest = await repository.manifest(name)
    if (!name.startsWith(String(manifest.sequence).padStart(6, '0'))) {
      findings.add(name, null, `The backup ${name} says that its number is ${manifest.sequence}.`)
    }
    return manifest
  } catch (error) {
    if (!(error instanceof RowbackError) || error.exit !== ExitCode.backupDamaged) throw error
    findings.add(name, error instanceof DamagedFile ? error.file : null, error.message)
    return null
  }
}
