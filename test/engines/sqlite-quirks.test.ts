import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Engine, Tracking } from '../../src/engines/engine.ts'
import { WHOLE_TABLE } from '../../src/engines/engine.ts'
import { openEngine } from '../../src/engines/registry.ts'
import { columnType, declaredType } from '../../src/engines/sqlite/types.ts'
import { ExitCode } from '../../src/errors.ts'
import type { RowChange } from '../../src/model/change.ts'
import { RowKey } from '../../src/model/key.ts'
import type { Table } from '../../src/model/table.ts'
import { imageColumns } from '../../src/model/table.ts'
import type { Row, Value } from '../../src/model/value.ts'
import { encodeRow, RawText } from '../../src/model/value.ts'
import { collect, counts, errorOf, load, readAll, select, tableOf } from '../support/suite-engine-bench.ts'

const WAIT = { wait: 1000, foreignKeys: true }

let folder: string
let path: string
let engine: Engine

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rowback-quirks-'))
  path = join(folder, 'pets.db')
  engine = await openEngine(`sqlite:${path}`)
})

afterEach(async () => {
  await engine.close()
  await rm(folder, { recursive: true })
})

async function make(...statements: string[]): Promise<void> {
  for (const statement of statements) await engine.run(statement)
}

function write(table: Table, request: Parameters<typeof load>[2]) {
  return engine.transaction(WAIT, () => load(engine, table, request))
}

async function track(name: string): Promise<{ table: Table; tracking: Tracking }> {
  const before = await tableOf(engine, name)
  const tracking = { history: `history_${name}`, live: true }
  await engine.startTracking(before, tracking)
  const table = await tableOf(engine, name, [{ table: name, history: tracking.history, ddl: before.ddl }])
  return { table, tracking }
}

async function* only(...changes: RowChange[]): AsyncIterable<RowChange> {
  yield* changes
}

function raw(hex: string): RawText {
  return new RawText(new Uint8Array(Buffer.from(hex, 'hex')))
}

test('undecodable text is read exactly in every version of a row', async () => {
  await make(
    'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)',
    "INSERT INTO t VALUES (1, CAST(x'61ff' AS TEXT), 'x')"
  )
  const { table, tracking } = await track('t')
  await write(table, { mode: 'update', columns: ['id', 'b'], rows: [[1, '\uFFFD']], version: 1, tracking })
  await write(table, { mode: 'update', columns: ['id', 'a'], rows: [[1, '\uFFFD']], version: 2, tracking })
  const found = (await engine.rowVersions(table, tracking, [1n])).sort((a, b) => Number(a.since) - Number(b.since))
  expect(found).toEqual([
    { row: [1n, raw('61ff'), 'x'], since: 0, until: 1 },
    { row: [1n, raw('61ff'), '\uFFFD'], since: 1, until: 2 },
    { row: [1n, '\uFFFD', '\uFFFD'], since: 2, until: null }
  ])
})

