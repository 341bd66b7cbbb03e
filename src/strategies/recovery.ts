import { RowbackError } from '../errors.ts'
import type { Manifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { anchorFor, committed, storedAt, trackedAt } from './lifetimes.ts'
import type { LiveState } from './session.ts'

/** Of a full backup: the version whose state it holds, and what it holds. */
export type StoredState = Pick<Manifest, 'state' | 'tables' | 'objects' | 'objectNotes'> &
  Partial<Pick<Manifest, 'takenAt'>>

/**
 * Reads the full backup that holds the state of version `at` for tables that were not tracked then.
 * @returns null when the live tables are in that state; without any table where none of its tables is needed
 * @throws RowbackError `backup.missing` (exit code 7) when it was pruned or is not there, or `backup.damaged`
 */
export async function storedState(
  live: LiveState,
  repository: Repository | null,
  at: number
): Promise<StoredState | null> {
  const anchor = anchorFor(live.versions, at)
  if (anchor === null || repository === null) return null
  const pruned = await repository.pruned(anchor)
  if (pruned === null) return repository.manifest(anchor)
  try {
    return await repository.manifest(anchor)
  } catch (error) {
    if (!(error instanceof RowbackError) || error.code !== 'backup.missing') throw error
    const held = { state: pruned.state, tables: pruned.tables.map((name) => ({ name })) }
    if (!needsBackup(live, held, at)) return { state: pruned.state, tables: [] }
    throw new RowbackError({
      code: error.code,
      message: `The state of version ${at} is gone. ${error.message}`,
      hint: error.hint,
      exit: error.exit
    })
  }
}

/** Whether a backup holds a table of the state of version `at` that no history has. */
function needsBackup(live: LiveState, stored: { state: number; tables: { name: string }[] }, at: number): boolean {
  const tracked = trackedAt(live.everTracked, live.versions, at)
  return storedAt(live.versions, stored, at).some((table) => !tracked.has(table.name))
}

/** For each backup the versions whose state it holds, in full or in part; none for one that is not needed. */
export function neededBy(
  live: LiveState,
  backups: readonly { name: string; manifest: StoredState }[]
): Map<string, number[]> {
  const needed = new Map<string, number[]>(backups.map(({ name }) => [name, []]))
  const stored = new Map(backups.map(({ name, manifest }) => [name, manifest]))
  let anchor: string | null = null
  for (const version of committed(live.versions).reverse()) {
    const manifest = anchor === null ? undefined : stored.get(anchor)
    if (anchor !== null && manifest && needsBackup(live, manifest, version.number)) {
      needed.get(anchor)?.unshift(version.number)
    }
    anchor = version.anchor ?? anchor
  }
  return needed
}
