import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ExecOutput, Rowback } from '../../src/index.ts'
import { rows as rowsOperation } from '../../src/operations/rows.ts'
import type { Workplace } from './cli.ts'
import { errorOf } from './suite-engine-bench.ts'

/** A database past rowback, and what the tests ask of it. */
export interface ExecShop {
  db: Rowback
  place: Workplace
  url: string
  /** Runs statements past rowback. */
  sql(...statements: string[]): Promise<void>
  /** Rows of a query past rowback, each cell as text. */
  rows(query: string): Promise<(string | null)[][]>
  remove(): Promise<void>
}

export type ExecOptions = Omit<Parameters<Rowback['exec']>[0], 'script'>

/** What an engine's words for the same things are. */
export interface ExecHost {
  open(): Promise<ExecShop>
  /** Makes `before`, or `after`, each change of `orders` write its kind into `log (what)`. */
  loggingTriggers: string[]
  /** Makes what is written to the view `romans`, of customers in Rome, go into `customers`. */
  writableView: string[]
  /** A type of text that compares without case. */
  ignoringCase: string
  refused: [script: string, reason: RegExp][]
}

export async function runScript(shop: ExecShop, text: string, options: ExecOptions = {}): Promise<ExecOutput> {
  const script = await shop.place.write('fix.sql', text)
  return shop.db.exec({ script, description: 'a fix', ...options })
}

/** What became of each table, in short. */
export function countsOf({ tables }: Pick<ExecOutput, 'tables'>): Record<string, [number, number, number]> {
  return Object.fromEntries(
    tables.map(({ table, inserted, updated, deleted }) => [table, [inserted, updated, deleted]] as const)
  )
}

const FIX = `-- The names of Q3
UPDATE customers SET name = trim(name) WHERE name <> trim(name);
/* gone; with her orders */ DELETE FROM customers WHERE id = 3;
INSERT INTO customers (id, name, city) SELECT id + 100, name, city FROM customers WHERE city = 'Rome';
UPDATE customers SET id = 5 WHERE id = 2`