describe('the order of rows', () => {
  const orders: [string, string, { key: string[] | null; order: string[] | null; hidden: boolean }][] = [
    ['INTEGER PRIMARY KEY is the rowid', '(id INTEGER PRIMARY KEY, n)', { key: ['id'], order: ['id'], hidden: false }],
    ['in any case', '(id iNtEgEr PRIMARY KEY, n)', { key: ['id'], order: ['id'], hidden: false }],
    ['as a table constraint too', '(n, id INTEGER, PRIMARY KEY (id))', { key: ['id'], order: ['id'], hidden: false }],
    ['DESC in a constraint too', '(id INTEGER, PRIMARY KEY (id DESC))', { key: ['id'], order: ['id'], hidden: false }],
    [
      'INTEGER PRIMARY KEY DESC is not, by an old quirk',
      '(id INTEGER PRIMARY KEY DESC, n)',
      { key: ['id'], order: ['rowid'], hidden: true }
    ],
    ['INT PRIMARY KEY is not', '(id INT PRIMARY KEY, n)', { key: ['id'], order: ['rowid'], hidden: true }],
    ['BIGINT PRIMARY KEY is not', '(id BIGINT PRIMARY KEY, n)', { key: ['id'], order: ['rowid'], hidden: true }],
    ['a table without a key', '(a, b)', { key: null, order: ['rowid'], hidden: true }],
    ['a column named rowid', '(rowid TEXT, b)', { key: null, order: ['_rowid_'], hidden: true }],
    ['two of the names taken', '(RowID, _rowid_, b)', { key: null, order: ['oid'], hidden: true }],
    ['all names taken', '(rowid, _rowid_, oid)', { key: null, order: null, hidden: false }],
    [
      'all names taken but one is the key',
      '(rowid, _rowid_, oid INTEGER PRIMARY KEY)',
      { key: ['oid'], order: ['oid'], hidden: false }
    ],
    [
      'WITHOUT ROWID',
      '(b TEXT, a TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID',
      { key: ['a', 'b'], order: ['a', 'b'], hidden: false }
    ],
    ['STRICT', '(id INTEGER PRIMARY KEY, n TEXT) STRICT', { key: ['id'], order: ['id'], hidden: false }]
  ]

  test.each(orders)('%s: t %s', async (_, columns, expected) => {
    await make(`CREATE TABLE t ${columns}`)
    const { key, order, hiddenOrder } = await tableOf(engine, 't')
    expect({ key, order, hidden: hiddenOrder }).toEqual(expected)
  })

  test('rows of a rowid table come in the order of the rowid, with it', async () => {
    await make(
      'CREATE TABLE t (a TEXT)',
      "INSERT INTO t (rowid, a) VALUES (5, 'x'), (-2, 'x'), (9223372036854775807, 'y')"
    )
    const table = await tableOf(engine, 't')
    expect(imageColumns(table)).toEqual(['rowid', 'a'])
    expect(await readAll(engine, table)).toEqual([
      [-2n, 'x'],
      [5n, 'x'],
      [2n ** 63n - 1n, 'y']
    ])
    expect(await readAll(engine, table, { from: [5n], to: [2n ** 63n - 1n] })).toEqual([[5n, 'x']])
  })

  test('a column named rowid is a column, and the real rowid is read beside it', async () => {
    await make('CREATE TABLE t (rowid TEXT, n INTEGER)', "INSERT INTO t (_rowid_, rowid, n) VALUES (7, 'mine', 1)")
    const table = await tableOf(engine, 't')
    expect(imageColumns(table)).toEqual(['_rowid_', 'rowid', 'n'])
    expect(await readAll(engine, table)).toEqual([[7n, 'mine', 1n]])
    const change = { before: [7n, 'mine', 1n], after: [7n, 'yours', 1n] }
    await engine.transaction(WAIT, () => engine.applyChanges(table, () => only(change), 1, null))
    expect(await readAll(engine, table)).toEqual([[7n, 'yours', 1n]])
  })

  test('a table whose columns take all names of the rowid cannot be read, and says so', async () => {
    await make('CREATE TABLE t (rowid, _rowid_, oid)', 'INSERT INTO t VALUES (1, 2, 3)')
    const table = await tableOf(engine, 't')
    const error = await errorOf(readAll(engine, table))
    expect(error.code).toBe('table.no_rowid')
    expect(error.hint).toBe('Give the table a primary key, or rename its column rowid, oid or _rowid_.')
    expect(await engine.countRows('t')).toBe(1)
  })

  test('a DESC key: ranges still give every row exactly once', async () => {
    await make(
      'CREATE TABLE t (id INTEGER PRIMARY KEY DESC, n)',
      'CREATE TABLE u (a INTEGER, b TEXT, PRIMARY KEY (a DESC, b)) WITHOUT ROWID'
    )
    for (let i = 0; i < 40; i++)
      await make(`INSERT INTO t VALUES (${(i * 17) % 41}, ${i})`, `INSERT INTO u VALUES (${i % 5}, 'k${i}')`)
    for (const name of ['t', 'u']) {
      const table = await tableOf(engine, name)
      const columns = imageColumns(table)
      const all = await readAll(engine, table)
      const cut = (table.order ?? []).map((column) => (all[13] as Row)[columns.indexOf(column)] ?? null)
      const first = await readAll(engine, table, { from: null, to: cut })
      const second = await readAll(engine, table, { from: cut, to: null })
      expect([...first, ...second]).toEqual(all)
      expect(new Set(all.map(encodeRow)).size).toBe(40)
      expect(first).toHaveLength(13)
    }
  })

  test('a DESC integer key may be NULL and is read and written as such', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY DESC, n)', 'INSERT INTO t VALUES (NULL, 1), (NULL, 2), (3, 3)')
    const table = await tableOf(engine, 't')
    expect((await readAll(engine, table)).map((row) => row.slice(1))).toEqual([
      [null, 1n],
      [null, 2n],
      [3n, 3n]
    ])
    const result = await write(table, { mode: 'mirror', rows: [[3, 3]] })
    expect(result.counts).toEqual(counts({ deleted: 2, unchanged: 1 }))
    expect(await select(engine, 'SELECT id, n FROM t')).toEqual([[3n, 3n]])
  })
})

