import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import { Workplace } from '../support/cli.ts'
import { MysqlBench } from '../support/mysql-bench.ts'
import { urlFor } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { errorOf } from '../support/suite-engine-bench.ts'

/** A shop past rowback, and what the test asks of it. */
interface Shop {
  db: Rowback
  /** A temporary table can be read twice in one query; not so on Oracle's MySQL. */
  readsTwice: boolean
  sql(...statements: string[]): Promise<void>
  /** Names of all that is there. */
  names(): Promise<string[]>
  load(table: string, text: string, strategy: 'snapshot' | 'incremental'): Promise<void>
  remove(): Promise<void>
}

const server = inject('mysqlUrl')

const HOSTS: Record<string, (() => Promise<Shop>) | null> = {
  async sqlite() {
    const place = await Workplace.make('rowback-at-')
    place.sql('CREATE TABLE countries (code VARCHAR(2) PRIMARY KEY, name VARCHAR(20))')
    const db = await open({
      target: `sqlite:${place.at('shop.db')}`,
      repository: place.at('.rowback'),
      author: 'tester'
    })
    return {
      db,
      readsTwice: true,
      sql: async (...statements) => place.sql(statements.join(';')),
      names: async () => place.rows('SELECT name FROM sqlite_schema').flat().map(String).sort(),
      load: (table, text, strategy) => loadText(db, place, table, text, strategy),
      async remove() {
        await db.close()
        await place.remove()
      }
    }
  },
  mysql:
    server === null
      ? null
      : async () => {
          const bench = await MysqlBench.make(server)
          await bench.sql('CREATE TABLE countries (code VARCHAR(2) PRIMARY KEY, name VARCHAR(20)) CHARSET utf8mb4')
          return {
            db: bench.db,
            readsTwice: bench.server.family === 'mariadb',
            sql: (...statements) => bench.sql(...statements),
            names: async () => (await bench.rows('SHOW TABLES')).flat().map(String).sort(),
            load: (table, text, strategy) => loadText(bench.db, bench.place, table, text, strategy),
            remove: () => bench.remove()
          }
        }
}

async function loadText(
  db: Rowback,
  place: Workplace,
  table: string,
  text: string,
  strategy: 'snapshot' | 'incremental'
) {
  const source = await place.write('source.csv', text)
  await db.migrate({ source, table, key: ['id'], create: true, mode: 'mirror', strategy, description: table })
}

