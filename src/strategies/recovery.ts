import { ExitCode, RowbackError } from '../errors.ts'
import type { BackupScope, Version } from '../model/version.ts'
import type { Manifest, TableManifest } from '../store/manifest.ts'
import type { PrunedBackup } from '../store/prune.ts'
import type { Repository } from '../store/repository.ts'
import { anchorsAfter, committed, createdBetween, trackedAt } from './lifetimes.ts'
import type { KnownHistory } from './session.ts'

/** The state that a version left, as far as full backups hold it. */
export interface StoredState extends Pick<Manifest, 'objects' | 'objectNotes'> {
  /** Tables that there were, each from the first backup after that version which holds it. */
  tables: TableManifest[]
  /** Tables that there were, and that only a backup held which was pruned: why each cannot be read. */
  gone: ReadonlyMap<string, RowbackError>
  /** Whether there were no others, as a backup of the whole database says; else those are as no version changed them since. */
  isWhole: boolean
  /** When the first of these backups was taken, ISO 8601, UTC; null where it was pruned. */
  takenAt: string | null
}

/** Whether what the versions from `since` on left may have to be read from the repository; else the database has all of it. */
export function needsRepository({ versions, everTracked }: KnownHistory, since: number): boolean {
  return anchorsAfter(versions, since).length > 0 || everTracked.some(({ keptFrom }) => keptFrom > since)
}

/** What is known of a backup, be it pruned or not. */
interface Held {
  /** The version whose state it holds. */
  state: number
  tables: readonly { name: string }[]
  scope?: 'tables' | undefined
}

/** Of what a backup was taken. */
export function scopeOf({ scope }: Pick<Held, 'scope'>): BackupScope {
  return scope ?? 'database'
}

/**
 * The backups in which the state of version `at` is looked for, in this order: a version that writes a table takes a backup
 * with it before, so that the first one after `at` which holds a table has it as it was. A backup of the whole database
 * holds all tables, and is the last.
 */
export function backupsReached(
  versions: readonly Version[],
  at: number,
  isWhole: (backup: string) => boolean
): string[] {
  const backups = anchorsAfter(versions, at)
  const last = backups.findIndex(isWhole)
  return last < 0 ? backups : backups.slice(0, last + 1)
}

/**
 * The versions whose state may be in a backup, as far as the ledger tells.
 * @param isWhole whether another backup is of the whole database
 */
export function mayHold(versions: readonly Version[], backup: string, isWhole: (backup: string) => boolean): number[] {
  return committed(versions)
    .filter(({ number }) =>
      backupsReached(versions, number, (other) => other === backup || isWhole(other)).includes(backup)
    )
    .map(({ number }) => number)
}

/** The backups that must be in the repository: those of versions that were neither pruned nor lost with an earlier one. */
export async function expectedBackups(versions: readonly Version[], repository: Repository): Promise<string[]> {
  const expected: string[] = []
  for (const { number, anchor } of versions) {
    if (anchor !== null && number > repository.since && !(await repository.pruned(anchor))) expected.push(anchor)
  }
  return expected
}

/** The backups that must be there and are not, and the versions that cannot be gone back to because of it. */
export async function missingBackups(
  versions: readonly Version[],
  repository: Repository
): Promise<{ backups: string[]; versions: number[] }> {
  const names = new Set(await repository.names())
  const backups = (await expectedBackups(versions, repository)).filter((name) => !names.has(name))
  const whole = new Set<string>()
  for (const name of backups.length > 0 ? names : []) {
    const manifest = await repository.manifest(name).catch(() => null)
    if (manifest && scopeOf(manifest) === 'database') whole.add(name)
  }
  const lost = new Set(backups.flatMap((name) => mayHold(versions, name, (other) => whole.has(other))))
  return { backups, versions: [...lost].sort((a, b) => a - b) }
}

/** For each table that was there at version `at` and has no history: the first of the backups, in their order, that holds it. */
function holdersOf(live: KnownHistory, at: number, backups: ReadonlyMap<string, Held>): Map<string, string> {
  const tracked = trackedAt(live.everTracked, live.versions, at)
  const seen = new Set<string>(tracked.keys())
  const holders = new Map<string, string>()
  for (const [backup, { state, tables }] of backups) {
    for (const { name } of tables) {
      if (!seen.has(name) && !createdBetween(live.versions, name, at, state)) holders.set(name, backup)
      seen.add(name)
    }
  }
  return holders
}

/**
 * Reads what full backups hold of the state of version `at`, for tables that were not tracked then.
 * @returns null when no backup was taken after it: then the live tables are in that state
 * @throws RowbackError `backup.missing` (exit code 7) when one is not there that was not pruned; `backup.damaged`
 */