describe('keys that compare in their own way', () => {
  async function makeNocase(): Promise<void> {
    await make(
      'CREATE TABLE t (code TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER) WITHOUT ROWID',
      "INSERT INTO t VALUES ('Anna', 1), ('bob', 2), ('Carl', 3)"
    )
  }

  test('NOCASE: order and ranges are the table’s', async () => {
    await makeNocase()
    const table = await tableOf(engine, 't')
    expect((await readAll(engine, table)).map(([code]) => code)).toEqual(['Anna', 'bob', 'Carl'])
    expect(await readAll(engine, table, { from: ['BOB'], to: null })).toEqual([
      ['bob', 2n],
      ['Carl', 3n]
    ])
  })

  test('NOCASE: a row is found whatever its case, and the new spelling is an update', async () => {
    await makeNocase()
    const table = await tableOf(engine, 't')
    const result = await write(table, {
      mode: 'mirror',
      rows: [
        ['ANNA', 1],
        ['bob', 2]
      ]
    })
    expect(result.counts).toEqual(counts({ updated: 1, unchanged: 1, deleted: 1 }))
    expect(await select(engine, 'SELECT code, n FROM t ORDER BY code')).toEqual([
      ['ANNA', 1n],
      ['bob', 2n]
    ])
  })

  test('NOCASE: two spellings in one source are the same key', async () => {
    await makeNocase()
    const table = await tableOf(engine, 't')
    const result = await write(table, {
      mode: 'upsert',
      rows: [
        ['dora', 4],
        ['DORA', 5]
      ]
    })
    expect(result.counts).toEqual(counts({ inserted: 1 }))
    expect(result.refused.map(({ line, code, reason }) => [line, code, reason])).toEqual([
      [3, 'duplicate_key', 'the key code = DORA already stands on line 2 of the source']
    ])
  })

  test('NOCASE, written in small letters, is known as such', async () => {
    await make('CREATE TABLE small (code TEXT COLLATE nocase PRIMARY KEY, other TEXT COLLATE binary UNIQUE)')
    const { collations } = await tableOf(engine, 'small')
    expect(collations).toEqual({ code: 'NOCASE' })
    for (const known of [collations, { code: 'nocase' }]) {
      const key = new RowKey(['code'], ['code'], known)
      expect(key.of(['Abc'])).toBe(key.of(['aBC']))
    }
  })

  test('NOCASE: a changed spelling is one change of one key, and is undone as one', async () => {
    await makeNocase()
    const { table, tracking } = await track('t')
    await write(table, { mode: 'upsert', rows: [['ANNA', 9]], version: 1, tracking })
    expect(await collect(engine.changesBetween(table, tracking, 0, 1))).toEqual([
      { before: ['Anna', 1n], after: ['ANNA', 9n] }
    ])
    expect(await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 2))).toEqual(counts({ updated: 1 }))
    expect(await select(engine, 'SELECT code, n FROM t ORDER BY code')).toEqual([
      ['Anna', 1n],
      ['bob', 2n],
      ['Carl', 3n]
    ])
  })

  test('a NULL in a primary key is deleted, counted and brought back', async () => {
    await make(
      'CREATE TABLE t (code TEXT PRIMARY KEY, n INTEGER)',
      "INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('a', 3)"
    )
    const { table, tracking } = await track('t')
    const result = await write(table, { mode: 'mirror', rows: [['a', 3]], version: 1, tracking })
    expect(result.counts).toEqual(counts({ deleted: 2, unchanged: 1 }))
    const undone = await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 2))
    expect(undone).toEqual(counts({ inserted: 2 }))
    expect(await select(engine, 'SELECT code, n FROM t ORDER BY n')).toEqual([
      [null, 1n],
      [null, 2n],
      ['a', 3n]
    ])
  })

  test('WITHOUT ROWID with a key of mixed types: ranges give every row exactly once', async () => {
    await make('CREATE TABLE t (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID')
    const values: Value[] = [-1n, 0.5, 1n, 'a', 'B', 'b', '', new Uint8Array([1]), new Uint8Array(), 2n ** 62n]
    for (const a of values) for (const b of values) await engine.run('INSERT INTO t VALUES (?, ?)', [a, b] as Value[])
    const table = await tableOf(engine, 't')
    const all = await readAll(engine, table)
    expect(all).toHaveLength(100)
    for (const at of [0, 1, 37, 50, 99]) {
      const cut = all[at] as Row
      const first = await readAll(engine, table, { from: null, to: cut })
      const second = await readAll(engine, table, { from: cut, to: null })
      expect([first.length, [...first, ...second].map(encodeRow)]).toEqual([at, all.map(encodeRow)])
    }
  })
})

