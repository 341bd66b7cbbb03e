import { readdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { ExportOutput } from '../../src/operations/backup/export.ts'
import { backupExport } from '../../src/operations/backup/export.ts'
import { diff } from '../../src/operations/diff.ts'
import { MysqlBench, STRATEGIES } from '../support/mysql-bench.ts'
import { EMPTY_MEMBER, makeTable, SUBJECTS } from '../support/mysql-types.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { restoreWithMysql } from '../support/stock-client.ts'

const server = inject('mysqlUrl')

/** The numbers from 0 to 49,999, as a table. */
const NUMBERS =
  '(WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < 999) SELECT a.n * 1000 + b.n n FROM r a, r b WHERE a.n < 50) numbers'

interface Exact {
  rows: string[]
  ddl: string
}

if (server === null) test.skip(`exports of MySQL: ${HOW_TO_PROVIDE}`)
else {
  let bench: MysqlBench
  let other: MysqlBench
  let files = 0

  beforeEach(async () => {
    bench = await MysqlBench.make(server)
    other = await MysqlBench.make(server)
  })

  afterEach(async () => {
    await bench.remove()
    await other.remove()
  })

  async function exactly(of: MysqlBench, table: string): Promise<Exact> {
    return { rows: await of.fingerprint(table), ddl: (await of.definition(table)).ddl }
  }

  async function exported(version: number): Promise<ExportOutput & { text: string }> {
    const output = await bench.db.run(backupExport, { version, out: bench.at(`${version}-${++files}.sql`) })
    return { ...output, text: await readFile(output.file, 'utf8') }
  }

  /** Writes a version's state and restores it with the stock client, into a database that is empty again. */
  async function restored(version: number, ...args: string[]): Promise<ExportOutput & { text: string }> {
    const output = await exported(version)
    await other.sql('SET foreign_key_checks = 0')
    for (const [name] of await other.rows("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"))
      await other.sql(`DROP TABLE \`${String(name).replaceAll('`', '``')}\``)
    await restoreWithMysql(other.url, output.file, args)
    return output
  }

  /** Makes one state of another in the other database, with the stock client. */
  async function applyDiff(from: number, to: number): Promise<string> {
    const { sql = '' } = await bench.db.run(diff, { from, to, sql: true })
    const file = bench.at(`diff-${++files}.sql`)
    await writeFile(file, sql)
    await restoreWithMysql(other.url, file)
    return sql
  }

  const subjects = { ...SUBJECTS, "a SET with a member ''": [EMPTY_MEMBER] }
  describe.each(STRATEGIES)('%s: every state is restored by the stock client, cell by cell', (strategy) => {
    test.each(Object.entries(subjects))('%s', async (_, cases) => {
      const known = cases
      const ids = Array.from({ length: await makeTable(bench, known) }, (_, id) => id)
      const states = [await exactly(bench, 't')]
      const changed = ids.map((id) => ({ id, note: 'new' }))
      await bench.load(changed, { table: 't', strategy, mode: 'update' })
      states.push(await exactly(bench, 't'))
      const gone = ids.filter((id) => id % 2 === 0).map((id) => ({ id }))
      await bench.load(gone, { table: 't', strategy, mode: 'delete' })
      states.push(await exactly(bench, 't'))
      for (const [version, state] of states.entries()) {
        const { rows, notes } = await restored(version)
        expect([rows, notes]).toEqual([state.rows.length, []])
        expect(await exactly(other, 't'), `version ${version}`).toEqual(state)
      }
      for (const [from, to] of [
        [2, 0],
        [0, 1],
        [1, 2]
      ] as const) {
        await applyDiff(from, to)
        expect(await exactly(other, 't'), `from version ${from} to ${to}`).toEqual(states[to])
      }
    })
  })

  test('tables of every shape, under names of every kind', async () => {
    await bench.sql(
      "CREATE TABLE `or``der \\ by; 'x'` (`select` INT PRIMARY KEY, `a``b` TEXT, `--c` INT) CHARSET utf8mb4",
      "INSERT INTO `or``der \\ by; 'x'` VALUES (0, ';\\n-- \\\\', 1), (1, '/* */ DELIMITER $$', NULL)",
      'CREATE TABLE nokey (a VARCHAR(9), b FLOAT, c BLOB) CHARSET latin1',
      "INSERT INTO nokey VALUES ('é', 0.1, X'00'), ('é', 0.1, X'00'), (NULL, NULL, NULL)",
      'CREATE TABLE hollow (a INT)',
      "CREATE TABLE made (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b INT AS (a * 2) STORED, c INT AS (a + 1) VIRTUAL, h VARCHAR(9) INVISIBLE DEFAULT 'x', u TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP, d BINARY(4) DEFAULT X'FF00275C', e BINARY(2) DEFAULT '\\0x') COMMENT 'it''s; \\\\ a\\nb'",
      "INSERT INTO made (id, a, h) VALUES (0, 1, 'y'), (-5, 2, 'z'), (7, NULL, NULL)",
      'DELETE FROM made WHERE id = 7',
      'CREATE TABLE child (id INT PRIMARY KEY, made INT, FOREIGN KEY (made) REFERENCES made (id) ON DELETE CASCADE)',
      'INSERT INTO child VALUES (1, -5)',
      'CREATE TABLE aaa (id INT PRIMARY KEY, child INT, CHECK (child > 0), FOREIGN KEY (child) REFERENCES child (id))',
      'INSERT INTO aaa VALUES (1, 1)'
    )
    const tables = ["or``der \\ by; 'x'", 'nokey', 'hollow', 'made', 'child', 'aaa']
    const before = await everything(bench, tables)
    await bench.load([{ id: 2, child: 1 }], { table: 'aaa', mode: 'insert' })
    for (const args of [[], ['--default-character-set=latin1']]) {
      await restored(0, ...args)
      expect(await everything(other, tables)).toEqual(before)
    }
    expect(before.flat().join()).toContain('AUTO_INCREMENT=8')
  })

  /** Definitions with their counters, and rows in no particular order. */
  function everything(of: MysqlBench, tables: readonly string[]): Promise<string[][]> {
    return Promise.all(
      tables.map(async (name) => {
        const columns = await of.rows(`SHOW COLUMNS FROM \`${name}\``)
        const cells = columns.map(([column]) => `HEX(\`${String(column).replaceAll('`', '``')}\`)`)
        const rows = await of.rows(`SELECT ${cells.join(', ')} FROM \`${name}\``)
        const [definition] = await of.rows(`SHOW CREATE TABLE \`${name}\``)
        const exact = name.includes('`') ? [] : await of.fingerprint(name)
        return [String(definition?.[1]), ...exact, ...rows.map((row) => row.join()).sort()]
      })
    )
  }

  test('members that the server prints as question marks are what they are', async () => {
    await bench.sql(
      "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a', '😀', '?', 'it''s 𝕏', '漢') CHARACTER SET utf8mb4 NOT NULL DEFAULT 'a' COMMENT 'enum(?)', s SET('x?', '😀,'))".replace(
        "'😀,'",
        "'😀'"
      )
    )
    await bench.sql("INSERT INTO t VALUES (1, '😀', 'x?,😀'), (3, '?', ''), (4, 'it''s 𝕏', '😀')")
    await bench.load(
      [
        { id: 2, e: 'it’s' },
        { id: 5, e: '😀', s: '😀' }
      ],
      { table: 't', mode: 'insert' }
    )
    const { text } = await restored(1)
    expect(text).toContain("enum('a','😀','?','it''s 𝕏','漢')")
    expect(text).toContain("set('x?','😀')")
    expect(await exactly(other, 't')).toEqual(await exactly(bench, 't'))
    await other.sql("INSERT INTO t (id, e) VALUES (9, '😀')")
    expect(await other.rows('SELECT e FROM t WHERE id = 9')).toEqual([['😀']])
  })

  test('triggers are restored as they were, and have not fired', async () => {
    await bench.sql(
      'CREATE TABLE t (id INT PRIMARY KEY)',
      'CREATE TABLE log (id INT)',
      "SET sql_mode = 'ANSI_QUOTES,ALLOW_INVALID_DATES'",
      'CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN IF NEW.id > 0 THEN INSERT INTO "log" VALUES (NEW.id); END IF; SET @a = \';;\'; END',
      "SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'",
      'INSERT INTO t VALUES (1), (2)'
    )
    await bench.load([{ id: 3 }], { table: 't', mode: 'insert' })
    const triggers = async (of: MysqlBench) => (await of.rows('SHOW CREATE TRIGGER tr')).map((row) => row.slice(0, 5))
    await restored(1)
    expect(await triggers(other)).toEqual(await triggers(bench))
    expect(await other.rows('SELECT id FROM log ORDER BY id')).toEqual([['1'], ['2'], ['3']])
    await other.sql('INSERT INTO t VALUES (9)')
    expect(await other.rows('SELECT max(id) FROM log')).toEqual([['9']])
  })

  test('statements stay below 4 MiB, and a longer row stands alone', async () => {
    await bench.sql(
      'CREATE TABLE t (id INT PRIMARY KEY, text LONGTEXT) CHARSET utf8mb4',
      "INSERT INTO t SELECT seq.n, REPEAT('漢', 400000) FROM (SELECT 1 n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) seq",
      "INSERT INTO t VALUES (9, REPEAT('x', 5000000))"
    )
    await bench.load([{ id: 10, text: 'short' }], { table: 't', mode: 'insert' })
    const { text } = await restored(1)
    const sizes = text.split(/^(?=INSERT INTO)/m).map((statement) => Buffer.byteLength(statement))
    expect(sizes.filter((size) => size >= 4 << 20)).toHaveLength(1)
    expect(sizes.filter((size) => size > 1 << 20).length).toBeGreaterThan(1)
    expect(await exactly(other, 't')).toEqual(await exactly(bench, 't'))
  })

  test('the file is of one moment while others write, and they do not wait', async () => {
    await bench.sql('CREATE TABLE a (id INT PRIMARY KEY)', 'CREATE TABLE b (id INT PRIMARY KEY)')
    await bench.load([{ id: 1 }], { table: 'a', mode: 'insert' })
    let stop = false
    const writer = (async () => {
      let last = 1
      while (!stop) {
        last++
        await bench.sql(
          'START TRANSACTION',
          `INSERT INTO a VALUES (${last})`,
          `INSERT INTO b VALUES (${last})`,
          'COMMIT'
        )
      }
      return last
    })()
    for (let i = 0; i < 5; i++) {
      const { tables } = await bench.db.run(backupExport, { version: 1, out: bench.at(`moment-${i}.sql`) })
      const [a, b] = tables.map(({ rows }) => rows)
      expect(a).toBe((b as number) + 1)
    }
    stop = true
    expect(await writer).toBeGreaterThan(5)
  })

  test('a diff as SQL: no key, unique values that move, triggers, tables that come and go', async () => {
    await bench.sql(
      'CREATE TABLE nokey (a VARCHAR(9) CHARACTER SET latin1, f FLOAT, b BLOB, e ENUM("x", "y"), d DECIMAL(9,2), j JSON)',
      `INSERT INTO nokey VALUES ('é', 0.1, X'00FF', 'x', 1.50, '{"a": 1}'), ('é', 0.1, X'00FF', 'x', 1.50, '{"a": 1}'), (NULL, NULL, NULL, 0, NULL, NULL)`,
      `INSERT INTO nokey VALUES (_latin1 X'81', 1.1, '', 'y', 0, '[]'), ('E', 0.1, X'00FF', 'x', 1.50, '{"a": 1}')`,
      'CREATE TABLE u (id INT PRIMARY KEY, name VARCHAR(9) UNIQUE)',
      "INSERT INTO u VALUES (1, 'a'), (2, 'b'), (3, 'c')",
      'CREATE TABLE log (id INT)',
      'CREATE TRIGGER tr AFTER UPDATE ON u FOR EACH ROW INSERT INTO log VALUES (NEW.id)'
    )
    const tables = ['nokey', 'u', 'log']
    const states = [await everything(bench, tables)]
    await bench.load([{ id: 3, name: 'd' }], { table: 'u', mode: 'upsert' })
    await bench.sql("UPDATE u SET name = 'x' WHERE id = 1", "UPDATE u SET name = 'a' WHERE id = 2")
    await bench.sql("UPDATE u SET name = 'b' WHERE id = 1", "DELETE FROM nokey WHERE a = 'é' LIMIT 1")
    await bench.sql('UPDATE nokey SET f = 0.7 WHERE e = 0', "DELETE FROM nokey WHERE e = 'y'")
    states.push(await everything(bench, tables))
    await bench.load([{ id: 1 }], { table: 'made', create: true })
    await restored(0)
    for (const [from, to] of [
      [0, 1],
      [1, 0],
      [0, 1]
    ] as const) {
      await applyDiff(from, to)
      expect(await everything(other, tables)).toEqual(states[to])
    }
    expect(await other.rows('SHOW TRIGGERS')).toHaveLength(1)
    await applyDiff(1, 2)
    expect(await everything(other, ['made'])).toEqual(await everything(bench, ['made']))
    await applyDiff(2, 1)
    expect(await other.rows("SHOW TABLES LIKE 'made'")).toEqual([])
  })

  test('a table that others redefine meanwhile ends the export without a file', async () => {
    await bench.sql('CREATE TABLE a (id INT PRIMARY KEY, text TEXT)', 'CREATE TABLE z (id INT PRIMARY KEY)')
    await bench.load([{ id: 1 }], { table: 'z', mode: 'insert' })
    await bench.sql(`INSERT INTO a SELECT n, REPEAT('x', 400) FROM ${NUMBERS}`)
    const out = bench.at('changed.sql')
    const work = bench.db.run(backupExport, { version: 1, out })
    const folder = bench.at('.')
    while (!(await readdir(folder)).some((name) => name.endsWith('.unfinished'))) await sleep(1)
    await bench.sql('ALTER TABLE z ADD COLUMN more INT')
    await expect(work).rejects.toMatchObject({ code: expect.stringMatching(/^(export|table)\.changed$/) })
    expect((await readdir(folder)).filter((name) => name.includes('.sql'))).toEqual([])
  })
}
