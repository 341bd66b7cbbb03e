import { afterEach, beforeEach, expect } from 'vitest'
import type { Bookkeeping, Engine, Refusal, RowRange, Tracking } from '../../src/engines/engine.ts'
import { WHOLE_TABLE } from '../../src/engines/engine.ts'
import { RowbackError } from '../../src/errors.ts'
import type { WriteCounts, WriteMode } from '../../src/model/change.ts'
import type { ColumnType, Table } from '../../src/model/table.ts'
import { writableColumns } from '../../src/model/table.ts'
import type { Row, Value } from '../../src/model/value.ts'
import { encodeRow } from '../../src/model/value.ts'

/** A fresh, empty database and one connection to it. */
export interface OpenedEngine {
  engine: Engine
  /** The target URL, as `openEngine` takes it. */
  url: string
  /** Opens one more connection to the same database. */
  reopen(): Promise<Engine>
  /** Removes the database once all connections are closed. */
  remove(): Promise<void>
}

/** How this engine holds one {@link ColumnType}. */
export interface KindCase {
  type: ColumnType
  /** What `declare` says. */
  declared: string
  /** The type when the table is read back. */
  readBack: ColumnType
  /** A value as the formatter gives it. */
  formatted: Value
  /** The value as the database gives it back. */
  held: Value
}

/** The kinds that engines declare and hold alike. */
export const COMMON_KINDS: readonly KindCase[] = [
  { type: { kind: 'boolean' }, declared: 'BOOLEAN', readBack: { kind: 'boolean' }, formatted: 1, held: 1n },
  {
    type: { kind: 'text', maxLength: 7 },
    declared: 'VARCHAR(7)',
    readBack: { kind: 'text', maxLength: 7 },
    formatted: '0071',
    held: '0071'
  },
  { type: { kind: 'date' }, declared: 'DATE', readBack: { kind: 'date' }, formatted: '2026-01-02', held: '2026-01-02' },
  { type: { kind: 'json' }, declared: 'JSON', readBack: { kind: 'json' }, formatted: '{"a": 1}', held: '{"a": 1}' }
]

/** What the suite has to know of an engine; an engine is its differences. */
export interface EngineHost {
  open(): Promise<OpenedEngine>
  /** `engine.name` */
  engineName: string
  product: RegExp
  /** One for each kind of {@link ColumnType}. */
  kinds: KindCase[]
  /** Statements that make every insert into `table` with `column` = 'bad' fail with a message of the trigger's own. */
  refusingTrigger(table: string, column: string, message: string): string[]
  /** Statements that write `insert`, `update` or `delete` into `log (what)` for each row written in `table`. */
  loggingTriggers(table: string, log: string): string[]
  /** A floating-point -0 comes back as -0; false where the database stores it as 0. */
  keepsNegativeZero: boolean
}

export const INTEGER: ColumnType = { kind: 'integer', min: -(2n ** 63n), max: 2n ** 63n - 1n }
export const TEXT: ColumnType = { kind: 'text', maxLength: null }
export const NAME: ColumnType = { kind: 'text', maxLength: 60 }
export const DOUBLE: ColumnType = { kind: 'double' }
export const BLOB: ColumnType = { kind: 'blob' }

export const WAIT = { wait: 2000, foreignKeys: true }
export const ALL_MODES: WriteMode[] = ['insert', 'upsert', 'update', 'replace', 'mirror', 'delete']

export interface Load {
  rows: Value[][]
  columns?: string[]
  key?: string[] | null
  mode: WriteMode
  version?: number
  tracking?: Tracking | null
  failedKeys?: Value[][]
  mayDeleteAbsent?: boolean
  batchSize?: number
}

export interface Loaded {
  counts: WriteCounts
  refused: (Refusal & { line: number | null })[]
  changes: { key: Value[]; before: Value[] | null; after: Value[] | null }[]
  asked: number
}

/** Reads one table; `bookkeeping` hides what tracking added. */
export async function tableOf(engine: Engine, name: string, bookkeeping: Bookkeeping[] = []): Promise<Table> {
  const table = (await engine.tables(bookkeeping)).find((candidate) => candidate.name === name)
  if (!table) throw new Error(`there is no table ${name}`)
  return table
}

/** Writes rows through the engine, inside the transaction that is open; lines count from 2, as after a header. */
export async function load(engine: Engine, table: Table, request: Load): Promise<Loaded> {
  const refused: Loaded['refused'] = []
  const changes: Loaded['changes'] = []
  let asked = 0
  const typed = request.rows.map((values, i) => ({ line: i + 2, values: [...values] }))
  const size = request.batchSize ?? 3
  async function* batches() {
    if (request.failedKeys) yield { rows: [], failedKeys: request.failedKeys }
    for (let i = 0; i < typed.length; i += size) yield { rows: typed.slice(i, i + size), failedKeys: [] }
  }
  async function* reread(from: number) {
    yield { rows: typed.slice(from), failedKeys: [] }
  }
  const counts = await engine.writeRows({
    table,
    reread,
    columns: request.columns ?? writableColumns(table).map((column) => column.name),
    key: request.key === undefined ? table.key : request.key,
    mode: request.mode,
    batches: batches(),
    version: request.version ?? 1,
    tracking: request.tracking ?? null,
    expectedRows: () => typed.length,
    onKnown: () => {},
    mayDeleteAbsent: () => {
      asked++
      return request.mayDeleteAbsent ?? true
    },
    onRefused: (row, refusal) => refused.push({ line: row?.line ?? null, ...refusal }),
    onChange: (change) => changes.push(change)
  })
  return { counts, refused, changes, asked }
}

