import { createConnection } from 'mysql2/promise'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openEngine } from '../../src/engines/registry.ts'
import { MysqlBench, STRATEGIES } from '../support/mysql-bench.ts'
import { makeTable, SUBJECTS } from '../support/mysql-types.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { errorOf } from '../support/suite-engine-bench.ts'
import type { ExecHost, ExecShop } from '../support/suite-exec.ts'
import { countsOf, execTests, runScript } from '../support/suite-exec.ts'

const server = inject('mysqlUrl')

async function openShop(): Promise<ExecShop & { bench: MysqlBench }> {
  const bench = await MysqlBench.make(server as string)
  return {
    bench,
    db: bench.db,
    place: bench.place,
    url: bench.url,
    sql: (...statements) => bench.sql(...statements),
    rows: (query) => bench.rows(query),
    remove: () => bench.remove()
  }
}

const mysql: ExecHost = {
  open: openShop,
  loggingTriggers: ['INSERT', 'UPDATE', 'DELETE'].map(
    (what) => `CREATE TRIGGER log_${what} AFTER ${what} ON orders FOR EACH ROW INSERT INTO log VALUES ('${what}')`
  ),
  writableView: ["CREATE VIEW romans AS SELECT * FROM customers WHERE city = 'Rome'"],
  ignoringCase: 'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci',
  refused: [
    ['TRUNCATE t', /TRUNCATE: it changes the schema/],
    ['SET autocommit = 1', /SET .*changes the session/],
    ['SET @a = 1, @@session.sql_log_bin = 0', /SET .*changes the session/],
    ['LOCK TABLES t WRITE', /LOCK/],
    ['USE mysql', /USE/],
    ['CALL something()', /may commit/],
    ["PREPARE x FROM 'DROP TABLE t'", /PREPARE/],
    ["SELECT 'x' INTO OUTFILE '/tmp/x'", /writes a file/],
    ["LOAD DATA INFILE 'x' INTO TABLE t", /LOAD/],
    ['/*!50000 DROP TABLE t */', /comment/],
    ['SELECT RELEASE_ALL_LOCKS()', /locks/],
    ['UPDATE mysql.user SET user = 1', /mysql is another database/],
    ['BEGIN NOT ATOMIC DELETE FROM t; END', /one transaction/],
    ['SET STATEMENT max_statement_time=1 FOR DELETE FROM t', /SET/]
  ]
}