describe('what triggers and conflict clauses do', () => {
  async function makeWith(trigger: string): Promise<Table> {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)', "INSERT INTO t VALUES (1, 'old')", trigger)
    return tableOf(engine, 't')
  }
  const rows = () => select(engine, 'SELECT id, name FROM t ORDER BY id')
  const source: Value[][] = [
    [2, 'good'],
    [3, 'bad'],
    [4, 'good']
  ]

  test('RAISE(IGNORE): the row is reported as ignored, not counted', async () => {
    const table = await makeWith(
      "CREATE TRIGGER r BEFORE INSERT ON t WHEN NEW.name = 'bad' BEGIN SELECT RAISE(IGNORE); END"
    )
    const result = await write(table, { mode: 'upsert', rows: source })
    expect(result.counts).toEqual(counts({ inserted: 2 }))
    expect(result.refused).toEqual([
      { line: 3, column: null, code: 'trigger', reason: 'a trigger made the database ignore this row' }
    ])
    expect(await rows()).toEqual([
      [1n, 'old'],
      [2n, 'good'],
      [4n, 'good']
    ])
  })

  test.each(['UPDATE', 'DELETE'] as const)('RAISE(IGNORE) on %s leaves row and history', async (event) => {
    await makeWith(`CREATE TRIGGER r BEFORE ${event} ON t BEGIN SELECT RAISE(IGNORE); END`)
    const { table, tracking } = await track('t')
    const result = await write(table, {
      mode: event === 'UPDATE' ? 'update' : 'delete',
      columns: event === 'UPDATE' ? ['id', 'name'] : ['id'],
      rows: [event === 'UPDATE' ? [1, 'new'] : [1]],
      version: 3,
      tracking
    })
    expect([result.counts, result.refused.map(({ code }) => code)]).toEqual([counts({}), ['trigger']])
    expect(await rows()).toEqual([[1n, 'old']])
    expect(await engine.countRows('history_t')).toBe(0)
  })

  test('RAISE(FAIL) after the insert leaves nothing of a row that is reported as failed', async () => {
    const table = await makeWith(
      "CREATE TRIGGER r AFTER INSERT ON t WHEN NEW.name = 'bad' BEGIN SELECT RAISE(FAIL, 'too late'); END"
    )
    const result = await write(table, { mode: 'upsert', rows: source })
    expect(result.counts).toEqual(counts({ inserted: 2 }))
    expect(result.refused.map(({ line, code, reason }) => [line, code, reason])).toEqual([[3, 'trigger', 'too late']])
    expect(await rows()).toEqual([
      [1n, 'old'],
      [2n, 'good'],
      [4n, 'good']
    ])
  })

  test('RAISE(ROLLBACK) fails the whole run, saying the line, and nothing is changed', async () => {
    const table = await makeWith(
      "CREATE TRIGGER r BEFORE INSERT ON t WHEN NEW.name = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'stop it'); END"
    )
    const error = await errorOf(write(table, { mode: 'upsert', rows: source }))
    expect(error.code).toBe('trigger.rolled_back')
    expect(error.message).toBe('A trigger or constraint of t rolled back the whole transaction at line 3: stop it.')
    expect(error.hint).toBe('Correct that line, or change the trigger to RAISE(ABORT, ...), which refuses one row.')
    expect(await rows()).toEqual([[1n, 'old']])
    await engine.transaction(WAIT, () => engine.run("INSERT INTO t VALUES (9, 'good')"))
    expect(await engine.countRows('t')).toBe(2)
  })

  test('RAISE(ROLLBACK) on an update fails the whole run too', async () => {
    const table = await makeWith(
      "CREATE TRIGGER r BEFORE UPDATE ON t WHEN NEW.name = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'stop it'); END"
    )
    const error = await errorOf(
      write(table, {
        mode: 'upsert',
        rows: [
          [5, 'good'],
          [1, 'bad']
        ]
      })
    )
    expect(error.code).toBe('trigger.rolled_back')
    expect(await rows()).toEqual([[1n, 'old']])
  })

  test.each(['REPLACE', 'IGNORE', 'FAIL', 'ROLLBACK'])(
    'UNIQUE ON CONFLICT %s refuses the row like any other',
    async (clause) => {
      await make(
        `CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT ${clause}, name TEXT UNIQUE ON CONFLICT ${clause})`,
        "INSERT INTO t VALUES (1, 'old'), (2, 'older')"
      )
      const table = await tableOf(engine, 't')
      const result = await write(table, {
        mode: 'upsert',
        rows: [
          [3, 'old'],
          [1, 'older'],
          [4, 'new']
        ]
      })
      expect(result.counts).toEqual(counts({ inserted: 1 }))
      expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([
        [2, 'name', 'duplicate_key'],
        [3, 'name', 'duplicate_key']
      ])
      expect(await rows()).toEqual([
        [1n, 'old'],
        [2n, 'older'],
        [4n, 'new']
      ])
    }
  )

  test('NOT NULL ON CONFLICT REPLACE does not put the default where the source says null', async () => {
    await make("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'x')")
    const table = await tableOf(engine, 't')
    const result = await write(table, { mode: 'upsert', rows: [[1, null]] })
    expect(result.refused.map(({ column, code }) => [column, code])).toEqual([['name', 'required']])
    expect(await rows()).toEqual([])
  })

  test('a trigger that changes the row itself does not make it different for ever', async () => {
    const table = await makeWith(
      'CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET name = upper(name) WHERE id = NEW.id; END'
    )
    const result = await write(table, { mode: 'upsert', rows: [[2, 'loud']] })
    expect(result.counts).toEqual(counts({ inserted: 1 }))
    expect(await rows()).toEqual([
      [1n, 'old'],
      [2n, 'LOUD']
    ])
  })

  test('a CHECK without a name: no column is blamed, whatever its expression looks like', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY, kg REAL CHECK (kg < 9.5))')
    const result = await write(await tableOf(engine, 't'), { mode: 'insert', rows: [[1, 10]] })
    expect(result.refused).toEqual([
      { line: 2, column: null, code: 'check', reason: 'CHECK constraint failed: kg < 9.5' }
    ])
  })

  test('a key of two columns blames none of them', async () => {
    await make('CREATE TABLE t (a INTEGER, b INTEGER, n INTEGER, PRIMARY KEY (a, b))', 'INSERT INTO t VALUES (1, 1, 1)')
    const result = await write(await tableOf(engine, 't'), { mode: 'insert', rows: [[1, 1, 2]] })
    expect(result.refused).toEqual([
      { line: 2, column: null, code: 'duplicate_key', reason: 'a row with a = 1, b = 1 is there already' }
    ])
  })
})

describe('deferred foreign keys', () => {
  async function makeDeferred(): Promise<void> {
    await make(
      'CREATE TABLE mother (id INTEGER PRIMARY KEY, name TEXT)',
      'CREATE TABLE puppy (id INTEGER PRIMARY KEY, mother_id INTEGER REFERENCES mother (id) DEFERRABLE INITIALLY DEFERRED)',
      "INSERT INTO mother VALUES (1, 'Bella')",
      'INSERT INTO puppy VALUES (1, 1)'
    )
  }

  test('are read as deferred', async () => {
    await makeDeferred()
    expect((await tableOf(engine, 'puppy')).foreignKeys.map(({ deferred }) => deferred)).toEqual([true])
  })

  test('a row that refers to nothing fails the run with the tables to load first', async () => {
    await makeDeferred()
    const puppy = await tableOf(engine, 'puppy')
    const error = await errorOf(
      write(puppy, {
        mode: 'upsert',
        rows: [
          [2, 1],
          [3, 77]
        ]
      })
    )
    expect(error.code).toBe('foreign_key.deferred')
    expect(error.message).toBe('Rows for puppy refer to rows that do not exist, through a deferred foreign key.')
    expect(error.hint).toBe('Load the referenced rows first (mother), then try again.')
    expect(await engine.countRows('puppy')).toBe(1)
  })

  test('taking a row away to which another refers is told as such, not as an unknown error', async () => {
    await makeDeferred()
    const mother = await tableOf(engine, 'mother')
    const error = await errorOf(write(mother, { mode: 'delete', columns: ['id'], rows: [[1]] }))
    expect(error.code).toMatch(/^foreign_key/)
    expect(await engine.countRows('mother')).toBe(1)
  })
})