/** What a script of SQL does as a version, on one engine. */
export function execTests(host: ExecHost): void {
  describe.each(['snapshot', 'incremental'] as const)('under %s', (strategy) => {
    let shop: ExecShop

    beforeEach(async () => {
      shop = await host.open()
      await shop.sql(
        'CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(40), city VARCHAR(40))',
        'CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, total INTEGER, ' +
          'FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE)',
        'CREATE TABLE log (what VARCHAR(20))',
        "INSERT INTO customers VALUES (1, ' Ann ', 'Paris'), (2, 'Bob', 'Rome'), (3, 'Cyd', 'Rome')",
        'INSERT INTO orders VALUES (10, 1, 5), (11, 2, 6), (12, 3, 7)',
        "INSERT INTO log VALUES ('made'), ('made')"
      )
    })

    afterEach(() => shop.remove())

    const exec = (text: string, options: ExecOptions = {}) => runScript(shop, text, { strategy, ...options })

    const all = async () => [
      await shop.rows('SELECT id, name, city FROM customers ORDER BY id'),
      await shop.rows('SELECT id, customer, total FROM orders ORDER BY id'),
      await shop.rows('SELECT what FROM log ORDER BY what')
    ]

    /** Goes to every version, the newest last, and finds there what it left. */
    async function goesBackTo(states: unknown[]): Promise<void> {
      for (const [version, state] of [...states.entries()].slice(0, -1).reverse()) {
        await shop.db.rollback(version)
        expect(await all(), `version ${version}`).toEqual(state)
      }
      await shop.db.rollback(states.length - 1)
      expect(await all(), 'and forward again').toEqual(states.at(-1))
    }

    test('captures what it changed, cascades and moved keys included', async () => {
      const states = [await all()]
      const done = await exec(FIX, { author: 'Li Lei <li@example.com>', remarks: 'from finance', tag: 'q3' })
      expect(done).toMatchObject({
        version: 1,
        kind: 'exec',
        status: 'committed',
        strategy,
        author: { email: 'li@example.com' },
        description: 'a fix',
        remarks: 'from finance',
        tag: 'q3',
        source: { name: 'fix.sql', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        statements: 4
      })
      expect(countsOf(done)).toEqual({ customers: [2, 1, 2], orders: [0, 1, 1] })
      expect(await all()).toEqual([
        [
          ['1', 'Ann', 'Paris'],
          ['5', 'Bob', 'Rome'],
          ['102', 'Bob', 'Rome']
        ],
        [
          ['10', '1', '5'],
          ['11', '5', '6']
        ],
        [['made'], ['made']]
      ])
      states.push(await all())
      await exec('UPDATE orders SET total = total + 1; DELETE FROM customers WHERE id = 102;')
      states.push(await all())
      const diff = await shop.db.diff(0, 1)
      expect(diff.tables.map(({ table, inserted, updated, deleted }) => [table, inserted, updated, deleted])).toEqual([
        ['customers', 2, 1, 2],
        ['orders', 0, 1, 1]
      ])
      const written = await shop.db.run(rowsOperation, { version: 2, succeeded: true })
      expect(written.rows.map((row) => [row.table, 'op' in row && row.op])).toEqual([
        ['customers', 'delete'],
        ['orders', 'update'],
        ['orders', 'update']
      ])
      await goesBackTo(states)
    })

    test('rows keep what they refer to when one of two scripts is reverted', async () => {
      const before = await all()
      await exec('UPDATE customers SET id = 20 WHERE id = 2; DELETE FROM customers WHERE id = 3')
      await exec("UPDATE customers SET city = 'Nice' WHERE id = 1")
      await shop.db.revert(1)
      const [customers, ...others] = before as [string[][], ...unknown[]]
      const moved = customers.map((row) => (row[0] === '1' ? ['1', row[1], 'Nice'] : row))
      expect(await all()).toEqual([moved, ...others])
      await shop.db.rollback(0)
      expect(await all()).toEqual(before)
    })

    test('a rehearsal counts the same and changes nothing', async () => {
      const before = await all()
      const rehearsed = await exec(FIX, { dryRun: true })
      expect(rehearsed).toMatchObject({ version: null, status: 'dry-run', kind: 'exec', statements: 4 })
      expect(await all()).toEqual(before)
      expect(await shop.db.log()).toEqual([])
      expect(countsOf(rehearsed)).toEqual(countsOf(await exec(FIX)))
    })

    test('a statement that fails takes all of it back, and nothing of its text is kept', async () => {
      const before = await all()
      await exec('SELECT 1')
      const error = await errorOf(
        exec("DELETE FROM log;\n\nUPDATE customers SET name = 'x';\nUPDATE customers SET secret = 'hush'")
      )
      expect(error).toMatchObject({
        code: 'script.failed',
        exit: 1,
        message: expect.stringMatching(/^Statement 3 \(line 4\) failed: .*secret/),
        state: 'Nothing was changed.'
      })
      expect(await all()).toEqual(before)
      const [last] = await shop.db.log()
      expect([last?.status, last?.error]).toEqual(['failed', 'Statement 3 (line 4) failed.'])
      expect(await errorOf(exec('INSERT INTO orders (id, customer, total) VALUES (77, 99, 1)'))).toMatchObject({
        code: 'script.failed',
        message: expect.stringMatching(/foreign key/i)
      })
      expect(await all()).toEqual(before)
    })

    test('rows that went and came back as they were did not change', async () => {
      const states = [await all()]
      await exec("UPDATE customers SET city = 'Nice' WHERE id = 1")
      states.push(await all())
      const done = await exec(`
        INSERT INTO customers (id, name, city) VALUES (50, 'Dan', 'Oslo');
        REPLACE INTO orders (id, customer, total) VALUES (11, 2, 6);
        DELETE FROM customers WHERE id = 50;
        DELETE FROM orders WHERE id = 12;
        INSERT INTO orders (id, customer, total) VALUES (12, 3, 7);
        UPDATE customers SET name = 'Bo' WHERE id = 2;
        UPDATE customers SET name = 'Bob' WHERE id = 2;`)
      expect(countsOf(done)).toEqual({ customers: [0, 0, 0], orders: [0, 0, 0] })
      if (strategy === 'incremental') {
        expect(await shop.rows('SELECT id, version_id FROM customers ORDER BY id')).toEqual([
          ['1', '1'],
          ['2', '0'],
          ['3', '0']
        ])
        expect(await shop.rows('SELECT id, version_id FROM orders ORDER BY id')).toEqual([
          ['10', '0'],
          ['11', '0'],
          ['12', '0']
        ])
      }
      await goesBackTo([...states, await all()])
    })

    test('what triggers write belongs to it', async () => {
      await exec("INSERT INTO log VALUES ('script')")
      const states = [null, await all()]
      await shop.sql(...host.loggingTriggers)
      const done = await exec('UPDATE orders SET total = 0 WHERE id IN (10, 11); DELETE FROM orders WHERE id = 12')
      expect(countsOf(done)).toEqual({ orders: [0, 2, 1], log: [3, 0, 0] })
      if (strategy === 'incremental') expect(done.notes.join(' ')).toMatch(/orders is backed up instead.*trigger/)
      states.push(await all())
      await shop.db.rollback(1)
      expect(await all()).toEqual(states[1])
      await shop.db.rollback(2)
      expect(await all()).toEqual(states[2])
    })

    test('what goes through a view belongs to it', async () => {
      await shop.sql(...host.writableView)
      const states = [await all()]
      expect(countsOf(await exec("UPDATE romans SET name = 'Rex'"))).toEqual({ customers: [0, 2, 0] })
      states.push(await all())
      await goesBackTo(states)
    })

    test('keys that differ in case alone, and text that differs in blanks', async () => {
      await shop.sql(
        `CREATE TABLE words (word ${host.ignoringCase} PRIMARY KEY, note ${host.ignoringCase})`,
        "INSERT INTO words VALUES ('abc', 'x'), ('def', 'y '), ('ghi', 'z')"
      )
      const words = () => shop.rows('SELECT word, note FROM words ORDER BY word')
      const before = await words()
      const done = await exec(
        "UPDATE words SET word = 'ABC' WHERE word = 'abc'; UPDATE words SET note = trim(note), word = word"
      )
      expect(countsOf(done)).toEqual({ words: [0, 2, 0] })
      const after = await words()
      expect(after).toEqual([
        ['ABC', 'x'],
        ['def', 'y'],
        ['ghi', 'z']
      ])
      await shop.db.rollback(0)
      expect(await words()).toEqual(before)
      await shop.db.rollback(1)
      expect(await words()).toEqual(after)
    })

    test('columns that the database computes', async () => {
      await shop.sql(
        'CREATE TABLE boxes (id INTEGER PRIMARY KEY, width INTEGER, twice INTEGER GENERATED ALWAYS AS (width * 2) STORED)',
        'INSERT INTO boxes (id, width) VALUES (1, 10), (2, 20)'
      )
      const boxes = () => shop.rows('SELECT id, width, twice FROM boxes ORDER BY id')
      const before = await boxes()
      expect(countsOf(await exec('UPDATE boxes SET width = 11 WHERE twice = 20'))).toEqual({ boxes: [0, 1, 0] })
      expect(await boxes()).toEqual([
        ['1', '11', '22'],
        ['2', '20', '40']
      ])
      await shop.db.rollback(0)
      expect(await boxes()).toEqual(before)
    })

    test('whole rows are inserted as ever, whatever column tracking added', async () => {
      await exec("INSERT INTO customers VALUES (4, 'Eve', 'Lima')")
      await exec(
        "INSERT INTO customers VALUES (6, 'Fay', 'Lima'); INSERT INTO customers SELECT id + 1, name, city FROM customers WHERE id = 6"
      )
      expect(await shop.rows('SELECT id, name FROM customers WHERE id > 3 ORDER BY id')).toEqual([
        ['4', 'Eve'],
        ['6', 'Fay'],
        ['7', 'Fay']
      ])
      if (strategy === 'incremental') {
        expect(await shop.rows('SELECT id FROM customers WHERE version_id = 2 ORDER BY id')).toEqual([['6'], ['7']])
      }
    })

    test('a table without a key is counted row by row', async () => {
      const states = [await all()]
      const done = await exec("DELETE FROM log; INSERT INTO log VALUES ('made'), ('new'), ('new')")
      const [inserted, updated, deleted] = countsOf(done).log ?? []
      expect((inserted ?? 0) + (updated ?? 0) - (deleted ?? 0) - (updated ?? 0)).toBe(1)
      if (strategy === 'incremental') expect(done.notes.join(' ')).toMatch(/log is backed up instead.*no key/)
      states.push(await all())
      await goesBackTo(states)
    })

    test('loads, scripts and rollbacks make one history', async () => {
      const states = [await all()]
      const load = async (text: string) => {
        const source = await shop.place.write('more.csv', text)
        await shop.db.migrate({ source, table: 'customers', strategy, description: 'a load' })
        states.push(await all())
      }
      await load('id,name,city\n2,Bea,Rome\n7,Gus,Bonn\n')
      await exec('DELETE FROM orders WHERE id = 12; UPDATE customers SET city = upper(city)')
      states.push(await all())
      await load('id,name,city\n7,Gus,Köln\n8,Hal,Bonn\n')
      await exec('DELETE FROM customers WHERE id >= 7')
      states.push(await all())
      await goesBackTo(states)
    })
  })

  describe('what cannot be part of a version', () => {
    let shop: ExecShop

    beforeEach(async () => {
      shop = await host.open()
      await shop.sql('CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(40))', "INSERT INTO t VALUES (1, 'x')")
    })

    afterEach(() => shop.remove())

    const common: [string, RegExp][] = [
      ['DROP TABLE t', /line 1: DROP: it changes the schema/],
      ['SELECT 1;\n -- a comment\n create table u (id int)', /line 3: CREATE/],
      ['COMMIT', /one transaction/],
      ['SAVEPOINT a', /one transaction/],
      ["UPDATE rowback_version SET author = 'x'", /rowback_version is bookkeeping/],
      ['SELECT * FROM `rowback_meta`', /bookkeeping/],
      ['EXPLAIN SELECT 1', /only SELECT/]
    ]

    test('is refused before anything runs', async () => {
      for (const [script, reason] of [...common, ...host.refused]) {
        const error = await errorOf(runScript(shop, `DELETE FROM t;${script}`))
        expect(error, script).toMatchObject({ code: 'script.refused', exit: 2, message: expect.stringMatching(reason) })
      }
      expect(await shop.rows('SELECT * FROM t')).toEqual([['1', 'x']])
      expect(await shop.db.log()).toEqual([])
      expect(await errorOf(runScript(shop, ' -- nothing\n;;'))).toMatchObject({ code: 'script.empty' })
      expect(await errorOf(shop.db.exec({ script: shop.place.at('fix.sql') }))).toMatchObject({
        code: 'description.missing'
      })
    })

    test('nor can what names the version of tracked rows, or their history', async () => {
      await runScript(shop, "UPDATE t SET a = 'y; DROP TABLE t -- COMMIT'", { strategy: 'incremental' })
      for (const script of ['UPDATE t SET version_id = 4', 'DELETE FROM history_t']) {
        expect(await errorOf(runScript(shop, script)), script).toMatchObject({
          code: 'script.refused',
          message: expect.stringContaining('bookkeeping')
        })
      }
      await shop.sql('CREATE TABLE own (version_id INTEGER PRIMARY KEY)')
      expect(countsOf(await runScript(shop, 'INSERT INTO own (version_id) VALUES (7)'))).toEqual({ own: [1, 0, 0] })
    })
  })
}