export async function storedState(
  live: KnownHistory,
  repository: Repository | null,
  at: number
): Promise<StoredState | null> {
  if (repository === null) return null
  const backups = new Map<string, Manifest | PrunedBackup>()
  for (const name of anchorsAfter(live.versions, at)) {
    const backup = await manifestOrNote(repository, name)
    backups.set(name, backup)
    if (scopeOf(backup) === 'database') break
  }
  const [first] = backups.values()
  if (!first) return null
  const held = new Map([...backups].map(([name, backup]) => [name, heldOf(backup)]))
  const tables: TableManifest[] = []
  const gone = new Map<string, RowbackError>()
  for (const [table, backup] of holdersOf(live, at, held)) {
    const manifest = backups.get(backup) as Manifest | PrunedBackup
    if (isPruned(manifest)) gone.set(table, await whyGone(repository, backup))
    else tables.push(manifest.tables.find(({ name }) => name === table) as TableManifest)
  }
  const isWhole = [...backups.values()].some((backup) => scopeOf(backup) === 'database')
  const objects = isPruned(first) ? {} : { objects: first.objects, objectNotes: first.objectNotes }
  return { tables, gone, isWhole, takenAt: isPruned(first) ? null : first.takenAt, ...objects }
}

/**
 * A backup; of one that was pruned, what is left of it. A prune that was interrupted may have left both.
 * @throws RowbackError `backup.missing` or `backup.damaged`
 */
export async function manifestOrNote(repository: Repository, name: string): Promise<Manifest | PrunedBackup> {
  const pruned = await repository.pruned(name)
  if (pruned === null) return repository.manifest(name)
  try {
    return await repository.manifest(name)
  } catch (error) {
    if (error instanceof RowbackError && error.code === 'backup.missing') return pruned
    throw error
  }
}

export function isPruned(backup: Manifest | PrunedBackup): backup is PrunedBackup {
  return 'prunedAt' in backup
}

/** What a backup holds, or did. */
export function heldOf(backup: Manifest | PrunedBackup): Held {
  if (!isPruned(backup)) return backup
  return { state: backup.state, tables: backup.tables.map((name) => ({ name })), scope: backup.scope }
}

async function whyGone(repository: Repository, backup: string): Promise<RowbackError> {
  try {
    await repository.manifest(backup)
  } catch (error) {
    if (error instanceof RowbackError) return error
    throw error
  }
  throw new Error(`the backup ${backup} is there`)
}

/**
 * What is said where tables of a state are wanted that only pruned backups held.
 * @param gone why, by table
 * @param others whether other tables of that state can be read
 */
export function goneTables(at: number, gone: ReadonlyMap<string, RowbackError>, others: boolean): RowbackError {
  const names = [...gone.keys()]
  const some = `Of the state of version ${at} ${names.length === 1 ? 'this table is' : 'these tables are'} gone: ${names.join(', ')}.`
  const rest = `The other tables of version ${at} can be read still: by rowback query --at ${at}, or with --table TABLE by diff and checkout. `
  const whys = [...new Set([...gone.values()].map(({ message }) => message))]
  return new RowbackError({
    code: 'backup.missing',
    message: [others ? some : `The state of version ${at} is gone.`, ...whys].join(' '),
    hint: `${others ? rest : ''}${[...gone.values()][0]?.hint ?? ''}`,
    exit: ExitCode.backupDamaged
  })
}

/** For each backup the versions whose state it holds, in full or in part; none for one that is not needed. */
export function neededBy(
  live: KnownHistory,
  backups: readonly { name: string; manifest: Held }[]
): Map<string, number[]> {
  const needed = new Map<string, number[]>(backups.map(({ name }) => [name, []]))
  const known = new Map(backups.map(({ name, manifest }) => [name, manifest]))
  // Of a backup that is not known, any table may be needed: none that follows is known to be.
  const isLast = (name: string) => scopeOf(known.get(name) ?? {}) === 'database'
  for (const { number } of committed(live.versions)) {
    const reached = backupsReached(live.versions, number, isLast)
    const held = new Map(
      reached.flatMap((name): [string, Held][] => {
        const manifest = known.get(name)
        return manifest ? [[name, manifest]] : []
      })
    )
    for (const name of new Set(holdersOf(live, number, held).values())) needed.get(name)?.push(number)
  }
  return needed
}

/** The versions that need each backup; of one that cannot be read it is not known which tables it had, so all that may. */
export function versionsOf(
  live: KnownHistory,
  names: readonly string[],
  readable: readonly { name: string; manifest: Held }[]
): Map<string, number[]> {
  const versions = neededBy(live, readable)
  const whole = new Set(readable.filter(({ manifest }) => scopeOf(manifest) === 'database').map(({ name }) => name))
  for (const name of names.filter((one) => !versions.has(one))) {
    versions.set(
      name,
      mayHold(live.versions, name, (other) => whole.has(other))
    )
  }
  return versions
}