describe('kinds of tables', () => {
  test('virtual tables are not tables and are named as unsupported; their shadows are nothing', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY)', 'CREATE VIRTUAL TABLE words USING fts5(text)')
    expect((await engine.tables([])).map(({ name }) => name)).toEqual(['t'])
    expect(await engine.unsupportedTables()).toEqual(['words'])
  })

  test('views and SQLite’s own tables are left out', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)', 'CREATE VIEW v AS SELECT * FROM t', 'ANALYZE')
    await make('INSERT INTO t DEFAULT VALUES')
    expect((await engine.tables([])).map(({ name }) => name)).toEqual(['t'])
  })

  test('a STRICT table is written, refused by type and tracked', async () => {
    await make(
      'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data BLOB, any ANY) STRICT',
      "INSERT INTO t VALUES (1, 'a', x'00', 'z')"
    )
    const plain = await tableOf(engine, 't')
    const bad = await write(plain, { mode: 'upsert', columns: ['id', 'data'], rows: [[2, 'text']] })
    expect(bad.refused.map(({ line, code }) => [line, code])).toEqual([[2, 'database']])
    const { table, tracking } = await track('t')
    const result = await write(table, {
      mode: 'upsert',
      columns: ['id', 'name'],
      rows: [[1, 'b']],
      version: 1,
      tracking
    })
    expect(result.counts).toEqual(counts({ updated: 1 }))
    expect(await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 2))).toEqual(counts({ updated: 1 }))
    expect(await select(engine, 'SELECT id, name, data, any FROM t')).toEqual([[1n, 'a', new Uint8Array([0]), 'z']])
  })

  test('a WITHOUT ROWID table is tracked, changed and undone', async () => {
    await make(
      'CREATE TABLE t (land TEXT, town TEXT, n INTEGER, PRIMARY KEY (land, town)) WITHOUT ROWID',
      "INSERT INTO t VALUES ('de', 'Ulm', 1), ('fr', 'Nancy', 2)"
    )
    const { table, tracking } = await track('t')
    await write(table, {
      mode: 'mirror',
      rows: [
        ['fr', 'Nancy', 3],
        ['it', 'Como', 4]
      ],
      version: 1,
      tracking
    })
    const changes = await collect(engine.changesBetween(table, tracking, 0, 1))
    expect(changes).toEqual([
      { before: ['de', 'Ulm', 1n], after: null },
      { before: ['fr', 'Nancy', 2n], after: ['fr', 'Nancy', 3n] },
      { before: null, after: ['it', 'Como', 4n] }
    ])
    await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 2))
    expect(await readAll(engine, table)).toEqual([
      ['de', 'Ulm', 1n],
      ['fr', 'Nancy', 2n]
    ])
  })

  test('generated columns, stored and virtual, are read as such and kept out of the image', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b AS (a + 1) VIRTUAL, c AS (a + 2) STORED)')
    const table = await tableOf(engine, 't')
    expect(table.columns.map(({ name, generated }) => [name, generated])).toEqual([
      ['id', false],
      ['a', false],
      ['b', true],
      ['c', true]
    ])
    expect(imageColumns(table)).toEqual(['id', 'a'])
  })

  test('partial and expression indexes are no unique keys', async () => {
    await make(
      'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT NOT NULL)',
      'CREATE UNIQUE INDEX partial ON t (a) WHERE b IS NOT NULL',
      'CREATE UNIQUE INDEX expression ON t (lower(a))'
    )
    expect((await tableOf(engine, 't')).uniqueKeys).toEqual([['id']])
  })

  test('a foreign key without columns leads to the primary key', async () => {
    await make(
      'CREATE TABLE parent (a INTEGER, b INTEGER, PRIMARY KEY (b, a))',
      'CREATE TABLE child (x INTEGER, y INTEGER, FOREIGN KEY (x, y) REFERENCES Parent ON DELETE SET DEFAULT)'
    )
    const [key] = (await tableOf(engine, 'child')).foreignKeys
    expect([key?.parentTable, key?.parentColumns, key?.onDelete]).toEqual(['Parent', ['b', 'a'], 'SET DEFAULT'])
    expect((await tableOf(engine, 'parent')).referencedBy).toEqual([key])
  })
})

