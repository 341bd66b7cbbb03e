import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Bookkeeping, Engine, Refusal, RowRange, Tracking } from '../../src/engines/engine.ts'
import { Unholdable, WHOLE_TABLE } from '../../src/engines/engine.ts'
import { ExitCode, RowbackError } from '../../src/errors.ts'
import { createControlTables, readIdentity } from '../../src/ledger/control-tables.ts'
import type { RowChange, WriteCounts, WriteMode } from '../../src/model/change.ts'
import type { ColumnType, Table } from '../../src/model/table.ts'
import { imageColumns, writableColumns } from '../../src/model/table.ts'
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

const INTEGER: ColumnType = { kind: 'integer', min: -(2n ** 63n), max: 2n ** 63n - 1n }
const TEXT: ColumnType = { kind: 'text', maxLength: null }
const NAME: ColumnType = { kind: 'text', maxLength: 60 }
const DOUBLE: ColumnType = { kind: 'double' }
const BLOB: ColumnType = { kind: 'blob' }

const WAIT = { wait: 2000, foreignKeys: true }
const ALL_MODES: WriteMode[] = ['insert', 'upsert', 'update', 'replace', 'mirror', 'delete']

interface Load {
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

interface Loaded {
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
  const counts = await engine.writeRows({
    table,
    columns: request.columns ?? writableColumns(table).map((column) => column.name),
    key: request.key === undefined ? table.key : request.key,
    mode: request.mode,
    batches: batches(),
    version: request.version ?? 1,
    tracking: request.tracking ?? null,
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

export async function readAll(engine: Engine, table: Table, range: RowRange = WHOLE_TABLE): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of engine.readRows(table, range)) rows.push(...batch)
  return rows
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

function byLine(a: { line: number | null }, b: { line: number | null }): number {
  return (a.line ?? 0) - (b.line ?? 0)
}

/** Asks every method of {@link Engine} of one engine. */
export function engineConformance(name: string, host: EngineHost): void {
  describe(`${name} keeps the engine contract`, () => {
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

    describe('what it says of itself', () => {
      test('name, product and database, without a secret', () => {
        expect(engine.name).toBe(host.engineName)
        expect(engine.product).toMatch(host.product)
        expect(engine.database).not.toBe('')
        expect(engine.database).not.toMatch(/:\/\/|@/)
      })

      test('capabilities are said, not left open', () => {
        expect(typeof engine.capabilities.transactionalDdl).toBe('boolean')
        expect(typeof engine.capabilities.invisibleColumns).toBe('boolean')
      })

      test('quotes any identifier so that it names one thing', async () => {
        const odd = `a ${q('b').slice(0, 1)} "c" 'd' 价格`
        await engine.createTable({
          name: odd,
          columns: [
            { name: 'select', type: INTEGER, nullable: false },
            { name: odd, type: NAME, nullable: true }
          ],
          key: ['select']
        })
        const table = await tableOf(engine, odd)
        expect(table.columns.map((column) => column.name)).toEqual(['select', odd])
        const written = await write(table, { mode: 'upsert', rows: [[1, 'x']] })
        expect(written.counts).toEqual(counts({ inserted: 1 }))
        expect(await engine.countRows(odd)).toBe(1)
        await engine.dropTable(odd)
        expect(await engine.tables([])).toEqual([])
      })
    })

    describe('run and query', () => {
      test('run answers with the number of rows it changed', async () => {
        await threeDogs()
        expect(await engine.run(`UPDATE ${q('dogs')} SET age = 9 WHERE id > ?`, [1n])).toBe(2)
        expect(await engine.run(`DELETE FROM ${q('dogs')} WHERE id = ?`, [99n])).toBe(0)
      })

      test('query gives columns and rows, integers as bigint', async () => {
        await threeDogs()
        expect(
          await engine.query(`SELECT id, name, age AS years FROM ${q('dogs')} WHERE id >= ? ORDER BY id`, [2n])
        ).toEqual({
          columns: ['id', 'name', 'years'],
          rows: [
            [2n, 'Bello', 5n],
            [3n, 'Luna', null]
          ]
        })
      })

      test('a query that finds nothing still has its columns', async () => {
        await makeDogs()
        expect(await engine.query(`SELECT id, name FROM ${q('dogs')}`)).toEqual({ columns: ['id', 'name'], rows: [] })
      })

      test('two columns of one name both come', async () => {
        expect((await engine.query('SELECT 1 AS a, 2 AS a')).rows).toEqual([[1n, 2n]])
      })

      test('readOnlyQuery reads', async () => {
        await threeDogs()
        expect(await engine.readOnlyQuery(`SELECT count(*) AS n FROM ${q('dogs')}`)).toEqual({
          columns: ['n'],
          rows: [[3n]]
        })
      })

      test.each([
        'INSERT INTO dogs VALUES (9, NULL, NULL)',
        'UPDATE dogs SET age = 1',
        'DELETE FROM dogs',
        'DROP TABLE dogs',
        'CREATE TABLE other (id INTEGER)'
      ])('readOnlyQuery refuses %s', async (sql) => {
        await threeDogs()
        await expect(engine.readOnlyQuery(sql)).rejects.toThrow()
        expect(await dogs()).toEqual([
          [1n, 'Rex', 3n],
          [2n, 'Bello', 5n],
          [3n, 'Luna', null]
        ])
        expect((await engine.tables([])).map((table) => table.name)).toEqual(['dogs'])
      })
    })

    describe('transactions', () => {
      test('commit when the work returns, and its result is given back', async () => {
        await makeDogs()
        const answer = await engine.transaction(WAIT, async () => {
          await engine.run(`INSERT INTO ${q('dogs')} VALUES (1, 'Rex', 3)`)
          return 'done'
        })
        expect(answer).toBe('done')
        expect(await dogs()).toEqual([[1n, 'Rex', 3n]])
      })

      test('abort when the work throws, and the error is passed on as it is', async () => {
        await makeDogs()
        const reason = new Error('changed my mind')
        const work = engine.transaction(WAIT, async () => {
          await engine.run(`INSERT INTO ${q('dogs')} VALUES (1, 'Rex', 3)`)
          throw reason
        })
        await expect(work).rejects.toBe(reason)
        expect(await dogs()).toEqual([])
        await engine.transaction(WAIT, () => engine.run(`INSERT INTO ${q('dogs')} VALUES (2, 'Luna', 1)`))
        expect(await dogs()).toEqual([[2n, 'Luna', 1n]])
      })

      test('data and control tables commit together and abort together', async () => {
        await makeDogs()
        expect(await engine.hasControlTable('rowback_meta')).toBe(false)
        expect(await readIdentity(engine)).toBe(null)
        const identity = await engine.transaction(WAIT, () => createControlTables(engine))
        expect(await engine.hasControlTable('rowback_meta')).toBe(true)
        expect(await readIdentity(engine)).toBe(identity)
        const control = engine.controlTable('rowback_meta')
        const both = async () => {
          await engine.run(`INSERT INTO ${q('dogs')} VALUES (1, 'Rex', 3)`)
          await engine.run(`INSERT INTO ${control} (name, value) VALUES ('mark', 'x')`)
        }
        await expect(
          engine.transaction(WAIT, async () => {
            await both()
            throw new Error('no')
          })
        ).rejects.toThrow('no')
        expect(await engine.countRows('dogs')).toBe(0)
        expect(await select(engine, `SELECT value FROM ${control} WHERE name = 'mark'`)).toEqual([])
        await engine.transaction(WAIT, both)
        expect(await engine.countRows('dogs')).toBe(1)
        expect(await select(engine, `SELECT value FROM ${control} WHERE name = 'mark'`)).toEqual([['x']])
      })

      test('control tables are none of the user’s tables', async () => {
        await makeDogs()
        await engine.transaction(WAIT, () => createControlTables(engine))
        expect((await engine.tables([])).map((table) => table.name)).toEqual(['dogs'])
        expect(await engine.hasControlTable('rowback_nothing')).toBe(false)
      })

      test('a second connection sees nothing before the commit and everything after it', async () => {
        const table = await threeDogs()
        const other = await another()
        const seen = () => select(other, `SELECT id, name, age FROM ${q('dogs')} ORDER BY id`)
        await engine.transaction(WAIT, async () => {
          await load(engine, table, { mode: 'mirror', rows: [[1, 'Rex', 4]] })
          expect(await seen()).toEqual([
            [1n, 'Rex', 3n],
            [2n, 'Bello', 5n],
            [3n, 'Luna', null]
          ])
          expect(await dogs()).toEqual([[1n, 'Rex', 4n]])
        })
        expect(await seen()).toEqual([[1n, 'Rex', 4n]])
      })

      test('a database where another writes is `locked`, exit code 4, within the wait', async () => {
        await makeDogs()
        const other = await another()
        const started = performance.now()
        let finished = 0
        await engine.transaction(WAIT, async () => {
          await engine.run(`INSERT INTO ${q('dogs')} VALUES (1, 'Rex', 3)`)
          const work = other.transaction({ wait: 300, foreignKeys: true }, () =>
            other.run(`INSERT INTO ${q('dogs')} VALUES (2, 'Luna', 1)`)
          )
          const error = await errorOf(work)
          finished = performance.now()
          expect([error.code, error.exit, error.state]).toEqual(['locked', ExitCode.locked, 'Nothing was changed.'])
          expect(error.hint).not.toBe('')
        })
        expect(finished - started).toBeGreaterThanOrEqual(250)
        expect(finished - started).toBeLessThan(3000)
        expect(await dogs()).toEqual([[1n, 'Rex', 3n]])
        await other.transaction({ wait: 300, foreignKeys: true }, () =>
          other.run(`INSERT INTO ${q('dogs')} VALUES (2, 'Luna', 1)`)
        )
        expect(await engine.countRows('dogs')).toBe(2)
      })

      test('a CREATE TABLE is undone with its transaction where the engine says so', async () => {
        await expect(
          engine.transaction(WAIT, async () => {
            await makeDogs()
            throw new Error('no')
          })
        ).rejects.toThrow('no')
        const left = (await engine.tables([])).map((table) => table.name)
        expect(left).toEqual(engine.capabilities.transactionalDdl ? [] : ['dogs'])
      })

      test('foreign keys are held in one transaction and not in the other, and are on afterwards', async () => {
        await makeFamily()
        const orphan = `INSERT INTO ${q('puppy')} VALUES (1, 77)`
        await expect(engine.transaction(WAIT, () => engine.run(orphan))).rejects.toThrow()
        await engine.transaction({ wait: 100, foreignKeys: false }, () => engine.run(orphan))
        expect(await engine.countRows('puppy')).toBe(1)
        await expect(engine.run(`INSERT INTO ${q('puppy')} VALUES (2, 77)`)).rejects.toThrow()
      })
    })

    async function makeFamily(): Promise<void> {
      await engine.run('CREATE TABLE mother (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(60))')
      await engine.run(
        'CREATE TABLE puppy (id INTEGER NOT NULL PRIMARY KEY, mother_id INTEGER, ' +
          'FOREIGN KEY (mother_id) REFERENCES mother (id))'
      )
    }

    describe('tables', () => {
      test('an empty database has none, and none that cannot be backed up', async () => {
        expect(await engine.tables([])).toEqual([])
        expect(await engine.unsupportedTables()).toEqual([])
      })

      test('columns, key and unique keys are read', async () => {
        await engine.run(
          'CREATE TABLE person (last VARCHAR(40) NOT NULL, first VARCHAR(40) NOT NULL, email VARCHAR(60), ' +
            'age INTEGER DEFAULT 1, born INTEGER GENERATED ALWAYS AS (2000 - age) STORED, PRIMARY KEY (last, first))'
        )
        await engine.run('CREATE UNIQUE INDEX person_email ON person (email)')
        await engine.run('CREATE INDEX person_age ON person (age)')
        const table = await tableOf(engine, 'person')
        expect(
          table.columns.map(({ name, nullable, hasDefault, generated }) => [name, nullable, hasDefault, generated])
        ).toEqual([
          ['last', false, false, false],
          ['first', false, false, false],
          ['email', true, false, false],
          ['age', true, true, false],
          ['born', true, false, true]
        ])
        expect(table.columns[0]?.type).toEqual({ kind: 'text', maxLength: 40 })
        expect(table.columns[3]?.type.kind).toBe('integer')
        expect(table.key).toEqual(['last', 'first'])
        expect(table.uniqueKeys).toEqual([['last', 'first'], ['email']])
        expect(writableColumns(table).map((column) => column.name)).toEqual(['last', 'first', 'email', 'age'])
        expect(imageColumns(table)).not.toContain('born')
        expect([table.triggers, table.foreignKeys, table.referencedBy]).toEqual([[], [], []])
      })

      test('a unique key without NULLs is the key where there is no primary key; one with NULLs is not', async () => {
        await engine.run('CREATE TABLE a (code VARCHAR(20) NOT NULL, n INTEGER)')
        await engine.run('CREATE UNIQUE INDEX a_code ON a (code)')
        await engine.run('CREATE TABLE b (code VARCHAR(20), n INTEGER)')
        await engine.run('CREATE UNIQUE INDEX b_code ON b (code)')
        await engine.run('CREATE TABLE c (code VARCHAR(20), n INTEGER)')
        const keys = (await engine.tables([])).map((table) => [table.name, table.key, table.uniqueKeys])
        expect(keys).toEqual([
          ['a', ['code'], [['code']]],
          ['b', null, [['code']]],
          ['c', null, []]
        ])
      })

      test('foreign keys are read from both ends, of several columns and of the table itself', async () => {
        await engine.run(
          'CREATE TABLE place (land VARCHAR(9) NOT NULL, town VARCHAR(9) NOT NULL, PRIMARY KEY (land, town))'
        )
        await engine.run(
          'CREATE TABLE visit (id INTEGER NOT NULL PRIMARY KEY, land VARCHAR(9), town VARCHAR(9), before_id INTEGER, ' +
            'FOREIGN KEY (land, town) REFERENCES place (land, town) ON DELETE CASCADE ON UPDATE SET NULL, ' +
            'FOREIGN KEY (before_id) REFERENCES visit (id))'
        )
        const toPlace = {
          table: 'visit',
          columns: ['land', 'town'],
          parentTable: 'place',
          parentColumns: ['land', 'town'],
          onDelete: 'CASCADE',
          onUpdate: 'SET NULL',
          deferred: false
        }
        const toItself = {
          table: 'visit',
          columns: ['before_id'],
          parentTable: 'visit',
          parentColumns: ['id'],
          onDelete: 'NO ACTION',
          onUpdate: 'NO ACTION',
          deferred: false
        }
        const place = await tableOf(engine, 'place')
        const visit = await tableOf(engine, 'visit')
        expect(place.referencedBy).toEqual([toPlace])
        expect(visit.foreignKeys).toHaveLength(2)
        expect(visit.foreignKeys).toEqual(expect.arrayContaining([toPlace, toItself]))
        expect(visit.referencedBy).toEqual([toItself])
        expect(place.foreignKeys).toEqual([])
      })

      test('the DDL makes the table anew, with its indexes and triggers', async () => {
        await makeLogged()
        await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
        const before = await tableOf(engine, 'dogs')
        expect(before.triggers).toHaveLength(3)
        await engine.dropTable('dogs')
        for (const statement of before.ddl) await engine.run(statement)
        expect(await tableOf(engine, 'dogs')).toEqual(before)
      })

      test('bookkeeping is hidden: the version column, the history and the changed DDL', async () => {
        const before = await threeDogs()
        const { bookkeeping } = await track(before)
        expect(await engine.tables(bookkeeping)).toEqual([before])
        const bare = await engine.tables([])
        expect(bare.map((table) => table.name)).toEqual(['dogs', 'history_dogs'])
      })

      test('a history whose table is gone stays hidden', async () => {
        const { bookkeeping } = await track(await threeDogs())
        await engine.dropTable('dogs')
        expect(await engine.tables(bookkeeping.map((entry) => ({ ...entry, table: null })))).toEqual([])
      })

      test('countRows and dropTable', async () => {
        await threeDogs()
        expect(await engine.countRows('dogs')).toBe(3)
        await engine.dropTable('dogs')
        expect(await engine.tables([])).toEqual([])
        await expect(engine.countRows('dogs')).rejects.toThrow()
      })
    })

    describe('createTable', () => {
      test('every kind of column type is asked here', () => {
        const kinds = ['blob', 'boolean', 'date', 'datetime', 'decimal', 'double', 'integer', 'json', 'text', 'time']
        expect([...new Set(host.kinds.map((entry) => entry.type.kind))].sort()).toEqual(kinds)
      })

      test('declares each type and reads it back', async () => {
        await engine.createTable({
          name: 'everything',
          columns: [
            { name: 'id', type: INTEGER, nullable: false },
            ...host.kinds.map(({ type }, i) => ({ name: `c${i}`, type, nullable: true }))
          ],
          key: ['id']
        })
        const table = await tableOf(engine, 'everything')
        expect(host.kinds.map(({ type }) => engine.declare(type))).toEqual(host.kinds.map(({ declared }) => declared))
        expect(table.columns.slice(1).map(({ type }) => type)).toEqual(host.kinds.map(({ readBack }) => readBack))
        expect(table.columns.every((column) => !column.generated && !column.hasDefault)).toBe(true)
        expect(table.columns.map((column) => column.nullable)).toEqual([false, ...host.kinds.map(() => true)])
        expect(table.key).toEqual(['id'])
      })

      test('a formatted value of each type is held, and equal when it comes again', async () => {
        await engine.createTable({
          name: 'everything',
          columns: [
            { name: 'id', type: INTEGER, nullable: false },
            ...host.kinds.map(({ type }, i) => ({ name: `c${i}`, type, nullable: true }))
          ],
          key: ['id']
        })
        const table = await tableOf(engine, 'everything')
        const adapters = table.columns.map((column) => engine.adapter(column))
        const adapted = [1, ...host.kinds.map(({ formatted }) => formatted)].map((value, i) => {
          const result = adapters[i]?.(value) ?? value
          if (result instanceof Unholdable) throw new Error(result.reason)
          return result
        })
        expect((await write(table, { mode: 'upsert', rows: [adapted] })).counts).toEqual(counts({ inserted: 1 }))
        expect(await select(engine, `SELECT * FROM ${q('everything')}`)).toEqual([
          [1n, ...host.kinds.map(({ held }) => held)]
        ])
        expect((await write(table, { mode: 'upsert', rows: [adapted] })).counts).toEqual(counts({ unchanged: 1 }))
      })

      test('a table without a key, and one with a key of two columns', async () => {
        const columns = [
          { name: 'a', type: INTEGER, nullable: false },
          { name: 'b', type: NAME, nullable: false }
        ]
        await engine.createTable({ name: 'plain', columns, key: null })
        await engine.createTable({ name: 'paired', columns, key: ['b', 'a'] })
        expect((await tableOf(engine, 'plain')).key).toBe(null)
        expect((await tableOf(engine, 'paired')).key).toEqual(['b', 'a'])
      })
    })

    describe('readRows', () => {
      async function makePairs(count: number): Promise<Table> {
        await engine.createTable({
          name: 'pairs',
          columns: [
            { name: 'a', type: INTEGER, nullable: false },
            { name: 'b', type: NAME, nullable: false },
            { name: 'n', type: INTEGER, nullable: true }
          ],
          key: ['a', 'b']
        })
        const table = await tableOf(engine, 'pairs')
        const rows = Array.from({ length: count }, (_, i): Value[] => [i % 7, `k${(i * 31) % 97}-${i}`, i])
        await write(table, { mode: 'insert', rows, batchSize: 500 })
        return table
      }

      function orderOf(table: Table, row: Row): Row {
        const columns = imageColumns(table)
        return (table.order ?? []).map((column) => row[columns.indexOf(column)] ?? null)
      }

      test('an empty table gives no rows', async () => {
        expect(await readAll(engine, await makeDogs())).toEqual([])
      })

      test('rows come whole and in the order of the table, in the columns of the image', async () => {
        const table = await threeDogs()
        const columns = imageColumns(table)
        const rows = await readAll(engine, table)
        const pick = (row: Row) => ['id', 'name', 'age'].map((column) => row[columns.indexOf(column)])
        expect(rows.map(pick)).toEqual([
          [1n, 'Rex', 3n],
          [2n, 'Bello', 5n],
          [3n, 'Luna', null]
        ])
        expect(rows.every((row) => row.length === columns.length)).toBe(true)
      })

      test('a range has its first row and not its last', async () => {
        const table = await makePairs(20)
        const all = await readAll(engine, table)
        const from = orderOf(table, all[5] as Row)
        const to = orderOf(table, all[9] as Row)
        expect(await readAll(engine, table, { from, to })).toEqual(all.slice(5, 9))
        expect(await readAll(engine, table, { from: null, to })).toEqual(all.slice(0, 9))
        expect(await readAll(engine, table, { from, to: null })).toEqual(all.slice(5))
        expect(await readAll(engine, table, { from, to: from })).toEqual([])
      })

      test('contiguous ranges give every row exactly once, wherever they are cut', async () => {
        const table = await makePairs(150)
        const all = await readAll(engine, table)
        expect(new Set(all.map(encodeRow)).size).toBe(150)
        await fc.assert(
          fc.asyncProperty(fc.uniqueArray(fc.nat({ max: 149 }), { maxLength: 9 }), async (cuts) => {
            const bounds = cuts.sort((a, b) => a - b).map((at) => orderOf(table, all[at] as Row))
            const edges = [null, ...bounds, null]
            const parts: Row[] = []
            for (let i = 0; i + 1 < edges.length; i++) {
              parts.push(...(await readAll(engine, table, { from: edges[i] ?? null, to: edges[i + 1] ?? null })))
            }
            expect(parts).toEqual(all)
          }),
          { numRuns: 25 }
        )
      })

      test('a reader that stops early leaves nothing open behind it', async () => {
        const table = await makePairs(1500)
        for await (const batch of engine.readRows(table, WHOLE_TABLE)) {
          expect(batch.length).toBeGreaterThan(0)
          break
        }
        await engine.dropTable('pairs')
        expect(await engine.tables([])).toEqual([])
      })

      test('2,500 rows come in several batches and all of them', async () => {
        const table = await makePairs(2500)
        const sizes: number[] = []
        for await (const batch of engine.readRows(table, WHOLE_TABLE)) sizes.push(batch.length)
        expect(sizes.length).toBeGreaterThan(1)
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(2500)
      })
    })

    describe.each([false, true])('writeRows, tracked: %s', (tracked) => {
      let table: Table
      let tracking: Tracking | null

      async function begin(): Promise<void> {
        table = await threeDogs()
        tracking = null
        if (tracked) ({ table, tracking } = await track(table))
      }

      /** Source: Rex as he is, Bello older, Max new. */
      const source: Value[][] = [
        [1, 'Rex', 3],
        [2, 'Bello', 6],
        [4, 'Max', null]
      ]

      const outcome: Record<
        WriteMode,
        { counts: Partial<WriteCounts>; rows: Row[]; refused: [number | null, string][] }
      > = {
        insert: {
          counts: { inserted: 1 },
          rows: [
            [1n, 'Rex', 3n],
            [2n, 'Bello', 5n],
            [3n, 'Luna', null],
            [4n, 'Max', null]
          ],
          refused: [
            [2, 'duplicate_key'],
            [3, 'duplicate_key']
          ]
        },
        upsert: {
          counts: { inserted: 1, updated: 1, unchanged: 1 },
          rows: [
            [1n, 'Rex', 3n],
            [2n, 'Bello', 6n],
            [3n, 'Luna', null],
            [4n, 'Max', null]
          ],
          refused: []
        },
        update: {
          counts: { updated: 1, unchanged: 1 },
          rows: [
            [1n, 'Rex', 3n],
            [2n, 'Bello', 6n],
            [3n, 'Luna', null]
          ],
          refused: [[4, 'not_found']]
        },
        replace: {
          counts: { inserted: 1, updated: 1, deleted: 1, unchanged: 1 },
          rows: [
            [1n, 'Rex', 3n],
            [2n, 'Bello', 6n],
            [4n, 'Max', null]
          ],
          refused: []
        },
        mirror: {
          counts: { inserted: 1, updated: 1, deleted: 1, unchanged: 1 },
          rows: [
            [1n, 'Rex', 3n],
            [2n, 'Bello', 6n],
            [4n, 'Max', null]
          ],
          refused: []
        },
        delete: { counts: { deleted: 2 }, rows: [[3n, 'Luna', null]], refused: [[4, 'not_found']] }
      }

      test.each(ALL_MODES)('%s writes what it says and counts it exactly', async (mode) => {
        await begin()
        const rows = mode === 'delete' ? source.map(([id]) => [id as Value]) : source
        const request: Load = { mode, rows, version: 7, tracking }
        if (mode === 'delete') request.columns = ['id']
        const result = await write(table, request)
        expect(result.counts).toEqual(counts(outcome[mode].counts))
        expect(await dogs()).toEqual(outcome[mode].rows)
        expect(result.refused.sort(byLine).map(({ line, code }) => [line, code])).toEqual(outcome[mode].refused)
      })

      test.each(ALL_MODES)('%s calls onChange for what it changes', async (mode) => {
        await begin()
        const rows = mode === 'delete' ? source.map(([id]) => [id as Value]) : source
        const request: Load = { mode, rows, version: 7, tracking }
        if (mode === 'delete') request.columns = ['id']
        const { changes, counts: made } = await write(table, request)
        const kinds = changes.map(({ before, after }) => (!before ? 'inserted' : !after ? 'deleted' : 'updated'))
        expect(kinds.filter((kind) => kind === 'inserted')).toHaveLength(made.inserted)
        expect(kinds.filter((kind) => kind === 'updated')).toHaveLength(made.updated)
        expect(kinds.filter((kind) => kind === 'deleted')).toHaveLength(made.deleted)
        const updated = changes.find(({ before, after }) => before && after)
        if (updated)
          expect([Number(updated.key[0]), updated.before, updated.after]).toEqual([
            2,
            [2n, 'Bello', 5n],
            [2, 'Bello', 6]
          ])
      })

      test('the same source twice changes nothing the second time', async () => {
        await begin()
        await write(table, { mode: 'mirror', rows: source, version: 7, tracking })
        const again = await write(table, { mode: 'mirror', rows: source, version: 8, tracking })
        expect(again.counts).toEqual(counts({ unchanged: 3 }))
        expect(again.changes).toEqual([])
      })

      test.each(['insert', 'upsert', 'mirror', 'replace'] as const)(
        '%s into an empty table inserts all',
        async (mode) => {
          table = await makeDogs()
          tracking = null
          if (tracked) ({ table, tracking } = await track(table))
          const result = await write(table, { mode, rows: source, version: 7, tracking })
          expect(result.counts).toEqual(counts({ inserted: 3 }))
          expect(await engine.countRows('dogs')).toBe(3)
        }
      )

      test.each(['update', 'delete'] as const)('%s of an empty table finds nothing', async (mode) => {
        table = await makeDogs()
        tracking = null
        if (tracked) ({ table, tracking } = await track(table))
        const request: Load = { mode, rows: mode === 'delete' ? [[1], [2]] : source.slice(0, 2), version: 7, tracking }
        if (mode === 'delete') request.columns = ['id']
        const result = await write(table, request)
        expect(result.counts).toEqual(counts({}))
        expect(result.refused.map(({ line, code, column }) => [line, code, column])).toEqual([
          [2, 'not_found', 'id'],
          [3, 'not_found', 'id']
        ])
      })

      test('an empty source: mirror and replace empty the table, the others leave it', async () => {
        await begin()
        for (const mode of ['insert', 'upsert', 'update', 'delete'] as const) {
          expect((await write(table, { mode, rows: [], version: 7, tracking })).counts).toEqual(counts({}))
        }
        const result = await write(table, { mode: 'mirror', rows: [], version: 8, tracking })
        expect(result.counts).toEqual(counts({ deleted: 3 }))
        expect(await dogs()).toEqual([])
      })

      test('columns that the source lacks stay under upsert and are reset under replace', async () => {
        await engine.run(
          "CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), mood VARCHAR(20) DEFAULT 'calm')"
        )
        await engine.run("INSERT INTO cats VALUES (1, 'Tom', 'wild'), (2, 'Mia', 'calm')")
        let cats = await tableOf(engine, 'cats')
        let of: Tracking | null = null
        if (tracked) ({ table: cats, tracking: of } = await track(cats))
        const request = { columns: ['id', 'name'], tracking: of }
        const upserted = await write(cats, { ...request, mode: 'upsert', rows: [[1, 'Tom']], version: 5 })
        expect(upserted.counts).toEqual(counts({ unchanged: 1 }))
        const replaced = await write(cats, {
          ...request,
          mode: 'replace',
          rows: [
            [1, 'Tom'],
            [2, 'Mia'],
            [3, 'Leo']
          ],
          version: 6
        })
        expect(replaced.counts).toEqual(counts({ inserted: 1, updated: 1, unchanged: 1 }))
        expect(await select(engine, 'SELECT id, name, mood FROM cats ORDER BY id')).toEqual([
          [1n, 'Tom', 'calm'],
          [2n, 'Mia', 'calm'],
          [3n, 'Leo', 'calm']
        ])
      })

      test('rows whose own cells failed keep their row under mirror and replace', async () => {
        for (const mode of ['mirror', 'replace'] as const) {
          await begin()
          const result = await write(table, {
            mode,
            rows: [[1, 'Rex', 3]],
            failedKeys: [[2]],
            version: 7,
            tracking
          })
          expect(result.counts).toEqual(counts({ unchanged: 1, deleted: 1 }))
          expect(await dogs()).toEqual([
            [1n, 'Rex', 3n],
            [2n, 'Bello', 5n]
          ])
          await engine.dropTable('dogs')
          if (tracked) await engine.dropTable('history_dogs')
        }
      })

      test('mirror and replace delete nothing when they may not, and ask once', async () => {
        for (const mode of ['mirror', 'replace'] as const) {
          await begin()
          const request = { mode, rows: [[1, 'Rex', 4]], mayDeleteAbsent: false, version: 7, tracking }
          const result = await write(table, request)
          expect([result.counts, result.asked]).toEqual([counts({ updated: 1 }), 1])
          expect(await engine.countRows('dogs')).toBe(3)
          await engine.dropTable('dogs')
          if (tracked) await engine.dropTable('history_dogs')
        }
      })

      test('a row that the database refuses keeps the row that is there under mirror', async () => {
        await engine.run(
          'CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, age INTEGER, CONSTRAINT young CHECK (age < 30))'
        )
        await engine.run('INSERT INTO cats VALUES (1, 2), (2, 3), (3, 4)')
        let cats = await tableOf(engine, 'cats')
        let of: Tracking | null = null
        if (tracked) ({ table: cats, tracking: of } = await track(cats))
        const result = await write(cats, {
          mode: 'mirror',
          rows: [
            [1, 2],
            [2, 99]
          ],
          version: 7,
          tracking: of
        })
        expect(result.counts).toEqual(counts({ unchanged: 1, deleted: 1 }))
        expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[3, 'check']])
        expect(await select(engine, 'SELECT id, age FROM cats ORDER BY id')).toEqual([
          [1n, 2n],
          [2n, 3n]
        ])
      })

      test('a key in the source twice: the first row goes in, the others say where it stands', async () => {
        await begin()
        const result = await write(table, {
          mode: 'upsert',
          rows: [
            [5, 'Ace', 1],
            [1, 'Rex', 9],
            [5, 'Ace again', 2],
            [1, 'Rex again', 10]
          ],
          version: 7,
          tracking,
          batchSize: 2
        })
        expect(result.counts).toEqual(counts({ inserted: 1, updated: 1 }))
        expect(result.refused).toEqual([
          {
            line: 4,
            column: 'id',
            code: 'duplicate_key',
            reason: 'the key id = 5 already stands on line 2 of the source'
          },
          {
            line: 5,
            column: 'id',
            code: 'duplicate_key',
            reason: 'the key id = 1 already stands on line 3 of the source'
          }
        ])
      })

      test('a key in the source twice is refused in an empty table too', async () => {
        table = await makeDogs()
        tracking = null
        if (tracked) ({ table, tracking } = await track(table))
        const result = await write(table, {
          mode: 'upsert',
          rows: [
            [5, 'Ace', 1],
            [5, 'Ace again', 2]
          ],
          version: 7,
          tracking
        })
        expect(result.counts).toEqual(counts({ inserted: 1 }))
        expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([
          [3, 'id', 'duplicate_key']
        ])
        expect(await dogs()).toEqual([[5n, 'Ace', 1n]])
      })

      test('a row that failed by itself does not take its key from a later good one', async () => {
        await begin()
        const result = await write(table, {
          mode: 'mirror',
          rows: [[2, 'Bello', 8]],
          failedKeys: [[2]],
          version: 7,
          tracking
        })
        expect([result.counts, result.refused]).toEqual([counts({ updated: 1, deleted: 2 }), []])
        expect(await dogs()).toEqual([[2n, 'Bello', 8n]])
      })

      test('a unique value that another row has is duplicate_key, by column', async () => {
        await begin()
        await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
        const result = await write(table, {
          mode: 'upsert',
          rows: [
            [1, 'Luna', 3],
            [9, 'Bello', 1],
            [8, 'Max', 1]
          ],
          version: 7,
          tracking
        })
        expect(result.counts).toEqual(counts({ inserted: 1 }))
        expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([
          [2, 'name', 'duplicate_key'],
          [3, 'name', 'duplicate_key']
        ])
        expect(await dogs()).toEqual([
          [1n, 'Rex', 3n],
          [2n, 'Bello', 5n],
          [3n, 'Luna', null],
          [8n, 'Max', 1n]
        ])
      })

      test('rows are found by another unique key when it is named', async () => {
        await begin()
        await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
        const result = await write(table, {
          mode: 'update',
          key: ['name'],
          columns: ['name', 'age'],
          rows: [
            ['Luna', 2],
            ['Nobody', 1]
          ],
          version: 7,
          tracking
        })
        expect(result.counts).toEqual(counts({ updated: 1 }))
        expect(result.refused.map(({ line, column, code, reason }) => [line, column, code, reason])).toEqual([
          [3, 'name', 'not_found', 'no row has name = Nobody']
        ])
        expect((await dogs())[2]).toEqual([3n, 'Luna', 2n])
      })

      test('onRefused gets the very row that was sent', async () => {
        await begin()
        const sent = { line: 2, values: [1, 'Rex', 3] as Value[], mark: Symbol('mine') }
        const refused: unknown[] = []
        async function* batches() {
          yield { rows: [sent], failedKeys: [] }
        }
        await engine.transaction(WAIT, () =>
          engine.writeRows({
            table,
            columns: ['id', 'name', 'age'],
            key: ['id'],
            mode: 'insert',
            batches: batches(),
            version: 7,
            tracking,
            mayDeleteAbsent: () => true,
            onRefused: (row) => refused.push(row),
            onChange: () => {}
          })
        )
        expect(refused[0]).toBe(sent)
      })
    })

    describe('writeRows without a key', () => {
      async function makeNotes(): Promise<Table> {
        await engine.createTable({
          name: 'notes',
          columns: [
            { name: 'text', type: NAME, nullable: true },
            { name: 'n', type: INTEGER, nullable: true }
          ],
          key: null
        })
        await engine.run(`INSERT INTO ${q('notes')} VALUES ('a', 1), ('a', 1), ('b', NULL)`)
        return tableOf(engine, 'notes')
      }
      const notes = () => select(engine, `SELECT text, n FROM ${q('notes')} ORDER BY text, n`)

      test('insert adds rows, equal ones too', async () => {
        const result = await write(await makeNotes(), {
          mode: 'insert',
          key: null,
          rows: [
            ['a', 1],
            ['c', 2]
          ]
        })
        expect(result.counts).toEqual(counts({ inserted: 2 }))
        expect(await notes()).toEqual([
          ['a', 1n],
          ['a', 1n],
          ['a', 1n],
          ['b', null],
          ['c', 2n]
        ])
      })

      test('replace makes the table what the source says', async () => {
        const result = await write(await makeNotes(), { mode: 'replace', key: null, rows: [['z', 9]] })
        expect(result.counts).toEqual(counts({ inserted: 1, deleted: 3 }))
        expect(await notes()).toEqual([['z', 9n]])
      })

      test('replace of rows that others refer to fails as a whole, saying so', async () => {
        await makeFamily()
        await engine.run("INSERT INTO mother VALUES (1, 'Bella')")
        await engine.run('INSERT INTO puppy VALUES (1, 1)')
        const mother = await tableOf(engine, 'mother')
        const error = await errorOf(write(mother, { mode: 'replace', key: null, columns: ['name'], rows: [['Nora']] }))
        expect(error.code).toMatch(/foreign_key/)
        expect(await select(engine, 'SELECT id, name FROM mother')).toEqual([[1n, 'Bella']])
      })
    })

    describe('what tracking writes', () => {
      const live = () => select(engine, `SELECT id, age, version_id FROM ${q('dogs')} ORDER BY id`)
      const history = () =>
        select(engine, `SELECT id, age, version_id, superseded_by FROM ${q('history_dogs')} ORDER BY id, version_id`)

      test('rows that were there are of version 0 and have no history', async () => {
        await track(await threeDogs())
        expect(await live()).toEqual([
          [1n, 3n, 0n],
          [2n, 5n, 0n],
          [3n, null, 0n]
        ])
        expect(await history()).toEqual([])
      })

      test('`SELECT *` shows the version column only where it cannot be hidden', async () => {
        await track(await threeDogs())
        const { columns } = await engine.query(`SELECT * FROM ${q('dogs')}`)
        const shown = ['id', 'name', 'age']
        expect(columns).toEqual(engine.capabilities.invisibleColumns ? shown : [...shown, 'version_id'])
      })

      test('an update moves the old row to history; an unchanged row keeps its version; an insert has no history', async () => {
        const { table, tracking } = await track(await threeDogs())
        await write(table, {
          mode: 'mirror',
          rows: [
            [1, 'Rex', 3],
            [2, 'Bello', 6],
            [4, 'Max', 1]
          ],
          version: 7,
          tracking
        })
        expect(await live()).toEqual([
          [1n, 3n, 0n],
          [2n, 6n, 7n],
          [4n, 1n, 7n]
        ])
        expect(await history()).toEqual([
          [2n, 5n, 0n, 7n],
          [3n, null, 0n, 7n]
        ])
      })

      test('a row that the database refused leaves nothing in history', async () => {
        const { table, tracking } = await track(await threeDogs())
        await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
        const result = await write(table, { mode: 'upsert', rows: [[1, 'Luna', 4]], version: 7, tracking })
        expect(result.refused.map(({ code }) => code)).toEqual(['duplicate_key'])
        expect(await history()).toEqual([])
        expect((await live())[0]).toEqual([1n, 3n, 0n])
      })

      test('the history knows the version of each state of a row', async () => {
        const { table, tracking } = await track(await threeDogs())
        for (const version of [2, 3, 5]) {
          await write(table, { mode: 'upsert', rows: [[1, 'Rex', version * 10]], version, tracking })
        }
        expect(await history()).toEqual([
          [1n, 3n, 0n, 2n],
          [1n, 20n, 2n, 3n],
          [1n, 30n, 3n, 5n]
        ])
        expect((await live())[0]).toEqual([1n, 50n, 5n])
      })

      test('addVersionColumn alone gives rows version 0', async () => {
        const table = await threeDogs()
        await engine.addVersionColumn(table)
        expect(await live()).toEqual([
          [1n, 3n, 0n],
          [2n, 5n, 0n],
          [3n, null, 0n]
        ])
      })

      test('a generated column is tracked without being stored', async () => {
        await engine.run(
          'CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 2) STORED)'
        )
        await engine.run('INSERT INTO cats (id, n) VALUES (1, 2)')
        const { table, tracking } = await track(await tableOf(engine, 'cats'))
        const result = await write(table, { mode: 'upsert', rows: [[1, 5]], version: 3, tracking })
        expect(result.counts).toEqual(counts({ updated: 1 }))
        expect(await select(engine, 'SELECT id, n, twice FROM cats')).toEqual([[1n, 5n, 10n]])
        const undone = await engine.transaction(WAIT, () => engine.undo(table, tracking, 2, 4))
        expect(undone).toEqual(counts({ updated: 1 }))
        expect(await select(engine, 'SELECT id, n, twice FROM cats')).toEqual([[1n, 2n, 4n]])
      })
    })

    describe('rows that the database refuses', () => {
      test('a value that must be there: required, by column', async () => {
        await engine.run('CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL)')
        const cats = await tableOf(engine, 'cats')
        const result = await write(cats, {
          mode: 'upsert',
          rows: [
            [1, null],
            [2, 'Mia']
          ]
        })
        expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([[2, 'name', 'required']])
        expect(await select(engine, 'SELECT id, name FROM cats')).toEqual([[2n, 'Mia']])
      })

      test('a CHECK: its name stands in the reason and no column is blamed', async () => {
        await engine.run(
          'CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, kg DOUBLE PRECISION, CONSTRAINT light CHECK (kg < 9.5))'
        )
        const cats = await tableOf(engine, 'cats')
        const result = await write(cats, {
          mode: 'upsert',
          rows: [
            [1, 12.5],
            [2, 3.5]
          ]
        })
        expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([[2, null, 'check']])
        expect(result.refused[0]?.reason).toContain('light')
        expect(await select(engine, 'SELECT id FROM cats')).toEqual([[2n]])
      })

      test('a trigger that refuses: its own words are the reason', async () => {
        const table = await makeDogs()
        for (const sql of host.refusingTrigger('dogs', 'name', 'not this dog')) await engine.run(sql)
        const result = await write(table, {
          mode: 'upsert',
          rows: [
            [1, 'Rex', 1],
            [2, 'bad', 2],
            [3, 'Luna', 3]
          ]
        })
        expect(result.counts).toEqual(counts({ inserted: 2 }))
        expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[3, 'trigger']])
        expect(result.refused[0]?.reason).toContain('not this dog')
        expect(await dogs()).toEqual([
          [1n, 'Rex', 1n],
          [3n, 'Luna', 3n]
        ])
      })

      test('a reference to nothing: foreign_key, and the good rows go in', async () => {
        await makeFamily()
        await engine.run("INSERT INTO mother VALUES (1, 'Bella')")
        const puppy = await tableOf(engine, 'puppy')
        const result = await write(puppy, {
          mode: 'upsert',
          rows: [
            [1, 1],
            [2, 77],
            [3, null]
          ]
        })
        expect(result.counts).toEqual(counts({ inserted: 2 }))
        expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[3, 'foreign_key']])
        expect(await select(engine, 'SELECT id, mother_id FROM puppy ORDER BY id')).toEqual([
          [1n, 1n],
          [3n, null]
        ])
      })

