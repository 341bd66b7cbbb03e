import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openEngine } from '../../src/engines/registry.ts'
import type { Rowback } from '../../src/index.ts'
import { open, RowbackError } from '../../src/index.ts'
import type { Row, Value } from '../../src/model/value.ts'
import { Workplace } from '../support/cli.ts'
import type { FreshDatabase } from '../support/servers/database.ts'
import { freshDatabase } from '../support/servers/database.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { errorOf, readAll, tableOf } from '../support/suite-engine-bench.ts'

const server = inject('mysqlUrl')
let place: Workplace
let db: Rowback

beforeEach(async () => {
  place = await Workplace.make('rowback-restore-')
})

afterEach(async () => {
  await db.close()
  await place.remove()
})

/** Makes a version over what these statements made, then spoils the live rows. */
async function baseline(statements: string, spoil = ''): Promise<void> {
  place.sql(statements)
  db = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), author: 'tester' })
  const source = await place.write('other.csv', 'id\n1\n')
  await db.migrate({ source, table: 'zz_other', key: ['id'], create: true, description: 'other' })
  if (spoil !== '') place.sql(spoil)
}

describe('a state of SQLite, in SQLite', () => {
  const SCHEMA = `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'rowback%' AND tbl_name NOT LIKE 'zz_%' AND tbl_name <> 'sqlite_sequence' ORDER BY type, name`
  const TABLES = `
    CREATE TABLE any_type (a, b INTEGER, c TEXT, d REAL, e NUMERIC, f BLOB);
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE UNIQUE, twice AS (id * 2));
    CREATE TABLE no_rowid (k TEXT, l INTEGER, v, PRIMARY KEY (k, l)) WITHOUT ROWID;
    CREATE TABLE "stri""ct" (id INT PRIMARY KEY, x ANY) STRICT;
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES counted (id) ON DELETE CASCADE);
    CREATE TABLE log (what);
    CREATE INDEX by_name ON counted (name DESC) WHERE name <> 'x';
    CREATE UNIQUE INDEX by_v ON no_rowid (v);
    CREATE TRIGGER tell AFTER INSERT ON child BEGIN INSERT INTO log VALUES ('insert'); END;
    INSERT INTO any_type VALUES (1, 'text', 5, 1, '1.0', 'text'), (1.0, 2.5, X'00FF', 'x', 9223372036854775807, X''),
      ('1', X'31', 'a' || char(0) || 'b', 1e308, -0.0, NULL), (CAST(X'FF61' AS TEXT), NULL, char(65533), NULL, 1e999, 1);
    INSERT INTO counted (id, name) VALUES (3, 'Rex'), (9, NULL), (-1, 'x');
    INSERT INTO no_rowid VALUES ('b', 2, X'00'), ('a', 1, NULL), ('B', 2, 7);
    INSERT INTO "stri""ct" VALUES (1, '1'), (2, 1), (3, X'31');
    INSERT INTO child VALUES (1, 3), (2, 9);
    DELETE FROM log WHERE rowid = 1;`
  const CELLS = ['any_type', 'counted', 'no_rowid', '"stri""ct"', 'child', 'log']

  function held(file: string): unknown[] {
    return CELLS.map((name) => {
      const columns = place
        .rows(`SELECT name FROM pragma_table_xinfo(${name.startsWith('"') ? `'stri"ct'` : `'${name}'`})`, file)
        .flat()
      const cells = columns.map((column) => `typeof(${column}) || ' ' || coalesce(hex(CAST(${column} AS BLOB)), '')`)
      return place.rows(`SELECT ${cells.join(', ')} FROM ${name} ORDER BY ${cells.join(', ')}`, file)
    })
  }

  test('tables, rows, indexes and triggers are what they were', async () => {
    await baseline(
      TABLES,
      'DROP TABLE child; DELETE FROM any_type; UPDATE counted SET name = NULL; DELETE FROM no_rowid;'
    )
    // The same statements past rowback say what must come out.
    place.sql(TABLES, 'wanted.db')
    const written = await db.checkout(0, place.at('state.db'))
    expect(written).toMatchObject({ from: 0, to: 'state.db', notes: [] })
    expect(held('state.db')).toEqual(held('wanted.db'))
    expect(place.rows(SCHEMA, 'state.db')).toEqual(place.rows(SCHEMA, 'wanted.db'))
    expect(place.rows('SELECT * FROM sqlite_sequence', 'state.db')).toEqual([['counted', 9]])
    place.sql('INSERT INTO child VALUES (3, 3)', 'state.db')
    expect(place.rows('SELECT count(*) FROM log', 'state.db')).toEqual([[2]])
  })

  test('a row that a check would refuse now, and what is left out', async () => {
    await baseline(`CREATE TABLE a (id INTEGER PRIMARY KEY, b CHECK (b > 0)); CREATE VIRTUAL TABLE words USING fts5 (word);
      PRAGMA ignore_check_constraints = ON; INSERT INTO a VALUES (1, -1)`)
    const { notes } = await db.checkout(0, place.at('state.db'))
    expect(notes).toEqual(['words is left out of backups: it is no plain table, or has a type that is not known.'])
    expect(place.rows('SELECT * FROM a', 'state.db')).toEqual([[1, -1]])
    expect(() => place.sql('INSERT INTO a VALUES (2, -1)', 'state.db')).toThrow(/CHECK constraint failed/)
    expect((await db.query('SELECT b FROM a', { at: 0 })).rows).toEqual([[-1]])
  })

  test('nothing is overwritten; an error leaves neither a file nor a table', async () => {
    await baseline('CREATE TABLE a (id INTEGER PRIMARY KEY, b TEXT); INSERT INTO a VALUES (1, 2); CREATE TABLE b (id)')
    const file = place.at('state.db')
    await db.checkout('0', file, { table: ['a'] })
    const taken = await errorOf(db.checkout(0, file))
    expect([taken.code, taken.message]).toEqual([
      'table.exists',
      'state.db has a already; nothing is ever overwritten.'
    ])
    expect(place.rows('SELECT name FROM sqlite_schema', 'state.db')).toEqual([['a']])
    await db.checkout(0, file, { table: 'B' })
    expect((await errorOf(db.checkout(0, place.at('x.db'), { table: 'c' }))).code).toBe('table.missing')
    expect((await errorOf(db.checkout(0, place.at('shop.db')))).code).toBe('target.versioned')
    expect((await errorOf(db.checkout(0, place.at('no/x.db')))).code).toBe('target.unreachable')
    expect(existsSync(place.at('x.db'))).toBe(false)
  })

  test('who gives it up half-way has nothing', async () => {
    await baseline('CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)')
    const signal = AbortSignal.abort(new RowbackError({ code: 'interrupted', message: 'Interrupted.' }))
    const other = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), signal })
    expect((await errorOf(other.checkout(0, place.at('state.db')))).code).toBe('interrupted')
    await other.close()
    expect(existsSync(place.at('state.db'))).toBe(false)
  })
})

