import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engines/engine.ts'
import { Unholdable, WHOLE_TABLE } from '../../src/engines/engine.ts'
import { ExitCode } from '../../src/errors.ts'
import { createControlTables, readIdentity } from '../../src/ledger/control-tables.ts'
import type { Table } from '../../src/model/table.ts'
import { imageColumns, writableColumns } from '../../src/model/table.ts'
import type { Row, Value } from '../../src/model/value.ts'
import { encodeRow } from '../../src/model/value.ts'

import type { Bench, EngineHost } from './suite-engine-bench.ts'
import { counts, errorOf, INTEGER, load, NAME, readAll, select, tableOf, WAIT } from './suite-engine-bench.ts'

/** What an engine says of itself, transactions, tables and reading them. */
export function tableTests(host: EngineHost, bench: Bench): void {
  const { another, q, makeDogs, threeDogs, dogs, makeFamily, makeLogged, track, write } = bench
  let engine: Engine

  beforeEach(() => {
    engine = bench.engine
  })

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

    test('a read transaction sees one moment while others write', async () => {
      const table = await threeDogs()
      // Without its write-ahead log a SQLite file lets nobody commit while it is read.
      if (engine.name === 'sqlite') await engine.query('PRAGMA journal_mode = WAL')
      const other = await another()
      const before = await dogs()
      const add = (id: number) =>
        other.transaction(WAIT, () => other.run(`INSERT INTO ${q('dogs')} VALUES (${id}, 'Neo', 1)`))
      await engine.readTransaction(async () => {
        await add(7)
        expect(await dogs()).toEqual(before)
        await add(8)
        expect(await dogs()).toEqual(before)
        expect(await engine.countRows(table.name)).toBe(before.length)
      })
      expect(await dogs()).toHaveLength(before.length + 2)
    })

    test('a read transaction ends when its work throws, and writing goes on after it', async () => {
      await threeDogs()
      const failed = engine.readTransaction(async () => {
        throw new Error('given up')
      })
      await expect(failed).rejects.toThrow('given up')
      await engine.transaction(WAIT, () => engine.run(`INSERT INTO ${q('dogs')} VALUES (7, 'Neo', 1)`))
      expect(await dogs()).toHaveLength(4)
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
      expect(bare.map((table) => table.name)).toContain('dogs')
      expect((await engine.historyShape('history_dogs'))?.columns.map((column) => column.name)).toContain(
        'superseded_by'
      )
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
}