describe('values', () => {
  test('each cell has a type of its own, whatever the column declares', async () => {
    await make(
      'CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)',
      "INSERT INTO t VALUES (1, 'text'), (2, 0.5), (3, x'07'), (4, 1)"
    )
    const table = await tableOf(engine, 't')
    expect(await readAll(engine, table)).toEqual([
      [1n, 'text'],
      [2n, 0.5],
      [3n, new Uint8Array([7])],
      [4n, 1n]
    ])
  })

  test('1 and 1.0 stay apart in a column without a type', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY, v)', 'INSERT INTO t VALUES (1, 1), (2, 1.0)')
    const rows = await readAll(engine, await tableOf(engine, 't'))
    expect(rows.map(encodeRow)).toEqual(['[1,1]', '[2,{"r":"1"}]'])
  })

  describe('text that is not valid UTF-8', () => {
    async function makeBroken(): Promise<void> {
      await make(
        'CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)',
        "INSERT INTO t VALUES (1, CAST(x'61ff62' AS TEXT)), (2, CAST(x'efbfbd' AS TEXT)), (3, 'fine')"
      )
    }
    const hex = () => select(engine, 'SELECT id, hex(s), typeof(s) FROM t ORDER BY id')

    test('is read as bytes, and a real U+FFFD as text', async () => {
      await makeBroken()
      expect(await readAll(engine, await tableOf(engine, 't'))).toEqual([
        [1n, raw('61ff62')],
        [2n, '\uFFFD'],
        [3n, 'fine']
      ])
    })

    test('comes back byte for byte as text through applyChanges', async () => {
      await makeBroken()
      const table = await tableOf(engine, 't')
      const rows = await readAll(engine, table)
      await make("UPDATE t SET s = 'gone'")
      const changes = rows.map((after): RowChange => ({ before: [after[0] as Value, 'gone'], after }))
      await engine.transaction(WAIT, () => engine.applyChanges(table, () => only(...changes), 1, null))
      expect(await hex()).toEqual([
        [1n, '61FF62', 'text'],
        [2n, 'EFBFBD', 'text'],
        [3n, '66696E65', 'text']
      ])
    })

    test('comes back byte for byte through history', async () => {
      await makeBroken()
      const { table, tracking } = await track('t')
      await write(table, { mode: 'upsert', rows: [[1, 'new']], version: 1, tracking })
      await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 2))
      expect((await hex())[0]).toEqual([1n, '61FF62', 'text'])
    })

    test('is exact in the diff of a tracked table, and no change is left out for it', async () => {
      await make('CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)', "INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT))")
      const { table, tracking } = await track('t')
      await write(table, { mode: 'upsert', rows: [[1, '\uFFFD']], version: 1, tracking })
      expect(await collect(engine.changesBetween(table, tracking, 0, 1))).toEqual([
        { before: [1n, raw('ff')], after: [1n, '\uFFFD'] }
      ])
    })

    test('is not equal to the U+FFFD that a source gives', async () => {
      await make('CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)', "INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT))")
      const result = await write(await tableOf(engine, 't'), { mode: 'upsert', rows: [[1, '\uFFFD']] })
      expect(result.counts).toEqual(counts({ updated: 1 }))
      expect(await hex()).toEqual([[1n, 'EFBFBD', 'text']])
    })

    test('as the key of a WITHOUT ROWID table is refused, because no row could be asked for by it', async () => {
      await make(
        'CREATE TABLE t (s TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID',
        "INSERT INTO t VALUES (CAST(x'fe' AS TEXT), 1), (CAST(x'ff' AS TEXT), 2), (CAST(x'efbfbd' AS TEXT), 3)"
      )
      const error = await errorOf(readAll(engine, await tableOf(engine, 't')))
      expect(error.code).toBe('value.undecodable')
    })
  })

  test('a UTF-16 database is read and written like any other', async () => {
    await make("PRAGMA encoding = 'UTF-16le'", 'CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)')
    const table = await tableOf(engine, 't')
    const rows: Value[][] = [
      [1, '价格😀'],
      [2, '\uFFFD'],
      [3, 'a\0b'],
      [4, '']
    ]
    expect((await write(table, { mode: 'insert', rows })).counts).toEqual(counts({ inserted: 4 }))
    expect((await write(table, { mode: 'upsert', rows })).counts).toEqual(counts({ unchanged: 4 }))
    const before = await readAll(engine, table)
    await make("UPDATE t SET s = 'x'")
    const changes = before.map((after): RowChange => ({ before: [after[0] as Value, 'x'], after }))
    await engine.transaction(WAIT, () => engine.applyChanges(table, () => only(...changes), 1, null))
    expect(await select(engine, 'SELECT id, s FROM t ORDER BY id')).toEqual([
      [1n, '价格😀'],
      [2n, '\uFFFD'],
      [3n, 'a\0b'],
      [4n, '']
    ])
  })
})