      async function makeStaff(): Promise<Table> {
        await engine.run(
          'CREATE TABLE staff (id INTEGER NOT NULL PRIMARY KEY, boss_id INTEGER, FOREIGN KEY (boss_id) REFERENCES staff (id))'
        )
        return tableOf(engine, 'staff')
      }

      test.each([
        ['an empty table', []],
        ['a table with rows', [[9, null]]]
      ])('a child before its parent in one source goes in, into %s', async (_, before) => {
        const staff = await makeStaff()
        for (const [id, boss] of before as Value[][]) {
          await engine.run('INSERT INTO staff VALUES (?, ?)', [BigInt(id as number), boss as Value])
        }
        const rows = [
          [4, 3],
          [3, 2],
          [2, 1],
          [1, null],
          [5, 88],
          [6, 5]
        ]
        const result = await write(staff, { mode: 'upsert', rows, batchSize: 2 })
        expect(result.counts).toEqual(counts({ inserted: 4 }))
        expect(result.refused.sort(byLine).map(({ line, code }) => [line, code])).toEqual([
          [6, 'foreign_key'],
          [7, 'foreign_key']
        ])
        expect(await select(engine, 'SELECT id, boss_id FROM staff WHERE id < 9 ORDER BY id')).toEqual([
          [1n, null],
          [2n, 1n],
          [3n, 2n],
          [4n, 3n]
        ])
      })