if (server === null) test.skip(`a state of SQLite, in MySQL: ${HOW_TO_PROVIDE}`)
else {
  describe('a state of SQLite, in MySQL', () => {
    let database: FreshDatabase

    beforeEach(async () => {
      database = await freshDatabase(server)
    })

    afterEach(() => database.drop())

    async function rowsThere(table: string): Promise<{ declared: string[]; rows: Row[]; key: string[] | null }> {
      const engine = await openEngine(database.url)
      try {
        const made = await tableOf(engine, table)
        const declared = made.columns.map((column) => column.declared.replace(/^bigint\(20\)/, 'bigint'))
        return { declared, rows: await readAll(engine, made), key: made.key }
      } finally {
        await engine.close()
      }
    }

    test('every value is the same', async () => {
      const bytes = new Uint8Array(Array.from({ length: 256 }, (_, i) => i))
      const integers: Value[] = [null, 0n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]
      const doubles: Value[] = [null, 0.1, 1e308, 5e-324, 3, -0.5]
      const texts: Value[] = ['', ' ', 'a\0b', '价格😀', 'a\r\n\t"\'\\', '\uFFFD']
      const blobs: Value[] = [null, new Uint8Array(), new Uint8Array([0]), bytes, new Uint8Array([0xff]), bytes]
      await baseline('CREATE TABLE held (id INTEGER PRIMARY KEY, i INTEGER, d REAL, t TEXT NOT NULL, b BLOB)')
      const rows = integers.map(
        (integer, i): Row => [BigInt(i), integer, ...[doubles, texts, blobs].map((list) => list[i] ?? null)]
      )
      const engine = await openEngine(`sqlite:${place.at('shop.db')}`)
      for (const row of rows) await engine.run('INSERT INTO held VALUES (?, ?, ?, ?, ?)', row)
      await engine.close()
      const written = await db.checkout(1, database.url, { table: 'held' })
      expect(written).toEqual({ from: 1, to: database.name, tables: [{ table: 'held', rows: 6 }], notes: [] })
      expect(await rowsThere('held')).toEqual({
        declared: ['bigint', 'bigint', 'double', 'longtext', 'longblob'],
        key: ['id'],
        rows
      })
    })

    test('types are those that hold what is there', async () => {
      await baseline(`
        CREATE TABLE t (code TEXT, day DATE, at DATETIME, noday DATE, price DECIMAL(8,2), n NUMERIC, flag BOOLEAN, flags BOOLEAN,
          short VARCHAR(3), doc JSON, anything, PRIMARY KEY (code));
        INSERT INTO t VALUES ('a', '2026-01-02', '2026-01-02 03:04:05', 'soon', 1.5, 1, 0, 0, 'ab', '{ "a":1}', X'00'),
          ('A', '2026-02-31', '2026-01-02 03:04:05.25', '2026-01-01', 12, 2.5, 1, 7, 'too long', '[1]', X'01'),
          ('a ', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
      const { notes } = await db.checkout(0, database.url)
      const there = await rowsThere('t')
      expect(there.declared).toEqual([
        ...['varchar(255)', 'date', 'datetime(6)', 'longtext', 'decimal(8,2)', 'double', 'tinyint(1)', 'bigint'],
        ...['varchar(8)', 'longtext', 'longblob']
      ])
      expect(there.key).toEqual(['code'])
      const bytes = (byte: number) => new Uint8Array([byte])
      expect(there.rows).toEqual([
        [
          'A',
          '2026-02-31',
          '2026-01-02 03:04:05.250000',
          '2026-01-01',
          '12.00',
          2.5,
          1n,
          7n,
          'too long',
          '[1]',
          bytes(1)
        ],
        ['a', '2026-01-02', '2026-01-02 03:04:05.000000', 'soon', '1.50', 1, 0n, 0n, 'ab', '{ "a":1}', bytes(0)],
        ['a ', ...Array(10).fill(null)]
      ])
      expect(notes).toEqual([
        't.code: TEXT -> varchar(255), because it is in the key',
        't.noday: DATE -> longtext',
        't.n: NUMERIC -> double',
        expect.stringMatching(/^t\.flags: BOOLEAN -> bigint/),
        't.doc: JSON -> longtext',
        't.anything: (no type) -> longblob'
      ])
    })

    test('texts of a key get the room that they take, where more is too much for one', async () => {
      const long = 'x'.repeat(600)
      await baseline(`CREATE TABLE t (a TEXT, b TEXT, c TEXT, d TEXT, PRIMARY KEY (a, b, c, d));
        INSERT INTO t VALUES ('${long}', 'b', '', 'd'), ('a', 'b', 'c', 'd')`)
      const { notes } = await db.checkout(0, database.url)
      const { declared, key, rows } = await rowsThere('t')
      expect([declared, key]).toEqual([
        ['varchar(600)', 'varchar(1)', 'varchar(1)', 'varchar(1)'],
        ['a', 'b', 'c', 'd']
      ])
      expect(rows.map(([a]) => a)).toEqual(['a', long])
      expect(notes[0]).toBe('t.a: TEXT -> varchar(600), because it is in the key')
    })

    test('a key that no key there holds is refused by name, and nothing is left', async () => {
      await baseline(`CREATE TABLE t (a TEXT PRIMARY KEY); INSERT INTO t VALUES ('${'x'.repeat(769)}')`)
      await expect(db.checkout(0, database.url)).rejects.toMatchObject({
        code: 'key.too_long',
        message: expect.stringMatching(
          /^The key of t is too long .*\(a\) take up to 3,076 bytes, where a key holds 3,072\.$/
        )
      })
      const engine = await openEngine(database.url)
      expect(await engine.relations()).toEqual([])
      await engine.close()
    })

    test('numbers beside text become text, each told from every other, and that is said', async () => {
      await baseline(`CREATE TABLE t (id INTEGER PRIMARY KEY, n NUMERIC, i INTEGER, r REAL, any_type);
        INSERT INTO t VALUES (1, 5, 5, 1, 1), (2, 'five', 'x', 'one', 1.0), (3, 9007199254740993, NULL, -0.0, -0.0),
          (4, 2.5, -1, 1e300, 'FIVE '), (5, 'FIVE', 'X', 0.1, 'five'), (6, NULL, 0, 1e999, 9007199254740993)`)
      const { notes } = await db.checkout(0, database.url)
      const there = await rowsThere('t')
      expect(there.declared).toEqual(['bigint', ...Array(4).fill('longtext')])
      expect(there.rows).toEqual([
        [1n, '5', '5', '1.0', '1'],
        [2n, 'five', 'x', 'one', '1.0'],
        [3n, '9007199254740993', null, '0.0', '-0.0'],
        [4n, '2.5', '-1', '1e+300', 'FIVE '],
        [5n, 'FIVE', 'X', '0.1', 'five'],
        [6n, null, '0', 'Infinity', '9007199254740993']
      ])
      expect(notes).toEqual(
        ['n', 'i', 'r', 'any_type']
          .flatMap((column) => [
            expect.stringMatching(new RegExp(`^t\\.${column}: .* -> longtext$`)),
            `t.${column}: values of several types stand in it; its numbers have become text.`
          ])
          .sort((a, b) => Number(typeof a === 'string') - Number(typeof b === 'string'))
      )
    })

    test.each([
      [
        'text like a number beside one',
        'x',
        "(1, 5), (2, '5')",
        /t\.x of the row id = 1 cannot be held by M[^:]+: the integer 5 stands among values of other types, and as longtext/
      ],
      [
        'bytes among integers',
        'x INTEGER',
        "(1, 5), (2, X'05')",
        /t\.x of the row id = [12] cannot be held by M[^:]+: /
      ],
      ['an infinite number', 'x REAL', '(1, 1.5), (2, 1e999)', /t\.x of the row id = 2 .*Infinity/],
      ['bytes that are no text', 'x TEXT', "(1, 'a'), (2, CAST(X'FF' AS TEXT))", /t\.x of the row id = 2 .*0xff/],
      ['bytes among texts', 'x TEXT', "(1, 'a'), (2, X'FF')", /t\.x of the row id = 2 .*0xff/]
    ])('%s is refused by name, and nothing is left', async (_, column, values, message) => {
      await baseline(`CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1);
        CREATE TABLE t (id INTEGER PRIMARY KEY, ${column}); INSERT INTO t VALUES ${values}`)
      const error = await errorOf(db.checkout(0, database.url))
      expect([error.code, error.state]).toEqual(['value.unmappable', `Nothing of it is left in ${database.name}.`])
      expect(error.message).toMatch(message)
      const engine = await openEngine(database.url)
      expect(await engine.relations()).toEqual([])
      await engine.close()
    })
  })
}