describe('declared types', () => {
  test.each([
    ['INTEGER', 'integer'],
    ['UNSIGNED BIG INT', 'integer'],
    ['VARCHAR(20)', 'text'],
    ['CLOB', 'text'],
    ['BLOB', 'blob'],
    ['DOUBLE PRECISION', 'double'],
    ['FLOAT', 'double'],
    ['BOOLEAN', 'boolean'],
    ['DATE', 'date'],
    ['DATETIME', 'datetime'],
    ['TIMESTAMP', 'datetime'],
    ['TIME', 'time'],
    ['JSON', 'json'],
    ['DECIMAL(10,2)', 'decimal'],
    ['NUMERIC', 'decimal'],
    ['', 'text'],
    ['WHATEVER', 'text']
  ])('%s is %s', (declared, kind) => {
    expect(columnType(declared).kind).toBe(kind)
  })

  test('sizes are taken at their word', () => {
    expect(columnType('nvarchar(20)')).toEqual({ kind: 'text', maxLength: 20 })
    expect(columnType('decimal(10, 2)')).toEqual({ kind: 'decimal', precision: 10, scale: 2 })
    expect(columnType('NUMERIC(5)')).toEqual({ kind: 'decimal', precision: 5, scale: 0 })
    expect(declaredType({ kind: 'decimal', precision: 16, scale: 2 })).toBe('TEXT')
  })

  test.each([
    ['DECIMAL(10,2)', '12.50', '12.5'],
    ['DECIMAL(10,2)', '12.00', '12'],
    ['NUMERIC', '-0.1', '-0.1'],
    ['DECIMAL(30,0)', '9223372036854775807', '9223372036854775807']
  ])('%s holds %s, and again as the same', async (declared, text, held) => {
    await make(`CREATE TABLE t (id INTEGER PRIMARY KEY, v ${declared})`)
    const table = await tableOf(engine, 't')
    const adapt = engine.adapter(table.columns[1] as Table['columns'][number])
    const value = adapt?.(text) as Value
    expect((await write(table, { mode: 'upsert', rows: [[1, value]] })).counts).toEqual(counts({ inserted: 1 }))
    expect((await write(table, { mode: 'upsert', rows: [[1, value]] })).counts).toEqual(counts({ unchanged: 1 }))
    expect(String((await select(engine, 'SELECT v FROM t'))[0]?.[0])).toBe(held)
  })

  test.each([
    ['DECIMAL(30,10)', '12345678901234567890.0123456789', 'SQLite holds at most 15 digits of a decimal exactly'],
    ['DECIMAL(30,0)', '9223372036854775808', 'SQLite holds at most 15 digits of a decimal exactly'],
    ['DATE', '2026.10', 'the declared type DATE would turn "2026.10" into a number and change it'],
    ['STRING', '0071', 'the declared type STRING would turn "0071" into a number and change it'],
    ['WHATEVER', '1e3', 'the declared type WHATEVER would turn "1e3" into a number and change it'],
    ['JSON', '1.50', 'the declared type JSON would turn "1.50" into a number and change it']
  ])('%s refuses %s rather than alter it', async (declared, text, reason) => {
    await make(`CREATE TABLE t (id INTEGER PRIMARY KEY, v ${declared})`)
    const table = await tableOf(engine, 't')
    expect(engine.adapter(table.columns[1] as Table['columns'][number])?.(text)).toEqual({ reason })
  })

  test.each(['2026-01-02', '03:04:05', 'abc', '', ' ', '1_000', '12abc', '0x10', '0b1', 'Infinity', '\u00a01'])(
    'the text %j in a column with numeric affinity is held as it is',
    async (text) => {
      for (const declared of ['DATE', 'STRING']) {
        await make(`CREATE TABLE ${declared} (id INTEGER PRIMARY KEY, v ${declared})`)
        const table = await tableOf(engine, declared)
        const value = engine.adapter(table.columns[1] as Table['columns'][number])?.(text)
        expect(value).toBe(text)
        await write(table, { mode: 'upsert', rows: [[1, text]] })
        expect((await select(engine, `SELECT v, typeof(v) FROM ${declared}`))[0]).toEqual([text, 'text'])
      }
    }
  )

  test.each(['1e3', '.5', '5.', ' 7 ', '+3', '-0', '007', '1.50', '1e400', '-1e400', '9223372036854775808'])(
    'the text %j in a column with numeric affinity would be changed and is refused',
    async (text) => {
      await make('CREATE TABLE t (id INTEGER PRIMARY KEY, v STRING)')
      await engine.run('INSERT INTO t VALUES (1, ?)', [text])
      expect((await select(engine, 'SELECT typeof(v) FROM t'))[0]?.[0]).not.toBe('text')
      const table = await tableOf(engine, 't')
      expect(engine.adapter(table.columns[1] as Table['columns'][number])?.(text)).toEqual({
        reason: `the declared type STRING would turn "${text}" into a number and change it`
      })
    }
  )

  test.each(['12', '-3', '0.5', '-0.25', '20260102', '9223372036854775807'])(
    'the text %j in a column with numeric affinity becomes a number that shows as the same',
    async (text) => {
      for (const declared of ['DATE', 'STRING', 'JSON']) {
        await make(`CREATE TABLE ${declared} (id INTEGER PRIMARY KEY, v ${declared})`)
        const table = await tableOf(engine, declared)
        const value = engine.adapter(table.columns[1] as Table['columns'][number])?.(text) as Value
        const row = [1, value]
        expect((await write(table, { mode: 'upsert', rows: [row] })).counts).toEqual(counts({ inserted: 1 }))
        expect((await write(table, { mode: 'upsert', rows: [row] })).counts).toEqual(counts({ unchanged: 1 }))
        expect(await select(engine, `SELECT CAST(v AS TEXT) FROM ${declared}`)).toEqual([[text]])
      }
    }
  )
})