describe.skipIf(server === null)(`MySQL (${HOW_TO_PROVIDE}): a script of SQL as a version,`, () => {
  execTests(mysql)

  describe.each(STRATEGIES)('%s:', (strategy) => {
    let shop: Awaited<ReturnType<typeof openShop>>

    beforeEach(async () => {
      shop = await openShop()
      await shop.sql(
        'CREATE TABLE gate (id INT PRIMARY KEY, n INT)',
        `CREATE TABLE goods (id INT PRIMARY KEY, name VARCHAR(40), note VARCHAR(40),
          seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (name))`,
        'CREATE TABLE log (what VARCHAR(40))',
        'INSERT INTO gate VALUES (1, 0)',
        "INSERT INTO goods (id, name, seen) VALUES (1, 'a', '2020-01-01'), (2, 'b', '2020-01-01'), (3, 'c', '2020-01-01')"
      )
    })

    afterEach(() => shop.remove())

    const exec = (text: string) => runScript(shop, text, { strategy, wait: 30 })
    const goods = () => shop.rows('SELECT id, name, note, seen FROM goods ORDER BY id')

    test('what others changed before its turn came is not its doing', async () => {
      await exec('UPDATE goods SET note = NULL; UPDATE gate SET n = 0')
      const others = await createConnection(shop.url)
      await shop.sql('BEGIN', 'SELECT * FROM gate FOR UPDATE')
      const done = exec("UPDATE gate SET n = 1; UPDATE goods SET note = 'script' WHERE id = 1")
      await until(async () => (await others.query(WAITING))[0])
      await others.query("UPDATE goods SET note = 'others' WHERE id = 2")
      await others.query("INSERT INTO goods (id, name) VALUES (9, 'others')")
      await others.end()
      await shop.sql('COMMIT')
      expect(countsOf(await done)).toEqual({ gate: [0, 1, 0], goods: [0, 1, 0] })
      if (strategy === 'snapshot') return
      expect(await shop.rows('SELECT id, version_id FROM goods ORDER BY id')).toEqual([
        ['1', '2'],
        ['2', '0'],
        ['3', '0'],
        ['9', '0']
      ])
    })

    test('others who write the same tables wait, whichever rows they want', async () => {
      await shop.sql('ALTER TABLE gate RENAME zgate')
      await exec('UPDATE goods SET note = NULL; UPDATE zgate SET n = 0')
      const others = await createConnection(shop.url)
      await others.query('SET innodb_lock_wait_timeout = 1')
      await shop.sql('BEGIN', 'SELECT * FROM zgate FOR UPDATE')
      const done = exec("UPDATE zgate SET n = 1; UPDATE goods SET note = 'script' WHERE id = 1")
      await until(async () => (await others.query(WAITING))[0])
      for (const statement of ["UPDATE goods SET note = 'x' WHERE id = 3", 'INSERT INTO goods (id) VALUES (7)']) {
        await expect(others.query(statement), statement).rejects.toMatchObject({ errno: 1205 })
      }
      await others.end()
      await shop.sql('COMMIT')
      expect(countsOf(await done)).toEqual({ goods: [0, 1, 0], zgate: [0, 1, 0] })
    })

    test('marking rows does not set what the server sets by itself on an update', async () => {
      const before = await goods()
      await exec(
        "UPDATE goods SET note = 'x', seen = '2021-01-01' WHERE id = 1; INSERT INTO goods VALUES (4, 'd', NULL, '2022-01-01')"
      )
      const after = await goods()
      expect(after.map((row) => row[3])).toEqual([
        '2021-01-01 00:00:00',
        '2020-01-01 00:00:00',
        '2020-01-01 00:00:00',
        '2022-01-01 00:00:00'
      ])
      await shop.db.rollback(0)
      expect(await goods()).toEqual(before)
      await shop.db.rollback(1)
      expect(await goods()).toEqual(after)
    })

    test('is read as the stock client reads it', async () => {
      const done = await exec(`
        # a comment; with a semicolon
        SET @to := 'x;y', @n = greatest(1, 2);
        DELIMITER $$
        UPDATE goods SET note = CONCAT(@to, ' it\\'s; ', "a ""b"" -- c") WHERE id = @n $$
        DELIMITER ;
        UPDATE goods t JOIN gate AS g ON g.id = t.id SET t.name = 'z' /* ; */ WHERE t.id-- 1
          = 1`)
      expect(done.statements).toBe(3)
      expect((await goods()).map((row) => row.slice(0, 3))).toEqual([
        ['1', 'z', null],
        ['2', 'b', 'x;y it\'s; a "b" -- c'],
        ['3', 'c', null]
      ])
      expect(countsOf(done)).toEqual({ gate: [0, 0, 0], goods: [0, 2, 0] })
    })

    test('what the server warns of is told', async () => {
      const { notes } = await exec('INSERT IGNORE INTO gate VALUES (1, 5)')
      expect(notes.join(' ')).toMatch(/Statement 1 \(line 1\): the server warns: Duplicate entry/)
    })

    test('what a stored function writes belongs to it', async () => {
      await shop.sql(`CREATE FUNCTION note_down(what VARCHAR(40)) RETURNS INT MODIFIES SQL DATA
        BEGIN INSERT INTO log VALUES (what); UPDATE gate SET n = n + 1; RETURN 1; END`)
      expect(countsOf(await exec('SELECT note_down(name) FROM goods'))).toEqual({ gate: [0, 1, 0], log: [3, 0, 0] })
      await shop.db.rollback(0)
      expect(await shop.rows('SELECT n FROM gate')).toEqual([['0']])
      expect(await shop.rows('SELECT * FROM log')).toEqual([])
    })

    test('what could not be taken back is refused before anything runs', async () => {
      await exec('UPDATE gate SET n = 0')
      await shop.sql(
        'CREATE TABLE isam (id INT PRIMARY KEY) ENGINE=MyISAM',
        'CREATE TABLE isam_too (id INT PRIMARY KEY) ENGINE=MyISAM',
        'CREATE TRIGGER noted AFTER UPDATE ON gate FOR EACH ROW INSERT INTO isam VALUES (1)'
      )
      const isam =
        'What a script does to isam cannot be taken back: its storage engine MyISAM undoes nothing when a script fails half-way.'
      const reached = ' The script does not name isam. The trigger noted of gate may write any table.'
      for (const [script, how] of [
        ['DELETE FROM goods; INSERT INTO isam VALUES (1)', ''],
        ['UPDATE gate SET n = 1', reached]
      ] as const) {
        const fires = strategy === 'incremental' && how !== ''
        const message = fires ? expect.stringContaining('its trigger noted would fire') : `${isam}${how}`
        expect(await errorOf(exec(script)), script).toMatchObject({ code: 'strategy.unfit', message })
      }
      expect((await goods()).length).toBe(3)
      expect(countsOf(await exec("UPDATE goods SET note = 'fits'"))).toEqual({ goods: [0, 3, 0] })
    })
  })

  test('a statement that ends the transaction is noticed', async () => {
    const shop = await openShop()
    const engine = await openEngine(shop.url)
    try {
      const text = 'COMMIT'
      const statement = { number: 2, line: 5, text, words: [], hidden: false }
      const run = engine.transaction({ wait: 1000, foreignKeys: true }, () =>
        engine.runScript({ statements: [statement], tables: [], version: 1, goOn: () => {} })
      )
      expect(await errorOf(run)).toMatchObject({
        code: 'script.committed',
        message: expect.stringContaining('Statement 2 (line 5)'),
        state: expect.stringContaining('in no version')
      })
    } finally {
      await engine.close()
      await shop.remove()
    }
  })

  describe.each(STRATEGIES)('%s: values of every type', (strategy) => {
    test.each(Object.entries(SUBJECTS))('%s', async (_, all) => {
      // A history is made by definitions, which servers print with `?` for a member of ENUM like this one.
      const cases = all.filter(({ column }) => strategy === 'snapshot' || !column.includes('😀'))
      const shop = await openShop()
      try {
        await makeTable(shop.bench, cases)
        const [[half]] = (await shop.rows('SELECT count(*) FROM t WHERE id % 2 = 0')) as [[string]]
        await shop.bench.goesBackAndForth('t', async () => {
          const one = await runScript(shop, "UPDATE t SET note = 'one' WHERE id = 0", { strategy })
          expect(countsOf(one)).toEqual({ t: [0, 1, 0] })
          const moved = await runScript(shop, 'UPDATE t SET id = id + 100000 WHERE id % 2 = 0', { strategy })
          expect(countsOf(moved)).toEqual({ t: [Number(half), 0, Number(half)] })
        })
      } finally {
        await shop.remove()
      }
    })
  })
})

/** Somebody waits for a lock. */
const WAITING = "SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"

async function until(rows: () => Promise<unknown>): Promise<void> {
  // MySQL tells what it told before where it is asked again within 100 ms.
  for (let i = 0; i < 100; i++) {
    if (((await rows()) as unknown[]).length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error('it did not come')
}
