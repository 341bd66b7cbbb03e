import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Rowback } from '../src/index.ts'
import { open } from '../src/index.ts'
import { randomIds, writeOrdersOf } from './generate.ts'
import type { Measurement } from './measure.ts'
import { median, medians } from './measure.ts'
import type { Bench } from './mysql-bench.ts'
import {
  compared,
  describe,
  emptyTable,
  megabytes,
  met,
  ROUNDS,
  ROWS,
  rowback,
  said,
  WORDS,
  withBench
} from './mysql-bench.ts'
import { FRESH_DATABASE } from './mysql-server.ts'

const ROWS_LARGE = Number(process.env.BENCH_ROWS ?? 10_000_000)
const PEAK_GOAL = 300

export const MYSQL = 'MySQL and MariaDB: loads and rollbacks'
export const MYSQL_LARGE = 'MySQL and MariaDB: memory'

/** Measures loads, rollbacks and many versions, and tells of them in a section of the document. */
export function measureMysql(): Promise<string> {
  return withBench(ROWS, async (bench) => {
    const work = measureRounds(bench)
    return sectionOf(bench, work, await measureVersions(bench))
  })
}

/** Measures the memory of the same loads of ten times the rows, once. */
export function measureMysqlLarge(): Promise<string> {
  return withBench(ROWS_LARGE, async (bench) => largeSectionOf(bench, rowbackRound(bench)))
}

type RowbackWork = 'first' | 'second' | 'rollback'
type Work = RowbackWork | 'loadData' | 'restore'

function measureRounds(bench: Bench): Record<Work, Measurement> {
  return medians(
    Array.from({ length: ROUNDS }, () => ({
      loadData: loadData(bench),
      ...rowbackRound(bench),
      restore: restore(bench)
    }))
  )
}

function loadData({ server, csv }: Bench): Measurement {
  server.makeTable()
  return said('LOAD DATA LOCAL', server.loadData(csv))
}

/** Load, load again, roll back; the content of the table is compared, but not in the time taken. */
function rowbackRound(bench: Bench): Record<RowbackWork, Measurement> {
  const { server, csv, changedCsv } = bench
  emptyTable(bench)
  const first = said('rowback, first load', rowback(bench, migrate(csv)))
  const before = server.fingerprint()
  const second = said('rowback, second load', rowback(bench, migrate(changedCsv)))
  if (server.fingerprint() === before) throw new Error('The second load changed nothing')
  const rollback = said('rowback, rollback', rowback(bench, ['rollback', '1', '-m', 'benchmark']))
  if (server.fingerprint() !== before) throw new Error('The rollback did not bring back what was')
  return { first, second, rollback }
}

function migrate(csv: string): string[] {
  return ['migrate', csv, '--table', 'orders', '--strategy', 'incremental', '-m', 'benchmark']
}

/** A dump of the loaded table; what it brings back is compared, but not in the time taken. */
function restore({ server, csv, folder }: Bench): Measurement {
  const file = join(folder, 'orders.sql')
  server.makeTable()
  server.loadData(csv)
  const before = server.fingerprint()
  server.dump(file)
  server.clear()
  const measured = said('restoring a dump', server.restore(file))
  if (server.fingerprint() !== before) throw new Error('The dump did not bring back what was')
  return measured
}

interface Versions {
  changed: number
  first: Measurement
  last: Measurement
}

/** Versions that come before the 101st. */
const BEFORE = 100
/** How many versions stand for the 1st and for the 101st: of one alone the time would be chance. */
const COMPARED = 11

/**
 * Versions of random rows, in one process: does one take longer when a hundred came before? A table that has them and one
 * that was only loaded take turns, so that what else the machine does meets both.
 */
async function measureVersions(bench: Bench): Promise<Versions> {
  const changed = Math.min(10_000, Math.floor(bench.rows / 100))
  const source = join(bench.folder, 'version.csv')
  const old = await openLoaded(bench, bench.server.makeTable(), 'old')
  const fresh = await openLoaded(bench, bench.server.makeTable(FRESH_DATABASE), 'fresh')
  const addVersion = async (db: Rowback): Promise<Measurement> => {
    const startedAt = performance.now()
    const version = await db.migrate({ source, table: 'orders', strategy: 'incremental', description: 'benchmark' })
    const seconds = (performance.now() - startedAt) / 1000
    if (version.tables[0]?.updated !== changed) throw new Error(`A version did not update ${changed} rows`)
    return { seconds, peak: null }
  }
  const first: Measurement[] = []
  const last: Measurement[] = []
  try {
    for (let number = 1; number <= BEFORE + COMPARED; number++) {
      await writeOrdersOf(source, randomIds(changed, bench.rows, 1000 + number), 2000 + number, WORDS)
      const measured = await addVersion(old)
      if (number % 10 === 1) said(`version ${number}`, measured)
      if (number <= BEFORE) continue
      last.push(measured)
      first.push(said(`version ${number - BEFORE} of a fresh table`, await addVersion(fresh)))
    }
  } finally {
    await old.close()
    await fresh.close()
  }
  return { changed, first: median(first), last: median(last) }
}

/** A database whose table was loaded by a first version. */
async function openLoaded({ folder, csv }: Bench, target: string, name: string): Promise<Rowback> {
  const repository = join(folder, name)
  rmSync(repository, { recursive: true, force: true })
  const db = await open({ target, repository, author: 'benchmark' })
  await db.migrate({ source: csv, table: 'orders', strategy: 'incremental', description: 'benchmark' })
  return db
}

function sectionOf(bench: Bench, work: Record<Work, Measurement>, versions: Versions): string {
  const nth = `version of ${versions.changed.toLocaleString('en')} changed rows`
  return `${describe(bench)}
Medians of ${ROUNDS} rounds, in which the sides take turns; each begins with a new table. Rowback is its command line, with
the start of its process; the content of the table is compared after each step. Of the versions the medians of 1 to
${COMPARED} and of ${BEFORE + 1} to ${BEFORE + COMPARED} are given, which one process makes by turns, of two tables.

| work | rowback, s | against | s | ratio | goal | met |
|---|---:|---|---:|---:|---:|---|
${compared('first load, incremental, all rows validated', work.first, '`LOAD DATA LOCAL`', work.loadData, 1.25)}
${compared('load of the same file, 1% of its rows changed and 0.1% new', work.second, '`LOAD DATA LOCAL` of the first', work.loadData, 0.5)}
${compared('rollback of that second load', work.rollback, 'restoring a `mariadb-dump`', work.restore, 1 / 50)}
${compared(`the 101st ${nth}`, versions.last, 'the 1st', versions.first, 1.1)}

${memoryTable(bench, work)}`
}

function largeSectionOf(bench: Bench, work: Record<RowbackWork, Measurement>): string {
  return `${describe(bench)}
Made by \`npm run bench -- mysql --large\`, in one round.

${memoryTable(bench, work)}`
}

function memoryTable({ rows }: Bench, work: Record<RowbackWork, Measurement>): string {
  const line = (name: string, { seconds, peak }: Measurement) =>
    `| ${name} | ${seconds.toFixed(2)} | ${megabytes(peak!)} | < ${PEAK_GOAL} | ${met(megabytes(peak!) < PEAK_GOAL)} |`
  return `| peak memory of rowback at ${rows.toLocaleString('en')} rows | s | MB | goal | met |
|---|---:|---:|---:|---|
${line('first load', work.first)}
${line('second load', work.second)}
${line('rollback', work.rollback)}
`
}
