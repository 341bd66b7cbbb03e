import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import { Workplace } from '../support/cli.ts'

let place: Workplace

beforeEach(async () => {
  place = await Workplace.make('rowback-reshape-')
  await place.write('rowback.yaml', 'target: sqlite:shop.db\n')
  await place.write('orders.csv', 'id,note,amount\n1,a,11\n9,z,90\n')
  place.sql(`
    CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT, amount INT NOT NULL CHECK (amount > 0));
    CREATE INDEX by_amount ON orders (amount);
    CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders (id));
    CREATE VIEW big AS SELECT id, amount FROM orders WHERE amount > 15;
    CREATE TRIGGER stamp AFTER INSERT ON orders BEGIN UPDATE orders SET note = note || '!' WHERE id = NEW.id; END;
    INSERT INTO orders VALUES (500, 'gone', 1);
    DELETE FROM orders;
    INSERT INTO orders VALUES (1, 'a', 10), (2, 'b', 20), (3, NULL, 30);
    INSERT INTO items VALUES (1, 1), (2, 2), (3, NULL);
  `)
})
afterEach(() => place.remove())

const CHANGE = `
  ALTER TABLE orders ADD COLUMN color TEXT DEFAULT 'red';
  UPDATE orders SET color = 'blue' WHERE id = 2;
  CREATE INDEX by_color ON orders (color);
`

async function load(): Promise<void> {
  await place.json(['migrate', 'orders.csv', '--key', 'id', '-m', 'x'])
}

function state(): unknown {
  return [
    place.rows("SELECT name, tbl_name, sql FROM sqlite_schema WHERE tbl_name NOT LIKE 'rowback%' ORDER BY name"),
    place.rows('SELECT * FROM orders ORDER BY id'),
    place.rows('SELECT * FROM items ORDER BY id'),
    place.rows('SELECT * FROM big ORDER BY id'),
    place.rows("SELECT seq FROM sqlite_sequence WHERE name = 'orders'")
  ]
}

test('there and back and there again, with indexes, triggers, views, references and the counter', async () => {
  const first = state()
  await load()
  place.sql(CHANGE)
  const changed = state()
  const back = await place.json<RollbackOutput>(['rollback', '0', '--yes'])
  expect(back.tables).toMatchObject([{ table: 'orders', inserted: 3, deleted: 4 }])
  expect(back.route).toContain(
    'orders: the table is made again as it was in the backup: column color, added since, goes with its values; its ' +
      'indexes and triggers are those of the backup. What goes stays in the backup taken just before.'
  )
  expect(state()).toEqual(first)
  await place.json(['rollback', '1', '--yes'])
  expect(state()).toEqual(changed)
  await place.json(['rollback', '0', '--yes'])
  expect(state()).toEqual(first)
})

test('it needs --yes; a rehearsal says what would happen, and changes nothing', async () => {
  await load()
  place.sql(CHANGE)
  const changed = state()
  const refused = await place.json<{ error: { code: string; message: string } }>(['rollback', '0'], { code: 5 })
  expect(refused.error.code).toBe('schema.changed')
  expect(refused.error.message).toContain('column color, added since, goes with its values')
  const rehearsed = await place.json<RollbackOutput>(['rollback', '0', '--dry-run'])
  expect(rehearsed.tables).toMatchObject([{ table: 'orders', inserted: 3, deleted: 4 }])
  expect(state()).toEqual(changed)
})

test.each([
  ['dropped', 'DROP TRIGGER stamp; ALTER TABLE orders DROP COLUMN note', 'column note, dropped since, comes back'],
  [
    'retyped',
    `DROP VIEW big; DROP TRIGGER stamp; ALTER TABLE orders RENAME TO old;
     CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, amount TEXT); INSERT INTO orders SELECT * FROM old;
     DROP TABLE old; CREATE VIEW big AS SELECT id, amount FROM orders WHERE amount > 15`,
    'column amount is INT NOT NULL again, not TEXT'
  ],
  [
    'reordered',
    `DROP VIEW big; DROP TRIGGER stamp; ALTER TABLE orders RENAME TO old;
     CREATE TABLE orders (id INTEGER PRIMARY KEY, amount INT NOT NULL, note TEXT);
     INSERT INTO orders SELECT id, amount, note FROM old;
     DROP TABLE old; CREATE VIEW big AS SELECT id, amount FROM orders WHERE amount > 15`,
    'its columns stand in their old order'
  ]
])('a column that was %s', async (_what, change, said) => {
  const rows = place.rows('SELECT id, note, amount, typeof(amount) FROM orders ORDER BY id')
  const ddl = "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'orders' ORDER BY name"
  const before = place.rows(ddl)
  await load()
  place.sql(`PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; ${change}`)
  const changed = [place.rows(ddl), place.rows('SELECT * FROM orders')]
  const { route } = await place.json<RollbackOutput>(['rollback', '0', '--yes'])
  expect(route.join()).toContain(said)
  expect(place.rows('SELECT id, note, amount, typeof(amount) FROM orders ORDER BY id')).toEqual(rows)
  expect(place.rows(ddl)).toEqual(before)
  expect(place.rows('PRAGMA foreign_key_check')).toEqual([])
  await place.json(['rollback', '1', '--yes'])
  expect([place.rows(ddl), place.rows('SELECT * FROM orders')]).toEqual(changed)
})

test('a table that no version wrote is left alone', async () => {
  await load()
  place.sql('ALTER TABLE items ADD COLUMN color TEXT')
  const { route } = await place.json<RollbackOutput>(['rollback', '0'])
  expect(route.join()).toContain('items: left alone')
  expect(place.rows('SELECT color FROM items')).toHaveLength(3)
})

test('what refers to a row that goes is found, and nothing was changed', async () => {
  await load()
  place.sql(`${CHANGE} INSERT INTO items VALUES (4, 9); ALTER TABLE items ADD COLUMN size INT`)
  const changed = state()
  const refused = await place.json<{ error: { code: string } }>(['rollback', '0', '--yes'], { code: 5 })
  expect(refused.error.code).toBe('foreign_key.violated')
  expect(state()).toEqual(changed)
})
