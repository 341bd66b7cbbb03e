import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomIds, writeChangedOrders, writeOrders } from './generate.ts'
import type { Measurement } from './measure.ts'
import { runRowback } from './measure.ts'
import type { BenchServer } from './mysql-server.ts'
import { openServer } from './mysql-server.ts'

export const ROWS = Number(process.env.BENCH_ROWS ?? 1_000_000)
export const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3)
/** A row has about 120 bytes. */
export const WORDS = 8

/** A server, a folder, and the files to load. */
export interface Bench {
  server: BenchServer
  folder: string
  rows: number
  /** The size of the first file. */
  bytes: number
  csv: string
  /** The same with 1% of the rows changed and 0.1% more. */
  changedCsv: string
}

export async function withBench<T>(rows: number, measure: (bench: Bench) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rowback-bench-'))
  try {
    const csv = join(folder, 'orders.csv')
    const bytes = await writeOrders(csv, { rows, words: WORDS })
    const changedCsv = join(folder, 'changed.csv')
    const changes = { changed: randomIds(Math.floor(rows / 100), rows, 2), added: Math.floor(rows / 1000), seed: 3 }
    await writeChangedOrders(changedCsv, { rows, words: WORDS }, changes)
    const server = await openServer()
    try {
      return await measure({ server, folder, rows, bytes, csv, changedCsv })
    } finally {
      await server.stop()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export function rowback({ server, folder }: Bench, args: string[]): Measurement {
  return runRowback([...args, '--target', server.target], folder)
}

/** A new table, and no versions. */
export function emptyTable({ server, folder }: Bench): void {
  rmSync(join(folder, '.rowback'), { recursive: true, force: true })
  server.makeTable()
}

/** Tells of a measurement as it comes. */
export function said(what: string, measurement: Measurement): Measurement {
  const peak = measurement.peak === null ? '' : `, ${megabytes(measurement.peak)} MB`
  console.error(`${what}: ${measurement.seconds.toFixed(2)} s${peak}`)
  return measurement
}

/** What was measured on. */
export function describe({ server, rows, bytes }: Bench): string {
  const client = /\d+(\.\d+)+-MariaDB/.exec(execFileSync('mariadb', ['--version'], { encoding: 'utf8' }))?.[0]
  const pool = Math.round(server.bufferPool() / 2 ** 20)
  return `${rows.toLocaleString('en')} rows of 8 columns (${Math.round(bytes / 1e6)} MB of CSV), a table with a primary key and one secondary index.
${server.product} with a buffer pool of ${pool} MiB, client ${client ?? 'unknown'}, Node.js ${process.versions.node}, ${availableParallelism()} cores.`
}

/** A line of the table: ours against theirs. */
export function compared(work: string, ours: Measurement, against: string, theirs: Measurement, goal: number): string {
  const ratio = ours.seconds / theirs.seconds
  const digits = goal < 0.1 ? 3 : 2
  const cells = [
    work,
    ours.seconds.toFixed(2),
    against,
    theirs.seconds.toFixed(2),
    ratio.toFixed(digits),
    `≤ ${goal.toFixed(2)}`,
    met(ratio <= goal)
  ]
  return `| ${cells.join(' | ')} |`
}

export function megabytes(mebibytes: number): number {
  return Math.round((mebibytes * 2 ** 20) / 1e6)
}

export function met(yes: boolean): string {
  return yes ? 'yes' : 'no'
}
