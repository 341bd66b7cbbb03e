import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Comparison } from '../model/rows-digest.ts'
import { compareRows, digestOf } from '../model/rows-digest.ts'
import type { BackupScope } from '../model/version.ts'
import type { Manifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { ReadableState } from './backup-reader.ts'
import { BackupReader } from './backup-reader.ts'
import { headOf } from './lifetimes.ts'
import { readingMade } from './made-state.ts'
import { RebuiltState } from './rebuilt-state.ts'
import { scopeOf } from './recovery.ts'
import { restoreInto } from './restore-into.ts'
import type { LiveState } from './session.ts'
import { StateReader } from './state-reader.ts'

export interface Rehearsal {
  /** The version whose state was restored. */
  version: number
  /** The full backup that it was read from; null where it came from history, or is the live state. */
  backup: string | null
  /** `differing`: rows that did not read back from the scratch database as they are stored. */
  tables: { table: string; rows: number; differing: number }[]
  /** Of a backup of the newest version: tables whose live rows are others by now. No fault of the backup. */
  changedSince: { table: string; differing: number }[]
  notes: string[]
}

/**
 * Restores a state into a scratch database of the same kind, which is gone afterwards, and compares every row with what
 * is stored.
 * @param version null for the newest backup, whatever state it holds
 * @throws RowbackError `backup.missing` or `backup.damaged` (exit code 7), `privilege.missing`
 */
export async function rehearseRestore(
  engine: Engine,
  live: LiveState,
  repository: Repository | null,
  version: number | null,
  signal: AbortSignal | undefined
): Promise<Rehearsal> {
  const backup = await backupOf(repository, version)
  const head = headOf(live.versions)
  const at = version ?? (live.tracked.size > 0 ? head : backup?.manifest.state)
  if (at === undefined || repository === null) throw noBackup()
  const others = backup
    ? new BackupReader(repository, backup.manifest)
    : version === null
      ? NOTHING
      : await StateReader.open(engine, live, repository, at)
  const reader = new RebuiltState(repository, live, at, others, { hasHistory: others instanceof StateReader })
  const differing = new Map<string, number>()
  const scratch = await engine.openScratch()
  try {
    const request = { reader, from: engine.name, state: `version ${at}`, tables: null, events: false, signal }
    const onMismatch = (table: string, comparison: Comparison) => differing.set(table, comparison.differing)
    const restored = await readingMade(reader, () => restoreInto({ ...request, onMismatch }, scratch))
    const tables = restored.tables.map((table) => ({ ...table, differing: differing.get(table.table) ?? 0 }))
    const changedSince: Rehearsal['changedSince'] = []
    if (at === head) {
      const now = await StateReader.open(engine, live, repository, at)
      const isOfHead = backup?.manifest.state === head
      const names = isOfHead ? namesOf(reader, now, scopeOf(backup.manifest)) : [...reader.rebuilt]
      changedSince.push(...(await changesSince(names, reader, now)))
    }
    const used = restored.tables.some(({ table }) => !reader.rebuilt.includes(table)) ? backup : null
    const notes = [...new Set([...reader.notes, ...restored.notes])]
    if (used && used.manifest.state !== at) {
      notes.unshift(
        `Tables without change sets are as the backup has them: the state of version ${used.manifest.state}.`
      )
    }
    return { version: at, backup: used?.name ?? null, tables, changedSince, notes }
  } finally {
    await scratch.close()
  }
}

/** The newest full backup, or the newest of a version's state that is of the whole database. */
async function backupOf(
  repository: Repository | null,
  version: number | null
): Promise<{ name: string; manifest: Manifest } | null> {
  const backups = (await repository?.backups()) ?? []
  const isOf = (manifest: Manifest) => manifest.state === version && scopeOf(manifest) === 'database'
  return backups.findLast(({ manifest }) => version === null || isOf(manifest)) ?? null
}

/** What can have changed since a backup was taken: where it holds all tables, those that came since too. */
function namesOf(stored: ReadableState, now: ReadableState, scope: BackupScope): string[] {
  return [...new Set([...stored.names(), ...(scope === 'database' ? now.names() : [])])]
}

async function changesSince(
  names: readonly string[],
  stored: ReadableState,
  now: ReadableState
): Promise<Rehearsal['changedSince']> {
  const changed: Rehearsal['changedSince'] = []
  for (const name of names) {
    const rowsOf = async (reader: ReadableState) => (await reader.table(name))?.rows ?? nothing
    const [before, after] = [await rowsOf(stored), await rowsOf(now)]
    if ((await digestOf(before())).equals(await digestOf(after()))) continue
    changed.push({ table: name, differing: (await compareRows(before(), after())).differing })
  }
  return changed
}

/** Where no full backup was taken, because there was nothing before the first version. */
const NOTHING: ReadableState = {
  takenAt: null,
  unkept: async () => [],
  objects: async () => ({ objects: [], notes: [] }),
  names: () => [],
  table: async () => undefined
}

async function* nothing() {}

function noBackup(): RowbackError {
  return new RowbackError({
    code: 'backup.missing',
    message: 'There is no full backup to rehearse.',
    hint: 'Take one with: rowback backup create',
    exit: ExitCode.backupDamaged
  })
}
