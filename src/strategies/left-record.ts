import type { Engine } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { Table } from '../model/table.ts'
import type { TableReport } from '../model/version.ts'
import type { Manifest, TableManifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { backUpTable } from './anchor.ts'
import type { LiveState } from './session.ts'
import { reachedBy } from './touched.ts'

/** A version whose rows are written and that is about to be committed. */
export interface Leaving {
  engine: Engine
  repository: Repository
  live: LiveState
  version: number
  /** The backup that it took. */
  anchor: string
  reports: readonly TableReport[]
  /** The tables that it restored and proved to be so, by name. */
  restored: ReadonlyMap<string, TableManifest>
  signal: AbortSignal | undefined
}

interface Stored {
  manifest: TableManifest
  /** Compressed bytes that the repository did not have before. */
  added: number
}

/**
 * Records how a version leaves the tables, inside its transaction, so that later on changes of others can be told from
 * its own: the tables that it may have written are read again, all others are as its backup has them. Ranges that did not
 * change are the same objects. Tracked tables are left out.
 * @returns the record's name; null where the version wrote tracked tables alone
 * @throws RowbackError `backup.not_written`
 */
export async function recordLeft(leaving: Leaving): Promise<string | null> {
  const { engine, repository, version, anchor, live, reports } = leaving
  const backup = await repository.manifest(anchor)
  const written = reachedBy(reports, live.tables)
  const hasEnded = reports.some((report) => report.tracking === 'ended')
  if (!hasEnded && ![...written].some((name) => !isTracked(leaving, name))) return null
  const stored: Stored[] = []
  for (const name of new Set([...backup.tables.map((table) => table.name), ...written])) {
    if (!isTracked(leaving, name)) stored.push(...(await leftOf(leaving, backup, written, name)))
  }
  return repository.left.put({
    database: backup.database,
    engine: engine.name,
    recordedAt: new Date().toISOString(),
    version,
    backup: anchor,
    added: stored.reduce((sum, { added }) => sum + added, 0),
    written: [...written],
    tables: stored.map(({ manifest }) => manifest)
  })
}

function isTracked({ live, reports }: Leaving, name: string): boolean {
  if (live.tracked.has(name)) return true
  return reports.some((report) => report.table === name && report.history !== undefined && !report.tracking)
}

/** None for a table that is gone, or of which it is not known. */
async function leftOf(
  leaving: Leaving,
  backup: Manifest,
  written: ReadonlySet<string>,
  name: string
): Promise<Stored[]> {
  const { live, reports, restored } = leaving
  const before = backup.tables.find((table) => table.name === name)
  const ends = reports.filter((report) => report.table === name && (report.created || report.dropped))
  if (ends.at(-1)?.dropped) return []
  const known = restored.get(name) ?? (written.has(name) ? undefined : before)
  if (known) return [{ manifest: known, added: 0 }]
  const table = live.tables.find((other) => other.name === name)
  return table ? readAgain(leaving, table, before) : []
}

/** Others may write a table meanwhile, where its storage engine lets them: what the version left is not known then. */
async function readAgain(
  { engine, repository, signal }: Leaving,
  table: Table,
  before: TableManifest | undefined
): Promise<Stored[]> {
  try {
    return [await backUpTable(engine, repository, table, { parent: before }, signal)]
  } catch (error) {
    if (error instanceof RowbackError && error.code === 'backup.incomplete') return []
    throw error
  }
}
