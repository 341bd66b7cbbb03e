import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open, RowbackError } from '../../src/index.ts'
import { Workplace } from '../support/cli.ts'
import { MysqlBench } from '../support/mysql-bench.ts'
import { urlFor } from '../support/mysql-shop.ts'
import type { TypeCase } from '../support/mysql-types.ts'
import { makeTable, SUBJECTS } from '../support/mysql-types.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')
const STRATEGY = 'incremental'
const MAY_BE_REFUSED = new Set(['numbers', 'numbered texts'])

describe('sqlite: a tracked table is asked where it stands', () => {
  let place: Workplace
  let db: Rowback

  // 1: Ann and bea; 2: bea is Bob, Cleo comes, Ann goes
  beforeEach(async () => {
    place = await Workplace.make('rowback-in-place-')
    place.sql(
      'CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, size INT AS (length(name))); CREATE INDEX by_name ON people (name)'
    )
    place.sql("CREATE TABLE cities (name TEXT PRIMARY KEY); INSERT INTO cities VALUES ('Rome')")
    db = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), author: 'tester' })
    const load = async (text: string) => {
      const source = await place.write('people.csv', text)
      await db.migrate({ source, table: 'people', mode: 'mirror', strategy: STRATEGY, description: 'people' })
    }
    await load('id,name\n1,Ann\n2,bea\n')
    await load('id,name\n2,Bob\n3,Cleo\n')
  })

  afterEach(async () => {
    await db.close()
    await place.remove()
  })

  const at1 = async (sql: string) => (await db.query(sql, { at: 1 })).rows

  test('by the indexes of the table and of its history', async () => {
    const plan = (await at1('EXPLAIN QUERY PLAN SELECT name FROM people WHERE id = 2')).map((row) => row[3])
    expect(plan.filter((step) => String(step).startsWith('SEARCH'))).toEqual([
      'SEARCH rowback_live.people USING INTEGER PRIMARY KEY (rowid=?)',
      expect.stringMatching(/^SEARCH rowback_live.history_people USING INDEX .*id=\?/)
    ])
  })

  test.each([
    [
      'all columns',
      'SELECT p.id, p.name FROM people p ORDER BY 1',
      [
        [1, 'Ann'],
        [2, 'bea']
      ]
    ],
    ['the collation', "SELECT id FROM people WHERE name = 'BEA'", [[2]]],
    ['text for a number', "SELECT name FROM people WHERE id = '2'", [['bea']]],
    ['a computed column', 'SELECT size FROM people WHERE id = 2', [[3]]],
    ['every column', 'SELECT * FROM people WHERE id = 2', [[2, 'bea', 3]]],
    ['no column', 'SELECT count(*) FROM people', [[2]]],
    ['the schema', 'SELECT name FROM main.people WHERE id = 2', [['bea']]],
    ['rowid', 'SELECT rowid FROM people ORDER BY 1', [[1], [2]]],
    ['a table that is not tracked', 'SELECT c.name, p.name FROM cities c, people p WHERE p.id = 1', [['Rome', 'Ann']]],
    ['a name of the statement', 'WITH people AS (SELECT 5 AS id) SELECT id FROM people', [[5]]],
    ['a subquery', 'SELECT name FROM cities WHERE EXISTS (SELECT 1 FROM people WHERE id = 1)', [['Rome']]]
  ])('%s', async (_, sql, rows) => {
    expect(await at1(sql)).toEqual(rows)
  })

  test('through views, and nothing of the live file else', async () => {
    place.sql('CREATE VIEW named AS SELECT * FROM people')
    const source = await place.write('late.csv', 'id\n1\n')
    await db.migrate({ source, table: 'late', create: true, strategy: STRATEGY, description: 'late' })
    expect(await at1('SELECT id, name FROM named ORDER BY id')).toEqual([
      [1, 'Ann'],
      [2, 'bea']
    ])
    for (const sql of ['SELECT * FROM late, people', 'SELECT name FROM people, rowback_live.people']) {
      await expect(at1(sql), sql).rejects.toThrow(/There was no table late|no such table/)
    }
    await expect(at1('SELECT id FROM people, history_people')).rejects.toThrow('no table history_people')
  })

  test('one question after another, each of its own state, tables and views', async () => {
    place.sql('CREATE VIEW "Älter" AS SELECT name FROM people')
    const asked = async (sql: string, at: number) => (await db.query(sql, { at })).rows.map(String)
    const load = async (text: string) => {
      const source = await place.write('people.csv', text)
      await db.migrate({ source, table: 'people', strategy: STRATEGY, description: 'more' })
    }
    await load('id,name\n4,Dan\n')
    for (const _ of [1, 2]) {
      expect(await asked('SELECT id FROM people ORDER BY id', 1)).toEqual(['1', '2'])
      expect(await asked('SELECT name FROM "Älter" ORDER BY name', 2)).toEqual(['Bob', 'Cleo'])
      expect(await asked('SELECT c.name FROM cities c JOIN people p ON p.id = 3', 2)).toEqual(['Rome'])
      await expect(asked('SELECT missing FROM people', 2)).rejects.toThrow('no such column')
      expect(await asked('SELECT name FROM people WHERE id = 2', 1)).toEqual(['bea'])
      expect(await asked('SELECT name FROM people WHERE id = 2', 2)).toEqual(['Bob'])
    }
  })

  test('most of a large table by reading it, and little of it by the index', async () => {
    const load = async (from: number, to: number) => {
      const ids = Array.from({ length: to - from }, (_, i) => from + i)
      const source = await place.write('more.csv', `id,name\n${ids.map((id) => `${id},n${id}`).join('\n')}\n`)
      await db.migrate({ source, table: 'people', strategy: STRATEGY, description: 'more' })
    }
    await load(10, 2010)
    await load(2010, 2020)
    const sql = 'SELECT count(name) FROM people'
    const steps = async (at: number) =>
      (await db.query(`EXPLAIN QUERY PLAN ${sql}`, { at })).rows.map((row) => String(row[3]))
    expect((await db.query(sql, { at: 3 })).rows).toEqual([[2002]])
    expect(await steps(3)).toContain('SCAN rowback_live.people')
    expect((await db.query(sql, { at: 2 })).rows).toEqual([[2]])
    expect((await steps(2)).join()).toContain('SEARCH rowback_live.people USING INDEX rowback_version_people')
  })

  test('while another program writes', async () => {
    place.sql('PRAGMA journal_mode = WAL')
    place.sql("INSERT INTO people (id, name, version_id) VALUES (9, 'Zoe', 2)")
    expect(await at1('SELECT id FROM people ORDER BY id')).toEqual([[1], [2]])
  })
})

