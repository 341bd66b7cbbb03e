import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')
const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname
/** Spread over the time that one takes; more where none of them hit the moment between two changes of the schema. */
const KILLS = 12
const MOST_KILLS = 48
let shop: MysqlShop

const TABLES = [
  'CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(20))',
  `CREATE TABLE orders (
     id INT AUTO_INCREMENT PRIMARY KEY, customer INT, note VARCHAR(20), amount INT NOT NULL,
     parent INT, twice INT AS (amount * 2) STORED, KEY by_amount (amount),
     CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE SET NULL,
     CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES orders (id),
     CONSTRAINT positive CHECK (amount > 0)
   ) AUTO_INCREMENT = 1000`,
  'CREATE TABLE items (id INT PRIMARY KEY, `order` INT, CONSTRAINT of_order FOREIGN KEY (`order`) REFERENCES orders (id))',
  "CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW BEGIN SET NEW.note = CONCAT(NEW.note, '!'); END",
  "INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bob')",
  "INSERT INTO orders (id, customer, note, amount, parent) VALUES (1, 1, 'a', 10, NULL), (2, 2, 'b', 20, 1), (3, NULL, NULL, 30, 2)",
  'INSERT INTO items VALUES (1, 1), (2, 2), (3, NULL)'
]
const CHANGE = [
  "ALTER TABLE orders ADD COLUMN color VARCHAR(9) DEFAULT 'red' AFTER id, MODIFY amount BIGINT NOT NULL, DROP COLUMN note",
  "UPDATE orders SET color = 'blue' WHERE id = 2",
  'DROP TRIGGER stamp'
]

async function sql(...statements: string[]): Promise<void> {
  for (const statement of statements) await shop.sql.query(statement)
}

async function load(): Promise<void> {
  await shop.place.write('orders.csv', 'id,customer,amount\n1,2,11\n9,1,90\n')
  await shop.place.json(['migrate', 'orders.csv', '--key', 'id', '-m', 'x'])
}

async function rollback(to: number, ...flags: string[]): Promise<RollbackOutput> {
  return shop.place.json<RollbackOutput>(['rollback', String(to), ...flags])
}

async function refused(to: number, ...flags: string[]): Promise<{ code: string; message: string; hint: string }> {
  const answer = await shop.place.json<{ error: { code: string; message: string; hint: string } }>(
    ['rollback', String(to), ...flags],
    { code: 5 }
  )
  return answer.error
}

interface State {
  tables: unknown
  orders: unknown
  ddl: unknown
  children: unknown
  triggers: unknown
}

/** Everything that can be seen of the tables; the counter may only grow. */
async function state(): Promise<State> {
  const ddl = async (table: string) =>
    String((await shop.rows(`SHOW CREATE TABLE ${table}`))[0]?.[1]).replace(/AUTO_INCREMENT=\d+ /, '')
  return {
    tables: await shop.rows('SHOW TABLES'),
    orders: await shop.rows('SELECT * FROM orders ORDER BY id'),
    ddl: [await ddl('orders'), await ddl('items'), await ddl('customers')],
    children: await shop.rows('SELECT * FROM items ORDER BY id'),
    triggers: (await shop.rows('SHOW TRIGGERS')).map((row) => row.slice(0, 4))
  }
}

const counter = async () =>
  Number(/AUTO_INCREMENT=(\d+)/.exec(String((await shop.rows('SHOW CREATE TABLE orders'))[0]?.[1]))?.[1])

