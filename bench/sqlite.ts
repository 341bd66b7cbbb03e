import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { COLUMNS, writeOrders } from './generate.ts'
import type { Measurement } from './measure.ts'
import { median, runProgram, runRowback } from './measure.ts'

const ROWS = Number(process.env.BENCH_ROWS ?? 1_000_000)
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3)

export const SQLITE = 'SQLite: a first load'

/** Measures the first load into SQLite, and tells of it in a section of the document. */
export async function measureSqlite(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'rowback-bench-'))
  try {
    const bytes = await writeOrders(join(folder, 'orders.csv'), { rows: ROWS })
    return sectionOf(bytes, measureAll(folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

type Way = 'import' | 'snapshot' | 'incremental'

function measureAll(folder: string): Record<Way, Measurement> {
  const rounds = Array.from({ length: ROUNDS }, () => ({
    import: importBySqlite(folder),
    snapshot: migrateBy('snapshot', folder),
    incremental: migrateBy('incremental', folder)
  }))
  const of = (way: Way) => median(rounds.map((round) => round[way]))
  return { import: of('import'), snapshot: of('snapshot'), incremental: of('incremental') }
}

function importBySqlite(folder: string): Measurement {
  return runProgram('sqlite3', [emptyDatabase(folder), '.import --csv --skip 1 orders.csv orders'], folder)
}

function migrateBy(strategy: string, folder: string): Measurement {
  const target = `sqlite:${emptyDatabase(folder)}`
  return runRowback(['migrate', 'orders.csv', '--target', target, '--strategy', strategy, '-m', 'benchmark'], folder)
}

/** A new database with the empty table and its secondary index. */
function emptyDatabase(folder: string): string {
  for (const name of ['orders.db', 'orders.db-journal', '.rowback']) {
    rmSync(join(folder, name), { recursive: true, force: true })
  }
  const db = new DatabaseSync(join(folder, 'orders.db'))
  db.exec(`CREATE TABLE orders (${COLUMNS}); CREATE INDEX orders_by_code ON orders (code)`)
  db.close()
  return 'orders.db'
}

function sectionOf(bytes: number, measured: Record<Way, Measurement>): string {
  const line = (name: string, one: Measurement, goal: string) =>
    `| ${name} | ${one.seconds.toFixed(2)} | ${(one.seconds / measured.import.seconds).toFixed(2)} | ${goal} | ${one.peak === null ? '' : Math.round(one.peak)} |`
  return `${ROWS.toLocaleString('en')} rows of 8 columns (${Math.round(bytes / 1e6)} MB of CSV) into an empty table with a primary key and one secondary
index; medians of ${ROUNDS} rounds, Node.js ${process.versions.node}, SQLite ${process.versions.sqlite}, ${availableParallelism()} cores.

| way | seconds | ratio | goal | peak memory, MiB |
|---|---:|---:|---:|---:|
${line('`sqlite3 .import` (no types, no versions, no failed rows)', measured.import, '1')}
${line('`rowback migrate`, snapshot', measured.snapshot, '< 1.5')}
${line('`rowback migrate`, incremental', measured.incremental, '< 2.0')}
`
}
