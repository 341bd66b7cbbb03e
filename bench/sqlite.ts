import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { COLUMNS, writeOrders } from './generate.ts'
import type { Measurement } from './measure.ts'
import { median, runProgram, runRowback } from './measure.ts'

const ROWS = Number(process.env.BENCH_ROWS ?? 1_000_000)
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3)
const REPORT = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'rowback-bench-'))
const csv = join(folder, 'orders.csv')

/** A new database with the empty table and its secondary index. */
function emptyDatabase(): string {
  for (const name of ['orders.db', 'orders.db-journal', '.rowback']) {
    rmSync(join(folder, name), { recursive: true, force: true })
  }
  const db = new DatabaseSync(join(folder, 'orders.db'))
  db.exec(`CREATE TABLE orders (${COLUMNS}); CREATE INDEX orders_by_code ON orders (code)`)
  db.close()
  return 'orders.db'
}

function importBySqlite(): Measurement {
  return runProgram('sqlite3', [emptyDatabase(), `.import --csv --skip 1 ${csv} orders`], folder)
}

function migrateBy(strategy: string): Measurement {
  const target = `sqlite:${emptyDatabase()}`
  return runRowback(['migrate', csv, '--target', target, '--strategy', strategy, '-m', 'benchmark'], folder)
}

function measureAll(): Record<'import' | 'snapshot' | 'incremental', Measurement> {
  const rounds = Array.from({ length: ROUNDS }, () => ({
    import: importBySqlite(),
    snapshot: migrateBy('snapshot'),
    incremental: migrateBy('incremental')
  }))
  const of = (name: 'import' | 'snapshot' | 'incremental') => median(rounds.map((round) => round[name]))
  return { import: of('import'), snapshot: of('snapshot'), incremental: of('incremental') }
}

const bytes = await writeOrders(csv, ROWS)
try {
  const { import: reference, snapshot, incremental } = measureAll()
  const line = (name: string, one: Measurement, goal: string) =>
    `| ${name} | ${one.seconds.toFixed(2)} | ${(one.seconds / reference.seconds).toFixed(2)} | ${goal} | ${one.peak === null ? '' : Math.round(one.peak)} |`
  const report = `# Benchmarks

Made by \`npm run bench\`, which writes this page. Seconds depend on the machine and on what else it does; the ratios are
taken in one run, side by side.

## SQLite: a first load

${ROWS.toLocaleString('en')} rows of 8 columns (${Math.round(bytes / 1e6)} MB of CSV) into an empty table with a primary key and one secondary
index; medians of ${ROUNDS} rounds, Node.js ${process.versions.node}, SQLite ${process.versions.sqlite}, ${availableParallelism()} cores.

| way | seconds | ratio | goal | peak memory, MiB |
|---|---:|---:|---:|---:|
${line('`sqlite3 .import` (no types, no versions, no failed rows)', reference, '1')}
${line('`rowback migrate`, snapshot', snapshot, '< 1.5')}
${line('`rowback migrate`, incremental', incremental, '< 2.0')}
`
  writeFileSync(REPORT, report)
  console.log(report)
} finally {
  rmSync(folder, { recursive: true })
}
