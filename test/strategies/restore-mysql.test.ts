import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { RowbackError } from '../../src/index.ts'
import { MysqlBench } from '../support/mysql-bench.ts'
import type { TypeCase } from '../support/mysql-types.ts'
import { makeTable, SUBJECTS } from '../support/mysql-types.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { errorOf } from '../support/suite-engine-bench.ts'

const server = inject('mysqlUrl')

if (server === null) test.skip(`a state of MySQL is written elsewhere: ${HOW_TO_PROVIDE}`)
else {
  let bench: MysqlBench
  let other: MysqlBench

  beforeEach(async () => {
    bench = await MysqlBench.make(server)
    other = await MysqlBench.make(server)
  })

  afterEach(async () => {
    await bench.remove()
    await other.remove()
  })

  /** Makes a version over what is there, so that its state before is in a backup, then spoils the live rows. */
  async function asBaseline(...spoil: string[]): Promise<void> {
    await bench.load([{ id: 1 }], { table: 'zz_other', create: true, key: ['id'] })
    await bench.sql(...spoil)
  }

  describe('into the same engine', () => {
    test.each(Object.entries(SUBJECTS))('every value is the same: %s', async (_, cases) => {
      await makeTable(
        bench,
        cases.filter(({ column }) => !column.includes('😀'))
      )
      const [before, definition] = [await bench.fingerprint('t'), await bench.definition('t')]
      await asBaseline('DELETE FROM t')
      const written = await bench.db.checkout(0, other.url)
      expect(written.tables).toEqual([{ table: 't', rows: before.length }])
      expect(await other.fingerprint('t')).toEqual(before)
      expect((await other.definition('t')).ddl).toBe(definition.ddl)
    })

    test('what the server does not say of a definition is no exact restore', async () => {
      // Servers show the members of an ENUM without the characters that take four bytes.
      await bench.sql("CREATE TABLE moods (id INT PRIMARY KEY, mood ENUM('x', 'ü😀') CHARACTER SET utf8mb4)")
      await bench.sql("INSERT INTO moods VALUES (1, 'x'), (2, 'ü😀')")
      const before = await bench.fingerprint('moods')
      await asBaseline()
      const error = await bench.db.checkout(0, other.url).then(
        () => null,
        (reason: RowbackError) => reason
      )
      if (error === null) return expect(await other.fingerprint('moods')).toEqual(before)
      expect(error).toMatchObject({ code: 'restore.mismatch', state: expect.stringMatching(/^Nothing of it is left/) })
      expect(error.message).toContain('1 row differs, for example [2,"ü😀"]')
      expect(await other.rows('SHOW TABLES')).toEqual([])
    })

    test('keys, references, computed columns, counters and triggers, which do not fire', async () => {
      await bench.sql(
        'CREATE TABLE log (what VARCHAR(20)) ENGINE=MyISAM',
        'CREATE TABLE b_parent (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), UNIQUE KEY by_name (name))',
        'CREATE TABLE a_child (id INT PRIMARY KEY, parent_id INT, twice INT AS (parent_id * 2) VIRTUAL, KEY x (twice), ' +
          'CONSTRAINT belongs FOREIGN KEY (parent_id) REFERENCES b_parent (id) ON DELETE CASCADE)',
        'CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3',
        "CREATE TRIGGER tell AFTER INSERT ON a_child FOR EACH ROW INSERT INTO log VALUES ('insert')",
        "INSERT INTO b_parent VALUES (7, 'x'), (9, 'y '), (0, 'zero')",
        'INSERT INTO a_child (id, parent_id) VALUES (1, 7), (2, 9), (3, NULL)',
        'INSERT INTO parts VALUES (1), (2), (3), (4)'
      )
      const names = ['a_child', 'b_parent', 'log', 'parts']
      const before = await Promise.all(names.map((name) => bench.fingerprint(name)))
      await asBaseline('DROP TABLE a_child', 'DROP TABLE b_parent', 'DELETE FROM log')
      const written = await bench.db.checkout(0, other.url)
      expect(written).toMatchObject({ from: 0, notes: [] })
      expect(written.tables.map(({ table, rows }) => [table, rows])).toEqual([
        ['a_child', 3],
        ['b_parent', 3],
        ['log', 3],
        ['parts', 4]
      ])
      expect(await Promise.all(names.map((name) => other.fingerprint(name)))).toEqual(before)
      await other.sql(
        "INSERT INTO b_parent (name) VALUES ('next')",
        'INSERT INTO a_child (id, parent_id) VALUES (4, 10)'
      )
      expect(await other.rows('SELECT id FROM b_parent ORDER BY id DESC LIMIT 1')).toEqual([['10']])
      expect(await other.rows('SELECT count(*) FROM log')).toEqual([['4']])
      expect(await other.accepts('INSERT INTO a_child (id, parent_id) VALUES (5, 99)')).toBe(true)
      await other.sql('SET foreign_key_checks = 1')
      expect(await other.accepts('INSERT INTO a_child (id, parent_id) VALUES (6, 99)')).toBe(false)
    })

    test('rows that led nowhere are said, and so are parents that are left out', async () => {
      await bench.sql(
        'CREATE TABLE parent (id INT PRIMARY KEY)',
        'CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id))',
        'INSERT INTO child VALUES (1, 5)'
      )
      await asBaseline()
      const all = await bench.db.checkout(0, other.url)
      expect(all.notes).toEqual([expect.stringMatching(/^References lead nowhere, as they did at version 0: child: /)])
      await other.sql('DROP TABLE child, parent')
      const some = await bench.db.checkout(0, other.url, { table: 'child' })
      expect(some).toMatchObject({
        tables: [{ table: 'child', rows: 1 }],
        notes: ['child refers to parent, which is not there.']
      })
    })

    test('nothing is overwritten, and an error leaves nothing', async () => {
      await bench.sql(
        'CREATE TABLE a (id INT PRIMARY KEY)',
        'CREATE TABLE b (id INT PRIMARY KEY)',
        'INSERT INTO b VALUES (1)'
      )
      await bench.sql(
        "CREATE TRIGGER a_first BEFORE INSERT ON a FOR EACH ROW SET @seen = 'a'",
        "CREATE TRIGGER in_the_way BEFORE INSERT ON b FOR EACH ROW SET @seen = 'b'"
      )
      await asBaseline()
      await other.sql('CREATE VIEW b AS SELECT 1')
      const taken = await errorOf(bench.db.checkout(0, other.url))
      expect(taken).toMatchObject({ code: 'table.exists', state: 'Nothing was changed.' })
      expect(taken.message).toContain('has b already')
      await other.sql('DROP VIEW b', 'CREATE TABLE elsewhere (id INT)')
      await other.sql('CREATE TRIGGER in_the_way BEFORE INSERT ON elsewhere FOR EACH ROW SET @seen = 1')
      const failed = await errorOf(bench.db.checkout(0, other.url))
      expect(failed.state).toMatch(/^Nothing of it is left in /)
      expect(await other.rows('SHOW TABLES')).toEqual([['elsewhere']])
      expect(await errorOf(bench.db.checkout(0, bench.url))).toMatchObject({ code: 'target.versioned' })
    })

    test('a state in history tables, and one of a table that was dropped', async () => {
      const load = (rows: { id: number; name: string }[]) =>
        bench.load(rows, { table: 'dogs', key: ['id'], create: true, strategy: 'incremental', mode: 'mirror' })
      await load([
        { id: 1, name: 'Rex' },
        { id: 2, name: 'Luna' }
      ])
      const first = await bench.fingerprint('dogs')
      await load([
        { id: 2, name: 'Lunula' },
        { id: 3, name: 'Max' }
      ])
      await bench.rollback(0)
      expect(await bench.rows("SHOW TABLES LIKE 'dogs'")).toEqual([])
      await bench.db.checkout(1, other.url)
      expect(await other.fingerprint('dogs')).toEqual(first)
      expect((await other.definition('dogs')).ddl).not.toContain('version_id')
    })
  })

  describe('into SQLite', () => {
    /** Types of which some values have no exact place in SQLite. */
    const REFUSED = /^ENUM|CHARACTER SET (?!utf8)|^VARCHAR\(20\)$|^FLOAT$|^DOUBLE$/

    const cases = Object.values(SUBJECTS).flat()
    test.each(cases.map((one, i) => [`${one.column} (${i})`, one] as const))('%s', async (_, one) => {
      await makeTable(bench, [{ ...one, optional: true }])
      const rows = (await bench.rows('SELECT id FROM t')).length
      if (rows === 0) return expect(one.optional).toBe(true)
      await asBaseline('DELETE FROM t')
      await bench.db.rollback(0, { description: 'back', yes: true })
      const file = bench.place.at('state.db')
      const written = await bench.db.checkout(0, file).catch((error: RowbackError) => error)
      if (written instanceof RowbackError) {
        expect([one.column, written.code, existsSync(file)]).toEqual([
          expect.stringMatching(REFUSED),
          'value.unmappable',
          false
        ])
        expect(written.message).toMatch(/^t\.v0 of the row id = \d+ cannot be held by SQLite [\d.]+ as it is: /)
        return
      }
      expect(written.tables).toEqual([{ table: 't', rows }])
      expect(held(file)).toEqual(await shown(bench, one))
    })

    /** What SQLite holds: numbers as numbers, all else as the bytes of its text. */
    function held(file: string): (string | number | null)[] {
      const db = new DatabaseSync(file, { readOnly: true })
      try {
        const rows = db
          .prepare('SELECT typeof(v0) type, hex(v0) AS hex, CAST(v0 AS TEXT) AS text FROM t ORDER BY id')
          .all()
        return rows.map((row) =>
          row.type === 'null'
            ? null
            : row.type === 'real'
              ? Number(row.text)
              : row.type === 'integer'
                ? String(row.text)
                : String(row.hex)
        )
      } finally {
        db.close()
      }
    }

    /** The same of the server. */
    async function shown(bench: MysqlBench, { column }: TypeCase): Promise<(string | number | null)[]> {
      const isReal = /^(FLOAT|DOUBLE)/.test(column)
      const isShort = /^DECIMAL\(10/.test(column)
      const isInteger = /INT|^BOOL|^BIT|^YEAR/.test(column) && !/POINT/.test(column)
      const isBytes = /BINARY|BLOB|POINT|GEOMETRY|LINE|POLYGON|VECTOR/.test(column)
      const cell = isReal
        ? 'v0 * 1e0'
        : isInteger || isShort
          ? 'v0 + 0'
          : isBytes
            ? 'HEX(v0)'
            : 'HEX(CONVERT(v0 USING utf8mb4))'
      const rows = await bench.rows(`SELECT ${cell} FROM t ORDER BY id`)
      const isWide = rows.some(([text]) => isInteger && BigInt(text ?? 0) > 2n ** 63n - 1n)
      return rows.map(([text]) => {
        if (text === null || text === undefined) return null
        if (isReal) return Number(text)
        if (isShort) return Number.isInteger(Number(text)) ? String(Number(text)) : Number(text)
        return isWide ? Buffer.from(text).toString('hex').toUpperCase() : text
      })
    }

    test('the report says what is not as it was', async () => {
      await bench.sql(
        'CREATE TABLE parent (id BIGINT UNSIGNED PRIMARY KEY)',
        "CREATE TABLE things (id INT PRIMARY KEY AUTO_INCREMENT, mood ENUM('a', 'b') NOT NULL DEFAULT 'a', shape POINT, " +
          'doc JSON, parent_id BIGINT UNSIGNED, twice INT AS (mood + 0), UNIQUE KEY (mood, id), FOREIGN KEY (parent_id) REFERENCES parent (id))',
        "CREATE TRIGGER t BEFORE INSERT ON things FOR EACH ROW SET NEW.mood = 'b'",
        'INSERT INTO parent VALUES (18446744073709551615)',
        'INSERT INTO things (id, doc, parent_id) VALUES (1, \'{"a": 1}\', 18446744073709551615)'
      )
      await asBaseline()
      const file = bench.place.at('state.db')
      const { notes } = await bench.db.checkout(0, file)
      expect(notes).toEqual(
        [
          'parent.id: bigint(20) unsigned -> TEXT',
          expect.stringMatching(/^parent: not carried over: collations/),
          "things.mood: enum('a','b') -> TEXT",
          'things.shape: point -> BLOB',
          'things.doc: json -> TEXT',
          'things.parent_id: bigint(20) unsigned -> TEXT',
          'things: not carried over: default values, collations (text compares byte by byte), the counter of new numbers, foreign keys, indexes and further unique keys, triggers, computed columns (twice).'
        ].map((note) =>
          typeof note === 'string'
            ? expect.stringMatching(
                new RegExp(
                  note
                    .replace(/[()]/g, '\\$&')
                    .replace('\\(20\\)', '(\\(20\\))?')
                    .replace('default values,', 'default values,( checks,)?')
                )
              )
            : note
        )
      )
      const db = new DatabaseSync(file)
      const columns = db.prepare('SELECT name, "notnull" AS required, pk FROM pragma_table_info(\'things\')').all()
      db.close()
      expect(columns.map(({ name, required, pk }) => [name, required, pk])).toEqual([
        ['id', 1, 1],
        ['mood', 1, 0],
        ['shape', 0, 0],
        ['doc', 0, 0],
        ['parent_id', 0, 0]
      ])
    })
  })
}