if (server === null) test.skip(`mysql: a tracked table is asked where it stands: ${HOW_TO_PROVIDE}`)
else {
  describe('mysql: a tracked table is asked where it stands', () => {
    let bench: MysqlBench

    beforeEach(async () => {
      bench = await MysqlBench.make(server)
    })

    afterEach(() => bench.remove())

    const asked = async (sql: string, at?: number) =>
      (await bench.db.query(sql, at === undefined ? {} : { at })).rows.map(String)

    test.each(Object.entries(SUBJECTS))('%s read as they did', async (subject, cases: readonly TypeCase[]) => {
      const ids = Array.from({ length: await makeTable(bench, cases) }, (_, id) => id)
      const note = (id: number) => ({ id, note: 'new' })
      await bench.load(ids.filter((id) => id % 3 === 0).map(note), { table: 't', strategy: STRATEGY, mode: 'update' })
      const columns = (await bench.rows('SHOW COLUMNS FROM t'))
        .map(([name]) => name)
        .filter((name) => name !== 'version_id')
      const questions = [
        'SELECT * FROM t ORDER BY id',
        // Each alone, so that those whose columns stay what they are in a union are read in place.
        ...columns.map((name) => `SELECT id, ${name}, MIN(${name}) FROM t GROUP BY id, ${name} ORDER BY ${name}, id`)
      ]
      // Oracle's server has no MIN of a geometry, and sorts no text of megabytes.
      const before = await Promise.all(questions.map((sql) => asked(sql).catch(() => null)))
      expect(before[0], questions[0]).not.toBeNull()
      await bench.load(ids.filter((id) => id % 2 === 0).map(note), { table: 't', strategy: STRATEGY, mode: 'update' })
      await bench.load(
        ids.filter((id) => id % 4 === 1).map((id) => ({ id })),
        { table: 't', strategy: STRATEGY, mode: 'delete' }
      )
      for (const [i, sql] of questions.entries()) {
        if (before[i] === null) continue
        const answer = await asked(sql, 1).catch((error: unknown) => error)
        // What neither a union nor a temporary table holds exactly is refused: an ENUM's 0, a FLOAT's -0.
        if (MAY_BE_REFUSED.has(subject) && answer instanceof RowbackError) expect(answer.code).toBe('restore.mismatch')
        else expect(answer, sql).toEqual(before[i])
      }
    })

    test('by a user who may only read, in every form of statement', async () => {
      await bench.sql(
        'CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20)) CHARSET utf8mb4',
        "INSERT INTO t VALUES (1, 'Ann'), (2, 'Bea')"
      )
      await bench.load([{ id: 2, name: 'Bob' }], { table: 't', strategy: STRATEGY })
      await bench.load([{ id: 3, name: 'Cleo' }], { table: 't', strategy: STRATEGY, mode: 'mirror' })
      const [[name]] = (await bench.rows('SELECT DATABASE()')) as [[string]]
      const user = `u_${name.slice(-12)}`
      await bench.sql(
        `CREATE USER ${user}@'%' IDENTIFIED BY 'secret'`,
        `GRANT SELECT ON ${name}.* TO ${user}@'%'`,
        `GRANT SELECT ON ${name}_rowback.* TO ${user}@'%'`
      )
      const db = await open({
        target: urlFor(bench.url, { user, password: 'secret' }),
        repository: bench.at('.rowback')
      })
      try {
        for (const [sql, rows] of [
          [
            'SELECT * FROM t ORDER BY id',
            [
              [1, 'Ann'],
              [2, 'Bob']
            ]
          ],
          ['select count(*) from t', [[2]]],
          ['SELECT a.name FROM t a JOIN t b ON a.id = b.id + 1', [['Bob']]],
          ['WITH x AS (SELECT max(id) AS id FROM t) SELECT id FROM x', [[2]]],
          [
            'WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT n.i, t.name FROM n JOIN t ON t.id = n.i',
            [
              [1, 'Ann'],
              [2, 'Bob']
            ]
          ],
          ['(SELECT name FROM t WHERE id = 2) UNION ALL (SELECT max(name) FROM t)', [['Bob'], ['Bob']]],
          ['SELECT 1 FROM (SELECT id FROM t WHERE id IN (SELECT max(id) FROM t)) s', [[1]]]
        ] as const) {
          expect((await db.query(sql, { at: 1 })).rows, sql).toEqual(rows)
        }
      } finally {
        await db.close()
        await bench.sql(`DROP USER ${user}@'%'`)
      }
    })

    test('and in other forms by temporary tables', async () => {
      await bench.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), mood ENUM('z', 'a')) CHARSET utf8mb4",
        "INSERT INTO t VALUES (1, 'Ann', 'z'), (2, 'Bea', 'a')"
      )
      await bench.load([{ id: 2, name: 'Bob' }], { table: 't', strategy: STRATEGY })
      await bench.load([{ id: 3, name: 'Cleo' }], { table: 't', strategy: STRATEGY, mode: 'mirror' })
      for (const [sql, rows] of [
        ['SELECT id FROM t ORDER BY mood', ['1', '2']],
        ['SELECT max(id) FROM t FORCE INDEX (PRIMARY)', ['2']],
        ['WITH t AS (SELECT id + 10 AS id FROM t) SELECT max(id) FROM t', ['12']],
        ['TABLE t', ['1,Ann,z', '2,Bob,a']],
        ['/* first */ WITH x AS (SELECT id FROM t) SELECT max(id) FROM x', ['2']]
      ] as const) {
        if (sql === 'TABLE t' && bench.server.family === 'mariadb') continue
        expect(await asked(sql, 1), sql).toEqual(rows)
      }
    })
  })
}