      test('mirror keeps a row that another refers to and reports it without a line', async () => {
        await makeFamily()
        await engine.run("INSERT INTO mother VALUES (1, 'Bella'), (2, 'Nora'), (3, 'Ida')")
        await engine.run('INSERT INTO puppy VALUES (1, 2)')
        const mother = await tableOf(engine, 'mother')
        const result = await write(mother, { mode: 'mirror', rows: [[1, 'Bella']] })
        expect(result.counts).toEqual(counts({ unchanged: 1, deleted: 1 }))
        expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[null, 'foreign_key']])
        expect(result.refused[0]?.reason).toMatch(/^id = 2 is not in the source and could not be deleted: /)
        expect(await select(engine, 'SELECT id FROM mother ORDER BY id')).toEqual([[1n], [2n]])
      })

      test('delete of a row that another refers to is refused', async () => {
        await makeFamily()
        await engine.run("INSERT INTO mother VALUES (1, 'Bella'), (2, 'Nora')")
        await engine.run('INSERT INTO puppy VALUES (1, 2)')
        const mother = await tableOf(engine, 'mother')
        const result = await write(mother, { mode: 'delete', columns: ['id'], rows: [[1], [2]] })
        expect(result.counts).toEqual(counts({ deleted: 1 }))
        expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[3, 'foreign_key']])
        expect(await select(engine, 'SELECT id FROM mother')).toEqual([[2n]])
      })

      test('a thousand bad rows among good ones are each reported once', async () => {
        await engine.run('CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, age INTEGER, CHECK (age >= 0))')
        const cats = await tableOf(engine, 'cats')
        const rows = Array.from({ length: 3000 }, (_, i): Value[] => [i, i % 3 === 1 ? -1 : i])
        const result = await write(cats, { mode: 'insert', rows, batchSize: 700 })
        expect(result.counts).toEqual(counts({ inserted: 2000 }))
        expect(result.refused.sort(byLine).map(({ line }) => line)).toEqual(
          rows.flatMap(([, age], i) => (age === -1 ? [i + 2] : []))
        )
        expect(await engine.countRows('cats')).toBe(2000)
      })
    })

    async function makeLogged(): Promise<Table> {
      await engine.run('CREATE TABLE log (what VARCHAR(20))')
      await threeDogs()
      for (const sql of host.loggingTriggers('dogs', 'log')) await engine.run(sql)
      return tableOf(engine, 'dogs')
    }

    describe('applyChanges', () => {
      function imageRow(table: Table, row: Row, place: bigint): Row {
        return table.hiddenOrder ? [place, ...row] : row
      }

      /** The image rows as they are, by id. */
      async function images(table: Table): Promise<Map<bigint, Row>> {
        const at = imageColumns(table).indexOf('id')
        return new Map((await readAll(engine, table)).map((row) => [row[at] as bigint, row]))
      }

      async function* stream(changes: RowChange[]): AsyncIterable<RowChange> {
        for (const change of changes) yield change
      }

      test('inserts, updates and deletes exactly', async () => {
        const table = await threeDogs()
        const now = await images(table)
        const changes: RowChange[] = [
          { before: now.get(1n) as Row, after: null },
          { before: now.get(2n) as Row, after: [...(now.get(2n) as Row).slice(0, -1), 50n] },
          { before: null, after: imageRow(table, [7n, 'Neo', null], 70n) }
        ]
        await engine.transaction(WAIT, () => engine.applyChanges(table, () => stream(changes), 4, null))
        expect(await dogs()).toEqual([
          [2n, 'Bello', 50n],
          [3n, 'Luna', null],
          [7n, 'Neo', null]
        ])
      })

      test('unique values may move between rows', async () => {
        await threeDogs()
        await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
        const table = await tableOf(engine, 'dogs')
        const now = await images(table)
        const at = imageColumns(table).indexOf('name')
        const swap = (id: bigint, name: string): RowChange => ({
          before: now.get(id) as Row,
          after: (now.get(id) as Row).map((value, i) => (i === at ? name : value))
        })
        const changes = [swap(1n, 'Bello'), swap(2n, 'Luna'), swap(3n, 'Rex')]
        await engine.transaction(WAIT, () => engine.applyChanges(table, () => stream(changes), 4, null))
        expect(await dogs()).toEqual([
          [1n, 'Bello', 3n],
          [2n, 'Luna', 5n],
          [3n, 'Rex', null]
        ])
      })

      test('triggers do not fire, and are there again afterwards', async () => {
        const table = await makeLogged()
        const now = await images(table)
        const changes: RowChange[] = [
          { before: now.get(1n) as Row, after: null },
          { before: now.get(2n) as Row, after: [...(now.get(2n) as Row).slice(0, -1), 50n] },
          { before: null, after: imageRow(table, [7n, 'Neo', null], 70n) }
        ]
        await engine.transaction(WAIT, () => engine.applyChanges(table, () => stream(changes), 4, null))
        expect(await select(engine, 'SELECT what FROM log')).toEqual([])
        expect((await tableOf(engine, 'dogs')).triggers).toEqual(table.triggers)
        await engine.run(`DELETE FROM ${q('dogs')} WHERE id = 7`)
        expect(await select(engine, 'SELECT what FROM log')).toEqual([['delete']])
      })

      test('triggers are there again when it is aborted half-way', async () => {
        const table = await makeLogged()
        async function* broken(): AsyncIterable<RowChange> {
          yield { before: null, after: imageRow(table, [7n, 'Neo', null], 70n) }
          throw new Error('the disk is gone')
        }
        await expect(engine.transaction(WAIT, () => engine.applyChanges(table, broken, 4, null))).rejects.toThrow(
          'the disk is gone'
        )
        expect((await tableOf(engine, 'dogs')).triggers).toEqual(table.triggers)
        expect(await engine.countRows('dogs')).toBe(3)
      })

      test('with tracking the superseded rows go to history and the written ones get the version', async () => {
        const { table, tracking } = await track(await threeDogs())
        const now = await images(table)
        const changes: RowChange[] = [
          { before: now.get(1n) as Row, after: null },
          { before: now.get(2n) as Row, after: [...(now.get(2n) as Row).slice(0, -1), 50n] },
          { before: null, after: imageRow(table, [7n, 'Neo', null], 70n) }
        ]
        await engine.transaction(WAIT, () => engine.applyChanges(table, () => stream(changes), 4, tracking))
        expect(await select(engine, `SELECT id, age, version_id FROM ${q('dogs')} ORDER BY id`)).toEqual([
          [2n, 50n, 4n],
          [3n, null, 0n],
          [7n, null, 4n]
        ])
        expect(
          await select(engine, `SELECT id, age, version_id, superseded_by FROM ${q('history_dogs')} ORDER BY id`)
        ).toEqual([
          [1n, 3n, 0n, 4n],
          [2n, 5n, 0n, 4n]
        ])
      })

      test('cascades do not fire when foreign keys are off', async () => {
        await engine.run('CREATE TABLE mother (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(60))')
        await engine.run(
          'CREATE TABLE puppy (id INTEGER NOT NULL PRIMARY KEY, mother_id INTEGER, ' +
            'FOREIGN KEY (mother_id) REFERENCES mother (id) ON DELETE CASCADE)'
        )
        await engine.run("INSERT INTO mother VALUES (1, 'Bella')")
        await engine.run('INSERT INTO puppy VALUES (5, 1)')
        const mother = await tableOf(engine, 'mother')
        const now = (await images(mother)).get(1n) as Row
        const changes = [{ before: now, after: [...now.slice(0, -1), 'Nora'] }]
        await engine.transaction({ wait: 100, foreignKeys: false }, () =>
          engine.applyChanges(mother, () => stream(changes), 4, null)
        )
        expect(await select(engine, 'SELECT id, mother_id FROM puppy')).toEqual([[5n, 1n]])
        expect(await select(engine, 'SELECT id, name FROM mother')).toEqual([[1n, 'Nora']])
      })
    })

    describe('foreignKeyViolations', () => {
      test('is empty when all is well and a sentence for each row that is not', async () => {
        await makeFamily()
        await engine.run("INSERT INTO mother VALUES (1, 'Bella')")
        await engine.run('INSERT INTO puppy VALUES (1, 1)')
        expect(await engine.foreignKeyViolations()).toEqual([])
        await engine.transaction({ wait: 100, foreignKeys: false }, async () => {
          await engine.run('DELETE FROM mother')
          await engine.run('INSERT INTO puppy VALUES (2, 44)')
        })
        const violations = await engine.foreignKeyViolations()
        expect(violations).toHaveLength(2)
        expect(violations.every((sentence) => sentence.includes('puppy') && sentence.includes('mother'))).toBe(true)
        await engine.run('DELETE FROM puppy')
        expect(await engine.foreignKeyViolations()).toEqual([])
      })
    })

    describe('states', () => {
      let table: Table
      let tracking: Tracking

      /**
       * The states that versions left, by number; 2 wrote another table.
       * 1: Bello 6, Max new. 3: Luna gone, Rex 4. 4: Max 2, Luna back as Lua. 5: all gone but Rex.
       */
      const states: Record<number, Row[]> = {
        0: [
          [1n, 'Rex', 3n],
          [2n, 'Bello', 5n],
          [3n, 'Luna', null]
        ],
        1: [
          [1n, 'Rex', 3n],
          [2n, 'Bello', 6n],
          [3n, 'Luna', null],
          [4n, 'Max', 1n]
        ],
        2: [
          [1n, 'Rex', 3n],
          [2n, 'Bello', 6n],
          [3n, 'Luna', null],
          [4n, 'Max', 1n]
        ],
        3: [
          [1n, 'Rex', 4n],
          [2n, 'Bello', 6n],
          [4n, 'Max', 1n]
        ],
        4: [
          [1n, 'Rex', 4n],
          [2n, 'Bello', 6n],
          [3n, 'Lua', 1n],
          [4n, 'Max', 2n]
        ],
        5: [[1n, 'Rex', 4n]]
      }

      beforeEach(async () => {
        ;({ table, tracking } = await track(await threeDogs()))
        for (const version of [1, 3, 4, 5]) {
          await write(table, { mode: 'mirror', rows: states[version] as Row[], version, tracking })
        }
      })

      async function stateAt(version: number, live = true): Promise<Row[]> {
        const rows = (await collect(engine.readState(table, { ...tracking, live }, version))).flat()
        return rows.sort((a, b) => Number(a[0]) - Number(b[0]))
      }

      /** What leads from one list of rows to another, by id. */
      function difference(from: number, to: number): RowChange[] {
        const ids = [1n, 2n, 3n, 4n]
        const at = (version: number, id: bigint) => states[version]?.find(([own]) => own === id) ?? null
        return ids
          .map((id) => ({ before: at(from, id), after: at(to, id) }))
          .filter(({ before, after }) => encodeRow(before ?? []) !== encodeRow(after ?? []))
      }

      test.each([0, 1, 2, 3, 4, 5])('readState gives the rows of version %i', async (version) => {
        expect(await stateAt(version)).toEqual(states[version])
      })

      const pairs = [0, 1, 2, 3, 4, 5].flatMap((from) => [0, 1, 2, 3, 4, 5].map((to): [number, number] => [from, to]))

      test.each(pairs)('changesBetween %i and %i has one change per key', async (from, to) => {
        const changes = await collect(engine.changesBetween(table, tracking, from, to))
        const id = ({ before, after }: RowChange) => Number((before ?? after)?.[0])
        expect(changes.sort((a, b) => id(a) - id(b))).toEqual(difference(from, to))
      })

      test.each([0, 1, 2, 3, 4])('undo to version %i writes what differs and no more', async (to) => {
        const done = await engine.transaction(WAIT, () => engine.undo(table, tracking, to, 6))
        const changes = difference(5, to)
        expect(done).toEqual(
          counts({
            inserted: changes.filter(({ before }) => !before).length,
            updated: changes.filter(({ before, after }) => before && after).length,
            deleted: changes.filter(({ after }) => !after).length
          })
        )
        expect(await dogs()).toEqual(states[to])
      })

      test('an undo can be undone: back, forward and back again', async () => {
        const undo = (to: number, as: number) => engine.transaction(WAIT, () => engine.undo(table, tracking, to, as))
        await undo(1, 6)
        expect(await dogs()).toEqual(states[1])
        await undo(4, 7)
        expect(await dogs()).toEqual(states[4])
        await undo(6, 8)
        expect(await dogs()).toEqual(states[1])
        await undo(5, 9)
        expect(await dogs()).toEqual(states[5])
        await undo(0, 10)
        expect(await dogs()).toEqual(states[0])
        for (const version of [0, 1, 2, 3, 4, 5]) expect(await stateAt(version)).toEqual(states[version])
        expect(await stateAt(6)).toEqual(states[1])
        expect(await stateAt(7)).toEqual(states[4])
        expect(await stateAt(8)).toEqual(states[1])
        expect(await stateAt(9)).toEqual(states[5])
      })

      test('a version after an undo goes on from there', async () => {
        await engine.transaction(WAIT, () => engine.undo(table, tracking, 1, 6))
        const result = await write(table, { mode: 'upsert', rows: [[2, 'Bello', 7]], version: 7, tracking })
        expect(result.counts).toEqual(counts({ updated: 1 }))
        await engine.transaction(WAIT, () => engine.undo(table, tracking, 6, 8))
        expect(await dogs()).toEqual(states[1])
      })

      test('an undo to the present state changes nothing', async () => {
        expect(await engine.transaction(WAIT, () => engine.undo(table, tracking, 5, 6))).toEqual(counts({}))
        expect(await dogs()).toEqual(states[5])
      })

      test('undo fires no trigger', async () => {
        await engine.run('CREATE TABLE log (what VARCHAR(20))')
        for (const sql of host.loggingTriggers('dogs', 'log')) await engine.run(sql)
        await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 6))
        expect(await select(engine, 'SELECT what FROM log')).toEqual([])
        expect((await tableOf(engine, 'dogs')).triggers).toHaveLength(3)
      })

      test('undo moves unique values back between rows', async () => {
        await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 6))
        await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
        await engine.run(`DELETE FROM ${q('dogs')} WHERE id = 3`)
        await write(table, { mode: 'upsert', rows: [[1, 'x', 3]], version: 7, tracking })
        await write(table, { mode: 'upsert', rows: [[2, 'Rex', 5]], version: 8, tracking })
        await write(table, { mode: 'upsert', rows: [[1, 'Bello', 3]], version: 9, tracking })
        const done = await engine.transaction(WAIT, () => engine.undo(table, tracking, 6, 10))
        expect(done).toEqual(counts({ updated: 2 }))
        expect(await dogs()).toEqual([
          [1n, 'Rex', 3n],
          [2n, 'Bello', 5n]
        ])
      })

      test('supersedeAll moves every live row to history', async () => {
        await engine.transaction(WAIT, () => engine.undo(table, tracking, 4, 6))
        expect(await engine.transaction(WAIT, () => engine.supersedeAll(table, tracking, 7))).toBe(4)
        expect(
          await select(engine, `SELECT id, superseded_by FROM ${q('history_dogs')} WHERE superseded_by = 7 ORDER BY id`)
        ).toEqual([
          [1n, 7n],
          [2n, 7n],
          [3n, 7n],
          [4n, 7n]
        ])
        expect(await engine.countRows('dogs')).toBe(0)
      })

      test('the history of a table that is gone still gives its states and changes', async () => {
        await engine.transaction(WAIT, async () => {
          await engine.supersedeAll(table, tracking, 6)
          await engine.dropTable('dogs')
        })
        for (const version of [0, 1, 2, 3, 4, 5]) expect(await stateAt(version, false)).toEqual(states[version])
        expect(await stateAt(6, false)).toEqual([])
        const gone = { ...tracking, live: false }
        expect(await collect(engine.changesBetween(table, gone, 5, 6))).toEqual([
          { before: [1n, 'Rex', 4n], after: null }
        ])
        const changes = await collect(engine.changesBetween(table, gone, 0, 3))
        expect(changes.sort((a, b) => Number((a.before ?? a.after)?.[0]) - Number((b.before ?? b.after)?.[0]))).toEqual(
          difference(0, 3)
        )
      })
    })

    describe('random histories', () => {
      test('every version can be read, compared and returned to', async () => {
        const step = fc.dictionary(
          fc.constantFrom('1', '2', '3', '4', '5'),
          fc.tuple(fc.constantFrom('a', 'b', ''), fc.option(fc.integer({ min: 0, max: 2 }), { nil: null })),
          { noNullPrototype: true }
        )
        await fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), fc.nat(), async (steps, chosen) => {
            const { table, tracking } = await track(await threeDogs())
            const states: Row[][] = [await dogs()]
            for (const [i, wanted] of steps.entries()) {
              const rows = Object.entries(wanted).map(([id, [name, age]]): Value[] => [Number(id), name, age])
              await write(table, { mode: 'mirror', rows, version: i + 1, tracking })
              states.push(await dogs())
            }
            const to = chosen % states.length
            await engine.transaction(WAIT, () => engine.undo(table, tracking, to, states.length))
            expect(await dogs()).toEqual(states[to])
            for (const [version, rows] of states.entries()) {
              const state = (await collect(engine.readState(table, tracking, version))).flat()
              expect(state.map(encodeRow).sort()).toEqual(rows.map(encodeRow).sort())
            }
            const back = await collect(engine.changesBetween(table, tracking, to, states.length))
            expect(back).toEqual([])
            await engine.dropTable('dogs')
            await engine.dropTable('history_dogs')
          }),
          { numRuns: 20 }
        )
      })
    })

    describe('exact values', () => {
      const bytes = new Uint8Array(Array.from({ length: 256 }, (_, i) => i))
      const integers: Value[] = [null, 0n, -1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]
      const doubles: Value[] = [null, 0.1, 1e308, -1e308, 5e-324, 1.7976931348623157e308, 3, -0.5, 2 ** 53]
      const texts: Value[] = [
        null,
        '',
        ' ',
        'a\0b',
        '\0',
        'null',
        '价格',
        '😀',
        'a\r\n\t"\'\\',
        'é',
        'e\u0301',
        '\uFFFD'
      ]
      const blobs: Value[] = [
        null,
        new Uint8Array(),
        new Uint8Array([0]),
        bytes,
        new Uint8Array([0xff, 0xfe]),
        bytes.slice(128)
      ]

      async function makeValues(): Promise<Table> {
        await engine.createTable({
          name: 'held',
          columns: [
            { name: 'id', type: INTEGER, nullable: false },
            { name: 'i', type: INTEGER, nullable: true },
            { name: 'd', type: DOUBLE, nullable: true },
            { name: 't', type: TEXT, nullable: true },
            { name: 'b', type: BLOB, nullable: true }
          ],
          key: ['id']
        })
        return tableOf(engine, 'held')
      }

      const rows = Array.from(
        { length: 12 },
        (_, i): Row => [BigInt(i), integers[i] ?? null, doubles[i] ?? null, texts[i] ?? null, blobs[i] ?? null]
      )
      const shifted = rows.map((row, i): Row => [row[0] as Value, ...(rows[(i + 5) % rows.length] as Row).slice(1)])

      async function heldRows(table: Table): Promise<string[]> {
        const columns = imageColumns(table)
        const pick = (row: Row) =>
          encodeRow(['id', 'i', 'd', 't', 'b'].map((column) => row[columns.indexOf(column)] ?? null))
        return (await readAll(engine, table)).map(pick).sort()
      }

      test('are written, read and compared as they are', async () => {
        const table = await makeValues()
        expect((await write(table, { mode: 'insert', rows })).counts).toEqual(counts({ inserted: 12 }))
        expect(await heldRows(table)).toEqual(rows.map(encodeRow).sort())
        expect((await write(table, { mode: 'upsert', rows })).counts).toEqual(counts({ unchanged: 12 }))
        const all = await readAll(engine, table)
        expect(new Set(all.map(encodeRow)).size).toBe(12)
      })

      test('a value that looks the same and is not is written', async () => {
        const table = await makeValues()
        await write(table, { mode: 'insert', rows: [[1n, 1n, 0, '', new Uint8Array()]] })
        const result = await write(table, { mode: 'upsert', rows: [[1n, 1n, 0, null, new Uint8Array()]] })
        expect(result.counts).toEqual(counts({ updated: 1 }))
        const again = await write(table, { mode: 'upsert', rows: [[1n, 1n, 0, null, null]] })
        expect(again.counts).toEqual(counts({ updated: 1 }))
        const accents: Value[][] = ['é', 'e\u0301', 'E', 'e', 'e '].map((text) => [1n, 1n, 0, text, null])
        for (const row of accents) {
          expect((await write(table, { mode: 'upsert', rows: [row] })).counts).toEqual(counts({ updated: 1 }))
        }
      })

      test('come back through applyChanges', async () => {
        const table = await makeValues()
        await write(table, { mode: 'insert', rows })
        const before = await readAll(engine, table)
        await write(table, { mode: 'upsert', rows: shifted })
        const now = await readAll(engine, table)
        expect(await heldRows(table)).toEqual(shifted.map(encodeRow).sort())
        async function* changes(): AsyncIterable<RowChange> {
          for (const [i, row] of before.entries()) yield { before: now[i] as Row, after: row }
        }
        await engine.transaction(WAIT, () => engine.applyChanges(table, changes, 2, null))
        expect(await heldRows(table)).toEqual(rows.map(encodeRow).sort())
      })

      test('come back through history, and their changes are exact', async () => {
        const made = await makeValues()
        await write(made, { mode: 'insert', rows })
        const { table, tracking } = await track(made)
        await write(table, { mode: 'upsert', rows: shifted, version: 1, tracking })
        const state = (await collect(engine.readState(table, tracking, 0))).flat()
        expect(state.map(encodeRow).sort()).toEqual(rows.map(encodeRow).sort())
        const changes = await collect(engine.changesBetween(table, tracking, 0, 1))
        const lines = (side: 'before' | 'after') => changes.map((change) => encodeRow(change[side] ?? [])).sort()
        expect(lines('before')).toEqual(rows.map(encodeRow).sort())
        expect(lines('after')).toEqual(shifted.map(encodeRow).sort())
        await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 2))
        expect(await heldRows(table)).toEqual(rows.map(encodeRow).sort())
      })

      test('safe integers may come as numbers and are the same integers', async () => {
        const table = await makeValues()
        const given: Value[] = [1, 9007199254740991, 0.5, 'x', null]
        await write(table, { mode: 'insert', rows: [given] })
        expect((await write(table, { mode: 'upsert', rows: [given] })).counts).toEqual(counts({ unchanged: 1 }))
        const big = [1n, 9007199254740991n, 0.5, 'x', null]
        expect((await write(table, { mode: 'upsert', rows: [big] })).counts).toEqual(counts({ unchanged: 1 }))
        expect(await heldRows(table)).toEqual([encodeRow(big)])
      })

      test('-0 is held as the engine says, and equal when it comes again', async () => {
        const table = await makeValues()
        const row: Value[] = [1, null, -0, null, null]
        await write(table, { mode: 'insert', rows: [row] })
        const held = (await select(engine, `SELECT d FROM ${q('held')}`))[0]?.[0]
        expect(Object.is(held, host.keepsNegativeZero ? -0 : 0)).toBe(true)
        expect((await write(table, { mode: 'upsert', rows: [row] })).counts).toEqual(counts({ unchanged: 1 }))
      })
    })

    describe('close', () => {
      test('what was committed is there for the next connection, which is not new', async () => {
        await threeDogs()
        const other = await another()
        expect(other.isNew).toBe(false)
        expect(await other.countRows('dogs')).toBe(3)
        expect(other.product).toBe(engine.product)
      })
    })
  })
}
