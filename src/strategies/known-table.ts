import type { Engine } from '../engines/engine.ts'
import type { Column, Table } from '../model/table.ts'
import { columnsFromJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { shapeFromHistory } from './history-shape.ts'
import { committed } from './lifetimes.ts'
import type { LiveState } from './session.ts'

/** What is known of a table that is there or was there. */
export interface KnownTable {
  name: string
  columns: Column[]
  key: string[] | null
  /** As the database itself knows it; undefined where backups alone have it. */
  shape: Table | undefined
}

/** A table by its name, as it is now, else as it was last; undefined where no version and no backup knows it. */
export async function knownTable(
  engine: Engine,
  live: LiveState,
  repository: Repository | null,
  wanted: string
): Promise<KnownTable | undefined> {
  const name = ownName(live, wanted)
  const table = live.tables.find((candidate) => candidate.name === name)
  const tracked = live.everTracked.findLast((entry) => entry.table === name)
  const shape = table ?? (tracked && (await shapeFromHistory(engine, tracked)))
  if (shape) return { name, columns: shape.columns, key: shape.key, shape }
  return repository ? fromBackups(live, repository, name) : undefined
}

/** The name as the database has it: upper and lower case are the user's to mix up. */
function ownName(live: LiveState, wanted: string): string {
  const names = [
    ...live.tables.map(({ name }) => name),
    ...live.versions.flatMap(({ tables }) => tables.map(({ table }) => table))
  ]
  return (
    names.find((name) => name === wanted) ?? names.find((name) => name.toLowerCase() === wanted.toLowerCase()) ?? wanted
  )
}

/** From the newest backup that has the table; those that are gone are passed over. */
async function fromBackups(live: LiveState, repository: Repository, name: string): Promise<KnownTable | undefined> {
  const there = new Set(await repository.names())
  const anchors = committed(live.versions).map(({ anchor }) => anchor)
  for (const anchor of anchors.filter((one) => one !== null && there.has(one)).reverse()) {
    const stored = (await repository.manifest(anchor as string)).tables.find((table) => table.name === name)
    if (stored) return { name, columns: columnsFromJson(stored.definition), key: stored.key, shape: undefined }
  }
  return undefined
}