for (const [name, make] of Object.entries(HOSTS)) {
  if (make === null) test.skip(`${name}: ${HOW_TO_PROVIDE}`)
  else {
    describe.each(['snapshot', 'incremental'] as const)(`${name}, %s: a query of the past`, (strategy) => {
      let shop: Shop
      const at = async (version: number | string, sql: string) => (await shop.db.query(sql, { at: version })).rows

      // 1: Ann and Bea; 2: their orders; 3: Bea is Bee, Cleo comes; 4: new orders; 5: things
      beforeEach(async () => {
        shop = await make()
        await shop.sql("INSERT INTO countries VALUES ('de', 'Germany'), ('cn', 'China')")
        await shop.load('customers', 'id,name,country\n1,Ann,de\n2,Bea,cn\n', strategy)
        await shop.load('orders', 'id,customer,price\n10,1,5.25\n11,2,7\n12,2,1.5\n', strategy)
        await shop.load('customers', 'id,name,country\n1,Ann,de\n2,Bee,cn\n3,Cleo,cn\n', strategy)
        await shop.load('orders', 'id,customer,price\n13,3,100\n', strategy)
        await shop.load('things', 'id,name\n1,x\n', strategy)
      })

      afterEach(() => shop.remove())

      test('joins, aggregates, subqueries and WITH', async () => {
        const before = await shop.names()
        const sums =
          'SELECT c.name, count(*), sum(o.price) FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.name ORDER BY c.name'
        const numbers = (rows: unknown[][]) => rows.map((row) => row.map((cell, i) => (i === 0 ? cell : Number(cell))))
        expect(numbers(await at(2, sums))).toEqual([
          ['Ann', 1, 5.25],
          ['Bea', 2, 8.5]
        ])
        expect(numbers(await at(3, sums))).toEqual([
          ['Ann', 1, 5.25],
          ['Bee', 2, 8.5]
        ])
        expect(numbers(await at(5, sums))).toEqual([['Cleo', 1, 100]])
        const names = 'SELECT name FROM customers WHERE id IN (SELECT customer FROM orders WHERE price > 6) ORDER BY id'
        expect(await at('2', names)).toEqual([['Bea']])
        const linked =
          'WITH rich AS (SELECT customer FROM orders GROUP BY customer HAVING sum(price) > 6), other AS (SELECT * FROM rich) ' +
          'SELECT c.name, k.name FROM customers AS c, countries AS k, other WHERE c.country = k.code AND other.customer = c.id'
        expect(await at(2, linked)).toEqual([['Bea', 'China']])
        const twice = [
          ['SELECT (SELECT count(*) FROM customers), max(name) FROM (SELECT * FROM customers) x', [2, 'Bea']],
          ['SELECT a.id, b.id FROM customers a JOIN customers b ON a.id < b.id', [1, 2]]
        ] as const
        for (const [sql, row] of twice) {
          if (shop.readsTwice || strategy === 'incremental') expect(await at(1, sql)).toEqual([row])
          else
            expect(await errorOf(at(1, sql))).toMatchObject({
              code: 'query.live',
              hint: expect.stringContaining('checkout N --to')
            })
        }
        expect(await shop.names()).toEqual(before)
        expect((await shop.db.query('SELECT count(*) FROM customers')).rows).toEqual([[3]])
      })

      test('a table that was not there is not read as it is now', async () => {
        for (const sql of [
          'SELECT * FROM things',
          'SELECT 1 FROM customers c, things',
          'SELECT 1 FROM customers WHERE EXISTS (SELECT 1 FROM things)',
          'WITH t AS (SELECT * FROM things) SELECT * FROM t',
          'SELECT 1 FROM customers c JOIN customers d ON c.id = d.id, things',
          // SQLite does not take a number and a word for two when nothing is between them.
          ...(name === 'mysql' ? ['SELECT 1.0FROM things', 'SELECT 1e0FROM things', 'SELECT \\NFROM things'] : [])
        ]) {
          const error = await errorOf(at(2, sql))
          expect([sql, error.code, error.message]).toEqual([
            sql,
            'table.missing',
            'There was no table things at version 2.'
          ])
        }
        expect(await at(2, 'SELECT things.name FROM customers AS things ORDER BY id')).toEqual([['Ann'], ['Bea']])
        expect((await errorOf(at(2, 'SELECT * FROM nowhere'))).code).toBe('query.invalid')
        await shop.sql('DROP TABLE things')
        expect((await errorOf(at(2, 'SELECT * FROM things'))).code).toBe('query.invalid')
      })

      test('a table that was dropped since', async () => {
        await shop.db.rollback(1, { description: 'back' })
        expect(await shop.names()).not.toContain('orders')
        expect(await at(2, 'SELECT count(*) FROM orders')).toEqual([[3]])
        const changed = await shop.db.diff(2, 4, { table: 'orders' })
        expect(changed.tables).toMatchObject([{ table: 'orders', inserted: 1, updated: 0, deleted: 3 }])
        expect((await shop.db.diff(2)).tables.map(({ table, deleted }) => [table, deleted])).toEqual([['orders', 3]])
      })

      test('views are over the tables as they were', async () => {
        await shop.sql(
          'CREATE VIEW named AS SELECT id, name AS called FROM customers',
          'CREATE VIEW longer AS SELECT n.called, o.price FROM named n JOIN orders o ON o.customer = n.id',
          'CREATE VIEW late AS SELECT * FROM things'
        )
        expect(await at(2, 'SELECT called FROM longer ORDER BY price DESC')).toEqual([['Bea'], ['Ann'], ['Bea']])
        expect((await errorOf(at(2, 'SELECT * FROM late'))).message).toBe('There was no table things at version 2.')
      })

      test('only what reads can be asked, one statement at a time', async () => {
        for (const sql of [
          'DELETE FROM customers',
          'CREATE TABLE x (id INT)',
          "INSERT INTO customers VALUES (9, 'x', 'de')"
        ]) {
          expect((await errorOf(at(1, sql))).code).toBe('query.writes')
        }
        expect((await errorOf(at(1, 'SELECT 1; SELECT 2'))).code).toBe('query.several')
        for (const version of [1, undefined]) {
          const error = await errorOf(shop.db.query('selec 1', version === undefined ? {} : { at: version }))
          expect([error.code, error.message]).toEqual(['query.invalid', expect.stringMatching(/near ["']selec/)])
        }
      })

      test('a version by its time, and none that early', async () => {
        const versions = await shop.db.log()
        const finished = versions.find(({ version }) => version === 2)?.finishedAt as string
        expect(await at(finished, 'SELECT name FROM customers WHERE id = 2')).toEqual([['Bea']])
        expect(await at('2999-01-01', 'SELECT name FROM customers WHERE id = 2')).toEqual([['Bee']])
        expect((await errorOf(at('2020-01-01T00:00Z', 'SELECT 1'))).code).toBe('version.unknown')
        expect((await errorOf(at('2020-13-77', 'SELECT 1'))).message).toBe('"2020-13-77" is not a time.')
      })

      test('the newest state is asked as it is', async () => {
        expect(await at(5, 'SELECT name FROM things')).toEqual([['x']])
      })
    })
  }
}

if (server !== null) {
  describe('mysql: what could read live rows is refused', () => {
    let bench: MysqlBench

    beforeEach(async () => {
      bench = await MysqlBench.make(server)
      await bench
        .sql(
          "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, word VARCHAR(20) COLLATE utf8mb4_general_ci, mood ENUM('b', 'a'), " +
            'doc JSON, size INT AS (LENGTH(word)), FULLTEXT KEY (word)) CHARSET utf8mb4',
          "INSERT INTO t (id, word, mood, doc) VALUES (0, 'abc', 'b', '{}'), (2, 'ABD', 'a', NULL)",
          'CREATE TABLE child (id INT PRIMARY KEY, t INT, note TEXT, FOREIGN KEY (t) REFERENCES t (id)) PARTITION BY KEY (id)'
        )
        .catch(() => bench.sql('CREATE TABLE child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t (id))'))
      await bench.load([{ id: 1 }], { table: 'zz_other', create: true, key: ['id'] })
      await bench.sql('CREATE FUNCTION now_there() RETURNS INT READS SQL DATA RETURN (SELECT count(*) FROM t)')
    })

    afterEach(() => bench.remove())

    test.each([
      ['a function', 'SELECT NOW_THERE() FROM t'],
      ['a function of a database', 'SELECT x.now_there() FROM t'],
      ['another database', 'SELECT * FROM mysql.user'],
      ['another database, in words', 'SELECT * FROM `information_schema` . `TABLES`'],
      ['a comment that is run', 'SELECT 1 /*! FROM t */'],
      ['what is no query', 'SHOW TABLES']
    ])('%s', async (_, sql) => {
      const error = await errorOf(bench.db.query(sql, { at: 0 }))
      expect([error.code, error.hint]).toEqual(['query.live', expect.stringContaining('rowback checkout N --to')])
    })

    test('a user who may not make temporary tables is told so', async () => {
      const [[name]] = (await bench.rows('SELECT DATABASE()')) as [[string]]
      const user = `u_${name.slice(-12)}`
      await bench.sql(
        `CREATE USER ${user}@'%' IDENTIFIED BY 'secret'`,
        `GRANT SELECT ON ${name}.* TO ${user}@'%'`,
        `GRANT SELECT ON ${name}_rowback.* TO ${user}@'%'`
      )
      const db = await open({
        target: urlFor(bench.url, { user, password: 'secret' }),
        repository: bench.place.at('.rowback')
      })
      try {
        const error = await errorOf(db.query('SELECT * FROM t', { at: 0 }))
        expect([error.code, error.hint]).toEqual([
          'privilege.missing',
          expect.stringContaining('CREATE TEMPORARY TABLES')
        ])
      } finally {
        await db.close()
        await bench.sql(`DROP USER ${user}@'%'`)
      }
    })

    test('rows compare and sort as they do live, by every way to name the table', async () => {
      await bench.sql('UPDATE t SET word = NULL')
      const ask = async (sql: string) => (await bench.db.query(sql, { at: 0 })).rows
      const [[database]] = (await bench.rows('SELECT DATABASE()')) as [[string]]
      expect(await ask("SELECT id, size FROM t WHERE word = 'ABC'")).toEqual([[0, 3]])
      expect(await ask(`SELECT mood FROM ${database}.t ORDER BY mood`)).toEqual([['b'], ['a']])
      expect(await ask("SELECT doc -- FROM other.x\nFROM `t` WHERE word = 'abc' # FROM y\n")).toEqual([['{}']])
      expect(await ask("SELECT ' FROM mysql.user ' FROM (t) LIMIT 1")).toEqual([[' FROM mysql.user ']])
      expect(await ask('SELECT count(*) FROM child')).toEqual([[0]])
      expect(await bench.rows('SELECT word FROM t')).toEqual([[null], [null]])
    })
  })
}
