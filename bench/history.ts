import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Rowback } from '../src/index.ts'
import { open } from '../src/index.ts'
import { COLUMNS, randomIds, writeOrders, writeOrdersOf } from './generate.ts'
import { runRowback } from './measure.ts'
import { met } from './mysql-bench.ts'
import type { BenchServer } from './mysql-server.ts'
import { openServer } from './mysql-server.ts'

const ROWS = Number(process.env.BENCH_ROWS ?? 100_000)
const VERSIONS = Number(process.env.BENCH_VERSIONS ?? 200)
const CHANGED = Math.floor(ROWS / 100)
/** How often each question is asked, by turns about now and about each of these versions. */
const TIMES = 15

export const HISTORY = 'Questions about the past'

const POINT = `SELECT * FROM orders WHERE id = ${Math.floor(ROWS / 2)}`
const AGGREGATE = 'SELECT city, count(*), sum(amount) FROM orders GROUP BY city'

/** A database with a history, and what compares its newest two states without knowing of versions. */
interface Subject {
  /** Where the command line runs. */
  folder: string
  product: string
  target: string
  /** Keeps the table as it is now. */
  keep: () => void
  /** Counts the rows of the table that are not as they were kept, reading all. */
  compare: () => number
  stop: () => Promise<void>
}

/** Measures questions about old versions against the same about the live table, and diffs against whole comparisons. */
export async function measureHistory(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'rowback-bench-'))
  try {
    const lines: string[] = []
    for (const subject of [sqliteSubject(folder), await mysqlSubject(folder)]) {
      lines.push(...(await measure(subject, folder)))
      await subject.stop()
      rmSync(join(folder, '.rowback'), { recursive: true, force: true })
    }
    return sectionOf(lines)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function measure(subject: Subject, folder: string): Promise<string[]> {
  const repository = join(folder, '.rowback')
  const db = await open({ target: subject.target, repository, author: 'benchmark' })
  try {
    await makeVersions(db, subject, folder)
    return [
      ...(await compared(db, subject, 'one row by its key', POINT)),
      ...(await compared(db, subject, 'an aggregate over all rows', AGGREGATE)),
      await diffed(db, subject)
    ]
  } finally {
    await db.close()
  }
}

/** A first load, then versions of random rows each; the table is kept before the last. */
async function makeVersions(db: Rowback, subject: Subject, folder: string): Promise<void> {
  const source = join(folder, 'orders.csv')
  const load = () => db.migrate({ source, table: 'orders', strategy: 'incremental', description: 'benchmark' })
  await writeOrders(source, { rows: ROWS })
  await load()
  for (let version = 2; version <= VERSIONS; version++) {
    if (version === VERSIONS) subject.keep()
    await writeOrdersOf(source, randomIds(CHANGED, ROWS, version), version)
    const { tables } = await load()
    if (tables[0]?.updated !== CHANGED) throw new Error(`Version ${version} did not update ${CHANGED} rows`)
    if (version % 20 === 0) console.error(`${subject.product}: version ${version}`)
  }
}

/** Asks by the command line and in one process. */
async function compared(db: Rowback, subject: Subject, question: string, sql: string): Promise<string[]> {
  const { target, product, folder } = subject
  const atOf = (at: number | undefined) => (at === undefined ? [] : ['--at', String(at)])
  const ways = {
    'command line': async (at: number | undefined) => {
      runRowback(['query', sql, '--target', target, ...atOf(at)], folder)
    },
    'one process': (at: number | undefined) => db.query(sql, at === undefined ? {} : { at })
  }
  const lines: string[] = []
  for (const [way, ask] of Object.entries(ways)) lines.push(...(await askedBy(ask, product, `${question}, ${way}`)))
  return lines
}

async function askedBy(
  ask: (at: number | undefined) => Promise<unknown>,
  product: string,
  question: string
): Promise<string[]> {
  const versions = [1, Math.floor(VERSIONS / 2), VERSIONS - 1]
  const asked = new Map<number | undefined, number[]>([undefined, ...versions].map((at) => [at, []]))
  for (let time = 0; time < TIMES; time++) {
    for (const [at, seconds] of asked) {
      seconds.push(await secondsOf(() => ask(at)))
    }
  }
  const live = middle(asked.get(undefined))
  return versions.map((at) => lineOf(product, `${question}, at version ${at}`, middle(asked.get(at)), 'now', live, 3))
}

async function diffed(db: Rowback, subject: Subject): Promise<string> {
  const ours: number[] = []
  const theirs: number[] = []
  for (let time = 0; time < TIMES; time++) {
    ours.push(
      await secondsOf(async () => {
        const [table] = (await db.diff(VERSIONS - 1, VERSIONS)).tables
        if (table?.updated !== CHANGED) throw new Error('The diff does not have the rows that were changed')
      })
    )
    theirs.push(
      await secondsOf(async () => {
        if (subject.compare() !== CHANGED) throw new Error('The comparison does not have the rows that were changed')
      })
    )
  }
  const what = `diff of neighbours, ${CHANGED.toLocaleString('en')} rows changed`
  return lineOf(subject.product, what, middle(ours), 'comparing the whole table in SQL', middle(theirs), 1 / 20)
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (performance.now() - startedAt) / 1000
}

function middle(seconds: number[] = []): number {
  return [...seconds].sort((a, b) => a - b)[Math.floor(seconds.length / 2)] as number
}

function lineOf(product: string, what: string, ours: number, against: string, theirs: number, goal: number): string {
  const ms = (seconds: number) => (seconds * 1000).toFixed(1)
  const ratio = ours / theirs
  return `| ${[product, what, ms(ours), against, ms(theirs), ratio.toFixed(2), `≤ ${goal}`, met(ratio <= goal)].join(' | ')} |`
}

const OTHERS = ['code', 'name', 'city', 'amount', 'quantity', 'updated_on', 'note']

/** All rows that are not as they were kept. @param same the operator by which NULL equals NULL */
function comparison(same: string): string {
  const content = OTHERS.map((name) => `t.${name} ${same} k.${name}`).join(' AND ')
  return `SELECT (SELECT count(*) FROM orders t LEFT JOIN kept k ON k.id = t.id WHERE k.id IS NULL OR NOT (${content})) +
    (SELECT count(*) FROM kept k LEFT JOIN orders t ON t.id = k.id WHERE t.id IS NULL)`
}

function sqliteSubject(folder: string): Subject {
  const file = join(folder, 'history.db')
  const db = new DatabaseSync(file)
  db.exec(`CREATE TABLE orders (${COLUMNS}); CREATE TABLE kept (${COLUMNS})`)
  const names = ['id', ...OTHERS].join(', ')
  return {
    folder,
    product: `SQLite ${process.versions.sqlite}`,
    target: `sqlite:${file}`,
    keep: () => db.exec(`INSERT INTO kept SELECT ${names} FROM orders`),
    compare: () => Number(Object.values(db.prepare(comparison('IS')).get() ?? {})[0]),
    stop: async () => db.close()
  }
}

async function mysqlSubject(folder: string): Promise<Subject> {
  const server: BenchServer = await openServer()
  server.makeTable()
  server.ask('CREATE TABLE kept LIKE orders')
  return {
    folder,
    product: server.product,
    target: server.target,
    keep: () => void server.ask('INSERT INTO kept SELECT * FROM orders'),
    compare: () => Number(server.ask(comparison('<=>'))),
    stop: () => server.stop()
  }
}

function sectionOf(lines: readonly string[]): string {
  return `${ROWS.toLocaleString('en')} rows and ${VERSIONS} versions, each but the first of ${CHANGED.toLocaleString('en')} random rows, under the incremental strategy. Questions
about now and about old versions take turns; medians of ${TIMES}. The diff is made in one process; the whole comparison is one statement between the table and a copy
of it, which somebody would have to have kept; on MySQL and MariaDB with the start of the stock client.

| database | work | ms | against | ms | ratio | goal | met |
|---|---|---:|---|---:|---:|---:|---|
${lines.join('\n')}
`
}