const tests = () => {
  beforeEach(async () => {
    shop = await openShop(server as string)
    await shop.place.write('rowback.yaml', `target: ${shop.database.url}\n`)
    await sql(...TABLES)
  })
  afterEach(() => shop.remove())

  test('there and back and there again, with foreign keys, checks, triggers and the counter', async () => {
    const first = await state()
    await load()
    const loaded = await state()
    await sql(...CHANGE)
    const changed = await state()
    const counted = await counter()

    const back = await rollback(0, '--yes')
    expect(back).toMatchObject({ tables: [{ table: 'orders', inserted: 3, deleted: 4 }] })
    // Some servers show the width of an integer.
    expect(back.route.map((step) => step.replace(/int\(\d+\)/g, 'int'))).toContain(
      'orders: the table is made again as it was in the backup: column color, added since, goes with its values; ' +
        'column note, dropped since, comes back with its values; column amount is int NOT NULL again, not ' +
        'bigint NOT NULL; its indexes are those of the backup. What goes stays in the backup taken just before.'
    )
    expect(await state()).toEqual(first)
    expect(await counter()).toBeGreaterThanOrEqual(counted)
    await expect(sql('INSERT INTO items VALUES (77, 77)')).rejects.toThrow(/foreign key/)
    await expect(sql('DELETE FROM orders WHERE id = 1')).rejects.toThrow(/foreign key/)
    await expect(sql('INSERT INTO orders (amount) VALUES (-1)')).rejects.toThrow(/positive/)

    await rollback(1, '--yes')
    expect(await state()).toEqual(changed)
    expect(loaded.ddl).not.toEqual(changed.ddl)
    await rollback(0, '--yes')
    expect(await state()).toEqual(first)
    expect((await shop.place.json<{ unsettled: unknown[] }>(['status'])).unsettled).toEqual([])
  })

  test('it needs --yes; a rehearsal says what would happen, and changes nothing', async () => {
    await load()
    await sql(...CHANGE)
    const changed = await state()
    const error = await refused(0)
    expect(error.code).toBe('schema.changed')
    expect(error.message).toContain('column color, added since, goes with its values')
    expect(error.hint).toContain('--yes')
    const rehearsed = await rollback(0, '--dry-run')
    expect(rehearsed.tables).toMatchObject([{ table: 'orders', inserted: 3, deleted: 4 }])
    expect(rehearsed.route.join()).toContain('column color, added since, goes with its values')
    expect(await state()).toEqual(changed)
    expect((await shop.place.json<{ versions: unknown[] }>(['log'])).versions).toHaveLength(2)
  })

  test('columns in another order, and a type that means other values', async () => {
    const first = await state()
    await load()
    await sql('ALTER TABLE orders MODIFY amount VARCHAR(20) NOT NULL FIRST')
    const changed = await state()
    await rollback(0, '--yes')
    expect(await state()).toEqual(first)
    await rollback(1, '--yes')
    expect(await state()).toEqual(changed)
  })

  test('a table that no version wrote is left alone', async () => {
    await load()
    await sql('ALTER TABLE items ADD COLUMN color INT', 'ALTER TABLE customers MODIFY name VARCHAR(40)')
    const { route } = await rollback(0)
    expect(route).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^items: left alone/),
        expect.stringMatching(/^customers: left alone/)
      ])
    )
    expect(await shop.rows("SHOW COLUMNS FROM items LIKE 'color'")).toHaveLength(1)
  })

  test('a foreign key of another table to a column that would go is refused, and nothing was changed', async () => {
    await load()
    await sql(
      'ALTER TABLE orders ADD COLUMN code INT UNIQUE',
      'CREATE TABLE notes (id INT PRIMARY KEY, code INT, FOREIGN KEY (code) REFERENCES orders (code))'
    )
    const changed = await state()
    expect((await refused(0, '--yes')).code).toBe('foreign_key.violated')
    expect(await state()).toEqual(changed)
  })

  test('rows of other tables that would refer to nothing are found, and nothing was changed', async () => {
    await load()
    await sql('ALTER TABLE orders ADD COLUMN color INT', 'INSERT INTO items VALUES (4, 9)')
    const changed = await state()
    // The items are drift, which is overwritten; without the item's table on the route the reference would dangle.
    await sql('ALTER TABLE items ADD COLUMN size INT')
    const error = await refused(0, '--yes')
    expect(error.code).toBe('foreign_key.violated')
    expect(error.message).toContain('items: order = 9 refers to a row of orders that does not exist')
    expect((await state()).orders).toEqual(changed.orders)
    expect(await shop.rows('SHOW TABLES')).toEqual(changed.tables)
  })

  /** Runs a rollback that stops before it takes away the old table, and kills it there. */
  async function killedBeforeSwap(): Promise<void> {
    await sql('BEGIN', 'SELECT * FROM orders')
    const child = spawn(process.execPath, [MAIN, 'rollback', '0', '--yes', '--quiet'], {
      cwd: shop.place.path,
      stdio: 'ignore',
      env: { ...process.env, ROWBACK_AUTHOR: 'tester' }
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    for (let waited = 0; ; waited += 50) {
      const waiting = await shop.rows(
        `SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE '%metadata lock%' AND DB = '${shop.database.name}'`
      )
      if (waiting.length > 0) break
      if (waited > 20_000) throw new Error('it never came to the swap')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    child.kill('SIGKILL')
    await ended
    await sql('COMMIT')
  }

  test('killed between the commit and the swap: what is left is told, and done by recover', async () => {
    const first = await state()
    await load()
    await sql(...CHANGE)
    await killedBeforeSwap()
    const status = await shop.place.json<{ unsettled: string[] }>(['status'], { code: 6 })
    expect(status.unsettled).toEqual([
      'version 2: the table orders was made again, and is to take the place of the one that is there'
    ])
    await shop.place.json(['recover', '--wait', '30'])
    expect(await state()).toEqual(first)
    await shop.place.json(['status'])
  })

  test('killed there where no other table refers to it: the next migration finishes it', async () => {
    await sql('DROP TABLE items')
    const before = await shop.rows('SELECT * FROM orders ORDER BY id')
    await load()
    await sql(...CHANGE)
    await killedBeforeSwap()
    await shop.place.write('customers.csv', 'id,name\n3,Cid\n')
    await shop.place.json(['migrate', 'customers.csv', '-m', 'next', '--wait', '30'])
    expect(await shop.rows('SELECT * FROM orders ORDER BY id')).toEqual(before)
    expect(await shop.rows('SHOW TABLES')).toEqual([['customers'], ['orders']])
  })

  test('killed at any moment, it leaves the state before or the state after', { timeout: 300_000 }, async () => {
    const first = await state()
    await load()
    await sql(...CHANGE)
    const changed = await state()
    const begin = () =>
      spawn(process.execPath, [MAIN, 'rollback', '0', '--yes', '--quiet'], {
        cwd: shop.place.path,
        stdio: 'ignore',
        env: { ...process.env, ROWBACK_AUTHOR: 'tester' }
      })
    const head = async () =>
      (await shop.place.json<{ versions: { version: number; status: string }[] }>(['log'])).versions.find(
        ({ status }) => status === 'committed'
      )?.version
    const started = performance.now()
    await once(begin(), 'exit')
    const duration = performance.now() - started
    expect(await state()).toEqual(first)
    await rollback(1, '--yes')
    // The head is the state of version 1 again, under another number: the next rollback goes back from it.
    expect(await state()).toEqual(changed)
    const outcomes = { before: 0, after: 0, unsettled: 0 }
    for (let round = 0; round < MOST_KILLS && (round < KILLS || outcomes.unsettled === 0); round++) {
      const last = await head()
      const child = begin()
      const ended = once(child, 'exit')
      const delay = (duration * ((round % KILLS) + 2)) / (KILLS + 2)
      await sleep(delay)
      child.kill('SIGKILL')
      await ended
      const status = await shop.place.run(['status'])
      if (status.code === 6) outcomes.unsettled++
      await shop.place.json(['recover', '--wait', '30'])
      const isDone = (await head()) !== last
      expect(await state(), `after ${delay} of ${duration} ms`).toEqual(isDone ? first : changed)
      outcomes[isDone ? 'after' : 'before']++
      if (isDone) await rollback(1, '--yes')
    }
    expect(outcomes.before).toBeGreaterThan(0)
    expect(outcomes.unsettled).toBeGreaterThan(0)
  })
}

describe.skipIf(server === null)(`tables whose columns others changed (${HOW_TO_PROVIDE})`, tests)