describe('the file', () => {
  test('is made by the first write and not before', async () => {
    const fresh = join(folder, 'fresh.db')
    const first = await openEngine(`sqlite:${fresh}`)
    expect(first.isNew).toBe(true)
    expect(await first.tables([])).toEqual([])
    await first.close()
    expect(existsSync(fresh)).toBe(false)
    const second = await openEngine(`sqlite:${fresh}`)
    await second.run('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    await second.close()
    const third = await openEngine(`sqlite:${fresh}`)
    expect(third.isNew).toBe(false)
    expect(third.database).toBe('fresh.db')
    await third.close()
  })

  test('an absolute path may be written with two more slashes', async () => {
    const other = await openEngine(`sqlite://${join(folder, 'slashes.db')}`)
    await other.run('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    await other.close()
    expect(existsSync(join(folder, 'slashes.db'))).toBe(true)
  })

  test('a file that is no database is refused and left alone', async () => {
    const text = join(folder, 'letter.db')
    await writeFile(text, 'Dear Sir or Madam, this is a letter and not a database at all. '.repeat(20))
    const before = await readFile(text)
    await expect(openEngine(`sqlite:${text}`)).rejects.toThrow(
      expect.objectContaining({ code: 'target.not_database', exit: ExitCode.failed })
    )
    expect(await readFile(text)).toEqual(before)
  })

  test('a folder, and a folder that is not there', async () => {
    await expect(openEngine(`sqlite:${folder}`)).rejects.toThrow(
      expect.objectContaining({ code: 'target.unreachable' })
    )
    await expect(openEngine(`sqlite:${folder}/no/such.db`)).rejects.toThrow(
      expect.objectContaining({ code: 'target.unreachable' })
    )
  })

  test('a file marked read-only is not written, though root could', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    await chmod(path, 0o444)
    const before = await readFile(path)
    const error = await errorOf(engine.transaction(WAIT, () => engine.run('INSERT INTO t VALUES (1)')))
    expect([error.code, error.exit, error.hint]).toEqual([
      'target.read_only',
      ExitCode.failed,
      'Make it writable first: chmod u+w pets.db'
    ])
    expect(await readFile(path)).toEqual(before)
    expect(await engine.countRows('t')).toBe(0)
  })

  test('an aborted transaction leaves the bytes of the file as they were', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)', "INSERT INTO t VALUES (1, 'a')")
    const before = await readFile(path)
    const table = await tableOf(engine, 't')
    await expect(
      engine.transaction(WAIT, async () => {
        await engine.startTracking(table, { history: 'history_t', live: true })
        await engine.createTable({
          name: 'other',
          columns: [{ name: 'x', type: { kind: 'date' }, nullable: true }],
          key: null
        })
        await engine.run("INSERT INTO t VALUES (2, 'b', 1)")
        throw new Error('no')
      })
    ).rejects.toThrow('no')
    expect((await readFile(path)).equals(before)).toBe(true)
    expect((await readdir(folder)).sort()).toEqual(['pets.db'])
  })

  test('a WAL database is read, written and read by a read-only query', async () => {
    await make('PRAGMA journal_mode = WAL', 'CREATE TABLE t (id INTEGER PRIMARY KEY)')
    await engine.transaction(WAIT, () => engine.run('INSERT INTO t VALUES (1)'))
    expect((await engine.readOnlyQuery('SELECT count(*) FROM t')).rows).toEqual([[1n]])
  })

  test('a read-only query writes no file either', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    const copy = join(folder, 'copy.db')
    await engine.readOnlyQuery(`VACUUM INTO '${copy}'`).catch(() => {})
    await engine.readOnlyQuery(`ATTACH '${copy}' AS other`).catch(() => {})
    expect(await readdir(folder)).toEqual(['pets.db'])
  })

  test('a read-only query of :memory: sees the rows that are there', async () => {
    const memory = await openEngine('sqlite::memory:')
    await memory.run('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    await memory.run('INSERT INTO t VALUES (4)')
    expect((await memory.readOnlyQuery('SELECT id FROM t')).rows).toEqual([[4n]])
    await memory.close()
  })

  test('a name that differs from another only in case or holds quotes is the right one', async () => {
    await make('CREATE TABLE "my ""odd"" table" (id INTEGER PRIMARY KEY, "a ""b""" TEXT)')
    const table = await tableOf(engine, 'my "odd" table')
    await write(table, { mode: 'upsert', rows: [[1, 'x']] })
    expect(await readAll(engine, table)).toEqual([[1n, 'x']])
    const { table: tracked, tracking } = await track('my "odd" table')
    await write(tracked, { mode: 'upsert', rows: [[1, 'y']], version: 1, tracking })
    await engine.transaction(WAIT, () => engine.undo(tracked, tracking, 0, 2))
    expect(await readAll(engine, tracked)).toEqual([[1n, 'x']])
  })

  test('another program’s lock is told with the name of the file and a hint', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const error = await errorOf(engine.transaction({ wait: 50, foreignKeys: true }, async () => {}))
    expect([error.code, error.exit]).toEqual(['locked', ExitCode.locked])
    expect(error.message).toContain('pets.db')
    expect(error.hint).toBe('Try again when it has finished, or wait for it with --wait SECONDS.')
    other.exec('ROLLBACK')
    other.close()
  })

  test('rows are read in batches without holding the table', async () => {
    await make('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    await make(
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2001) INSERT INTO t SELECT i FROM n'
    )
    const sizes: number[] = []
    for await (const batch of engine.readRows(await tableOf(engine, 't'), WHOLE_TABLE)) sizes.push(batch.length)
    expect(sizes).toEqual([1000, 1000, 1])
  })
})
