import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { BackupJson } from '../src/operations/backup/backup-json.ts'
import { backupCreate } from '../src/operations/backup/create.ts'
import { open } from '../src/rowback.ts'
import type { Measurement } from './measure.ts'
import { medians } from './measure.ts'
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
  withBench
} from './mysql-bench.ts'

/** A hundred backups of the whole table would take ten minutes; their size is that of the repository for any table. */
const VERSIONS_ROWS = Math.floor(ROWS / 10)
const VERSIONS = 100
const PEAK_GOAL = 300

export const BACKUPS = 'MySQL and MariaDB: full backups'

/** Measures full backups and what is done with them, and tells of them in a section of the document. */
export function measureBackups(): Promise<string> {
  return withBench(ROWS, async (bench) => {
    const work = measureRounds(bench)
    const sizes = await measureSizes(bench)
    const versions = await withBench(VERSIONS_ROWS, measureVersions)
    return sectionOf(bench, work, sizes, versions)
  })
}

type Work = 'dump' | 'backup' | 'restoreDump' | 'restore' | 'rollback'

function measureRounds(bench: Bench): Record<Work, Measurement> {
  return medians(Array.from({ length: ROUNDS }, () => measureRound(bench)))
}

/** What comes back is compared with what was, but not in the time taken. */
function measureRound(bench: Bench): Record<Work, Measurement> {
  const { server, folder, csv, changedCsv } = bench
  emptyTable(bench)
  server.loadData(csv)
  const before = server.fingerprint()
  const dump = said('mariadb-dump | zstd', server.dumpCompressed(join(folder, 'orders.sql.zst')))
  const backup = said('rowback, first backup', rowback(bench, ['backup', 'create']))
  const load = ['migrate', changedCsv, '--table', 'orders', '--strategy', 'snapshot', '-m', 'benchmark']
  said('rowback, load', rowback(bench, load))
  if (server.fingerprint() === before) throw new Error('The load changed nothing')
  const target = server.emptyDatabase('rowback_bench_restored')
  const restore = said('rowback, restore', rowback(bench, ['backup', 'restore', '0', '--to', target]))
  if (server.fingerprint('rowback_bench_restored') !== before) throw new Error('The restore is not what was')
  const rollback = said('rowback, rollback', rowback(bench, ['rollback', '0', '-m', 'benchmark']))
  if (server.fingerprint() !== before) throw new Error('The rollback did not bring back what was')
  server.dump(join(folder, 'orders.sql'))
  server.clear()
  const restoreDump = said('restoring a dump', server.restore(join(folder, 'orders.sql')))
  if (server.fingerprint() !== before) throw new Error('The dump did not bring back what was')
  return { dump, backup, restoreDump, restore, rollback }
}

interface Sizes {
  first: number
  localised: number
  scattered: number
}

/** Bytes that backups add after rows changed in one range of keys, and after as many changed at random. */
async function measureSizes(bench: Bench): Promise<Sizes> {
  const { server, csv, rows } = bench
  emptyTable(bench)
  server.loadData(csv)
  return withBackups(bench, async (backUp) => {
    const first = await backUp()
    server.change(`id BETWEEN ${rows / 2} AND ${rows / 2 + rows / 100 - 1}`)
    const localised = await backUp()
    server.change("CRC32(CONCAT(id, 'scattered')) % 100 = 0")
    return { first, localised, scattered: await backUp() }
  })
}

/** What a hundred backups take, between which another hundredth of the rows changes each time. */
async function measureVersions(bench: Bench): Promise<{ first: number; all: number }> {
  const { server, csv, rows, folder } = bench
  emptyTable(bench)
  server.loadData(csv)
  return withBackups(bench, async (backUp) => {
    const first = await backUp()
    const size = rows / VERSIONS
    for (let version = 0; version < VERSIONS; version++) {
      server.change(`id BETWEEN ${version * size + 1} AND ${(version + 1) * size}`)
      await backUp()
    }
    const all = execFileSync('du', ['-sb', join(folder, '.rowback')], { encoding: 'utf8' })
    return { first, all: Number.parseInt(all, 10) }
  })
}

/** @param measure gets what takes a backup and says the bytes that it added */
async function withBackups<T>(bench: Bench, measure: (backUp: () => Promise<number>) => Promise<T>): Promise<T> {
  const db = await open({ target: bench.server.target, repository: join(bench.folder, '.rowback') })
  try {
    return await measure(async () => ((await db.run(backupCreate, {})) as BackupJson).added)
  } finally {
    await db.close()
  }
}

function sectionOf(
  bench: Bench,
  work: Record<Work, Measurement>,
  sizes: Sizes,
  versions: { first: number; all: number }
): string {
  return `${describe(bench)}
Medians of ${ROUNDS} rounds, in which the sides take turns. Rowback is its command line, with the start of its process; what comes
back is compared with what was. A backup is written, read back and synced. The rollback takes its own backup first. The
${VERSIONS} backups are of a table of ${VERSIONS_ROWS.toLocaleString('en')} rows.

| work | rowback, s | against | s | ratio | goal | met |
|---|---:|---|---:|---:|---:|---|
${compared('first full backup', work.backup, '`mariadb-dump` \\| `zstd -3`', work.dump, 1.3)}
${compared('rollback over 1% changed and 0.1% new rows', work.rollback, '`mariadb < dump.sql`', work.restoreDump, 0.25)}
${compared('restore into an empty database', work.restore, '`mariadb < dump.sql`', work.restoreDump, 0.6)}

| size | MB | against | MB | ratio | goal | met |
|---|---:|---|---:|---:|---:|---|
${sized('next backup, 1% of the rows changed in one range', sizes.localised, 'first backup', sizes.first, 0.03)}
${sized('next backup, 1% of the rows changed at random', sizes.scattered, 'first backup', sizes.first, 0.1)}
${sized(`repository of ${VERSIONS} backups, 1% changed in a range of its own before each`, versions.all, 'first backup', versions.first, 4)}

| peak memory of rowback at ${bench.rows.toLocaleString('en')} rows | MB | goal | met |
|---|---:|---:|---|
${memory('first full backup', work.backup)}
${memory('restore', work.restore)}
${memory('rollback', work.rollback)}
`
}

function sized(what: string, ours: number, against: string, theirs: number, goal: number): string {
  const ratio = ours / theirs
  const shown = (bytes: number) => (bytes / 1e6).toFixed(2)
  const cells = [what, shown(ours), against, shown(theirs), ratio.toFixed(3), `≤ ${goal}`, met(ratio <= goal)]
  return `| ${cells.join(' | ')} |`
}

function memory(what: string, { peak }: Measurement): string {
  const size = megabytes(peak!)
  return `| ${what} | ${size} | < ${PEAK_GOAL} | ${met(size < PEAK_GOAL)} |`
}
