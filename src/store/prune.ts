import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { moveFile, removeForGood, syncDirectory, writeOnce } from './atomic-file.ts'
import type { Manifest } from './manifest.ts'
import type { ObjectStore } from './objects.ts'
import { damaged } from './objects.ts'

export const TRASH = 'trash'
/** Notes of backups that went. */
export const PRUNED = 'pruned'

const prunedSchema = z.object({
  backup: z.string(),
  /** ISO 8601, UTC. */
  prunedAt: z.string(),
  /** The version whose state it held. */
  state: z.int(),
  /** The names of the tables that it held. */
  tables: z.array(z.string()),
  /** As in its manifest. */
  scope: z.literal('tables').optional()
})

/** What stays of a backup that was pruned, for who asks for it. */
export type PrunedBackup = z.infer<typeof prunedSchema>

interface Backup {
  name: string
  manifest: Manifest
}

/** What a prune takes away. */
export interface PrunePlan {
  backups: Backup[]
  /** Paths of the records of what versions left that go. */
  records: string[]
  /** Objects that no backup needs that stays. */
  objects: { path: string; bytes: number }[]
}

/**
 * Marks from what names the chunks that stay, through the bases of deltas; what is not marked goes.
 * @throws RowbackError `backup.damaged` when a marked object is missing: what it is a delta against is not known then
 */
export async function unneeded(
  root: string,
  objects: ObjectStore,
  staying: readonly { object: string }[]
): Promise<PrunePlan['objects']> {
  const needed = new Set<string>()
  for (const named of staying) {
    let object: string | null = named.object
    while (object !== null && !needed.has(object)) {
      needed.add(object)
      object = await objects.base(object)
    }
  }
  const going: PrunePlan['objects'] = []
  for (const hash of await objectsIn(root)) {
    if (needed.has(hash)) continue
    const path = objects.path(hash)
    going.push({ path, bytes: (await stat(path)).size })
  }
  return going
}

async function objectsIn(root: string): Promise<string[]> {
  const folder = join(root, 'objects')
  const hashes: string[] = []
  for (const prefix of await filesIn(folder)) {
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue
    for (const file of await filesIn(join(folder, prefix))) {
      const [, hash] = /^([0-9a-f]{64})\.zst$/.exec(file) ?? []
      if (hash?.startsWith(prefix)) hashes.push(hash)
    }
  }
  return hashes
}

/**
 * In an order in which a crash leaves a repository whole: notes of what goes, then the manifests, then the objects, which
 * nothing names by then. A later prune finds the notes and the objects and finishes.
 */
export async function carryOut(
  root: string,
  plan: PrunePlan,
  grace: number
): Promise<{ trash: string | null; emptied: string[] }> {
  const now = new Date()
  const emptied = await emptyTrash(root, now.getTime() - grace)
  await removeForGood(join(root, 'tmp'))
  if (plan.backups.length + plan.records.length + plan.objects.length === 0) return { trash: null, emptied }
  await notePruned(root, plan.backups, now)
  const trash = join(root, TRASH, now.toISOString().replace(/[-:]|\.\d+/g, ''))
  const move = movesTo(root, trash)
  await move([...plan.backups.map(({ name }) => join(root, 'manifests', `${name}.json`)), ...plan.records])
  await move(plan.objects.map(({ path }) => path))
  return { trash, emptied }
}

async function notePruned(root: string, backups: readonly Backup[], now: Date): Promise<void> {
  for (const { name, manifest } of backups) {
    const tables = manifest.tables.map((table) => table.name)
    const note: PrunedBackup = {
      backup: name,
      prunedAt: now.toISOString(),
      state: manifest.state,
      tables,
      ...(manifest.scope && { scope: manifest.scope })
    }
    const path = join(root, PRUNED, `${name}.json`)
    const text = JSON.stringify(note)
    await writeOnce(path, join(root, 'tmp'), Buffer.from(text), (readBack) => {
      if (readBack.toString('utf8') !== text) throw damaged(path, 'was not written as meant')
    })
  }
  if (backups.length > 0) for (const folder of [join(root, PRUNED), root]) await syncDirectory(folder)
}

/** Moves files below the root to the same place below the trash; durable before it ends. */
function movesTo(root: string, trash: string): (paths: string[]) => Promise<void> {
  return async (paths) => {
    const folders = new Set<string>()
    for (const path of paths) {
      const target = trash + path.slice(root.length)
      await moveFile(path, target)
      for (const folder of [dirname(path), dirname(target)]) folders.add(folder)
    }
    for (const folder of folders) await syncDirectory(folder)
  }
}

/** @returns the folders of the trash that were deleted: those filled before a point in time */
async function emptyTrash(root: string, before: number): Promise<string[]> {
  const emptied: string[] = []
  for (const name of await filesIn(join(root, TRASH))) {
    const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(name) ?? []
    const [year, month, day, hour, minute, second] = parts.map(Number) as [number, ...number[]]
    if (parts.length === 0) continue
    if (Date.UTC(year, (month ?? 1) - 1, day, hour, minute, second) > before) continue
    await removeForGood(join(root, TRASH, name))
    emptied.push(join(root, TRASH, name))
  }
  return emptied
}

/** Backups that a prune noted down and did not get to. */
export async function begunPrunes(root: string): Promise<string[]> {
  return (await filesIn(join(root, PRUNED)))
    .filter((file) => existsSync(join(root, 'manifests', file)))
    .map((file) => file.slice(0, -'.json'.length))
}

/** @throws RowbackError `backup.damaged` when the note is there and cannot be read */
export async function readPruned(root: string, name: string): Promise<PrunedBackup | null> {
  const path = join(root, PRUNED, `${name}.json`)
  if (!existsSync(path)) return null
  try {
    return prunedSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw damaged(path, 'cannot be read', error)
  }
}

/** The names in a folder; none where it is not there. A listing that fails is no empty one. */
export async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw damaged(folder, 'cannot be listed', error)
  }
}

/** What the files below a folder take, in bytes. */
export async function bytesBelow(folder: string): Promise<number> {
  let sum = 0
  if (!existsSync(folder)) return sum
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).size
  }
  return sum
}