/** All rows of a query, in order. */
export async function select(engine: Engine, sql: string): Promise<Row[]> {
  return (await engine.query(sql)).rows
}

/** All rows of a range, which have to be the same as rows and as lines. */
export async function readAll(engine: Engine, table: Table, range: RowRange = WHOLE_TABLE): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of engine.readRows(table, range)) rows.push(...batch)
  expect(await readLines(engine, table, range)).toEqual(rows.map(encodeRow))
  return rows
}

async function readLines(engine: Engine, table: Table, range: RowRange): Promise<string[]> {
  const all: string[] = []
  for await (const { bytes, ends } of engine.readLines(table, range)) {
    const lines = ends.map((end, i) => bytes.toString('utf8', ends[i - 1] ?? 0, end))
    expect(Buffer.byteLength(lines.join(''))).toBe(bytes.length)
    for (const line of lines) expect(line.endsWith('\n')).toBe(true)
    all.push(...lines.map((line) => line.slice(0, -1)))
  }
  return all
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export async function errorOf(work: Promise<unknown>): Promise<RowbackError> {
  try {
    await work
  } catch (error) {
    if (error instanceof RowbackError) return error
    throw new Error(`not a RowbackError: ${String(error)}`, { cause: error })
  }
  throw new Error('nothing was thrown')
}

export function counts(partial: Partial<WriteCounts>): WriteCounts {
  return { inserted: 0, updated: 0, deleted: 0, unchanged: 0, ...partial }
}

export function byLine(a: { line: number | null }, b: { line: number | null }): number {
  return (a.line ?? 0) - (b.line ?? 0)
}

/** What the tests of the contract work with: a fresh database for each test, and dogs to fill it. */
export interface Bench {
  readonly engine: Engine
  /** Opens one more connection, closed with the test. */
  another(): Promise<Engine>
  q(identifier: string): string
  makeDogs(): Promise<Table>
  /** Rex 3, Bello 5, Luna null as the baseline. */
  threeDogs(): Promise<Table>
  dogs(): Promise<Row[]>
  /** A mother and puppies that refer to her. */
  makeFamily(): Promise<void>
  /** Three dogs whose triggers write each change into `log`. */
  makeLogged(): Promise<Table>
  track(table: Table): Promise<{ table: Table; tracking: Tracking; bookkeeping: Bookkeeping[] }>
  write(table: Table, request: Load): Promise<Loaded>
}

/** Opens a database before each test of the suite around and removes it afterwards. */
export function useBench(host: EngineHost): Bench {
  let opened: OpenedEngine
  let engine: Engine
  const others: Engine[] = []

  beforeEach(async () => {
    opened = await host.open()
    engine = opened.engine
  })

  afterEach(async () => {
    for (const other of others.splice(0)) await other.close()
    await engine.close()
    await opened.remove()
  })

  const q = (identifier: string) => engine.quote(identifier)

  async function another(): Promise<Engine> {
    const other = await opened.reopen()
    others.push(other)
    return other
  }

  async function makeDogs(): Promise<Table> {
    await engine.createTable({
      name: 'dogs',
      columns: [
        { name: 'id', type: INTEGER, nullable: false },
        { name: 'name', type: NAME, nullable: true },
        { name: 'age', type: INTEGER, nullable: true }
      ],
      key: ['id']
    })
    return tableOf(engine, 'dogs')
  }

  /** Rex 3, Bello 5, Luna null as the baseline. */
  async function threeDogs(): Promise<Table> {
    const table = await makeDogs()
    await engine.run(`INSERT INTO ${q('dogs')} VALUES (1, 'Rex', 3), (2, 'Bello', 5), (3, 'Luna', NULL)`)
    return table
  }

  async function track(table: Table): Promise<{ table: Table; tracking: Tracking; bookkeeping: Bookkeeping[] }> {
    const tracking = { history: `history_${table.name}`, live: true }
    const bookkeeping = [{ table: table.name, history: tracking.history, ddl: table.ddl }]
    await engine.startTracking(table, tracking)
    return { table: await tableOf(engine, table.name, bookkeeping), tracking, bookkeeping }
  }

  function write(table: Table, request: Load): Promise<Loaded> {
    return engine.transaction(WAIT, () => load(engine, table, request))
  }

  const dogs = () => select(engine, `SELECT id, name, age FROM ${q('dogs')} ORDER BY id`)

  async function makeFamily(): Promise<void> {
    await engine.run('CREATE TABLE mother (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(60))')
    await engine.run(
      'CREATE TABLE puppy (id INTEGER NOT NULL PRIMARY KEY, mother_id INTEGER, ' +
        'FOREIGN KEY (mother_id) REFERENCES mother (id))'
    )
  }

  async function makeLogged(): Promise<Table> {
    await engine.run('CREATE TABLE log (what VARCHAR(20))')
    await threeDogs()
    for (const sql of host.loggingTriggers('dogs', 'log')) await engine.run(sql)
    return tableOf(engine, 'dogs')
  }

  return {
    get engine() {
      return engine
    },
    another,
    q,
    makeDogs,
    threeDogs,
    dogs,
    makeFamily,
    makeLogged,
    track,
    write
  }
}
