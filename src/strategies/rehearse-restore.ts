import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import { compareRows, digestOf } from '../model/rows-digest.ts'
import type { BackupScope } from '../model/version.ts'
import type { Manifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { ReadableState } from './backup-reader.ts'
import { BackupReader } from './backup-reader.ts'
import { headOf } from './lifetimes.ts'
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
  if (version === null && backup === null) throw noBackup()
  const at = backup?.manifest.state ?? (version as number)
  const reader = backup
    ? new BackupReader(repository as Repository, backup.manifest)
    : await StateReader.open(engine, live, repository, at)
  const differing = new Map<string, number>()
  const scratch = await engine.openScratch()
  try {
    const restored = await restoreInto(
      {
        reader,
        from: engine.name,
        state: `version ${at}`,
        tables: null,
        events: false,
        signal,
        onMismatch: (table, comparison) => differing.set(table, comparison.differing)
      },
      scratch
    )
    const tables = restored.tables.map((table) => ({ ...table, differing: differing.get(table.table) ?? 0 }))
    const isOfHead = backup !== null && at === headOf(live.versions)
    const changedSince = isOfHead
      ? await changesSince(reader, await StateReader.open(engine, live, repository, at), scopeOf(backup.manifest))
      : []
    return { version: at, backup: backup?.name ?? null, tables, changedSince, notes: restored.notes }
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

async function changesSince(
  stored: ReadableState,
  now: ReadableState,
  scope: BackupScope
): Promise<Rehearsal['changedSince']> {
  const changed: Rehearsal['changedSince'] = []
  for (const name of new Set([...stored.names(), ...(scope === 'database' ? now.names() : [])])) {
    const rowsOf = async (reader: ReadableState) => (await reader.table(name))?.rows ?? nothing
    const [before, after] = [await rowsOf(stored), await rowsOf(now)]
    if ((await digestOf(before())).equals(await digestOf(after()))) continue
    changed.push({ table: name, differing: (await compareRows(before(), after())).differing })
  }
  return changed
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
