import { expect, test } from 'vitest'
import type { BackupListOutput } from '../../src/operations/backup/list.ts'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import type { DiffOutput } from '../../src/operations/diff.ts'
import type { QueryOutput } from '../../src/operations/query.ts'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

const TABLES = [
  'CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(20))',
  'CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE)',
  'CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER, FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE)',
  'CREATE TABLE parts (id INTEGER PRIMARY KEY, name VARCHAR(20))',
  "INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bob')",
  'INSERT INTO orders VALUES (10, 1), (20, 2)',
  'INSERT INTO items VALUES (100, 10), (200, 20)',
  "INSERT INTO parts VALUES (1, 'bolt')"
]

/** Everything that the user's tables hold. */
async function contents({ rows }: AnyShop): Promise<Record<string, (string | null)[][]>> {
  const all: Record<string, (string | null)[][]> = {}
  for (const table of ['customers', 'orders', 'items', 'parts']) {
    all[table] = await rows(`SELECT * FROM ${table} ORDER BY id`)
  }
  return all
}

/** The backups, the oldest first: the tables of each, and which versions need it. */
async function backups({ place }: AnyShop): Promise<[string[] | null, number[] | null][]> {
  const list = await place.json<BackupListOutput>(['backup', 'list'])
  return list.backups.reverse().map(({ only, neededBy }) => [only?.sort() ?? null, neededBy])
}

onBothEngines('backups of the tables that a version may change', (current) => {
  async function begin(): Promise<AnyShop> {
    const shop = current()
    await shop.sql(...TABLES)
    await shop.configure('scope: tables\n')
    await shop.place.write('customers.csv', 'id,name\n1,Anna\n')
    await shop.place.write('parts.csv', 'id,name\n1,screw\n')
    return shop
  }

  /** Version 1 wrote customers, 2 parts, 3 took a customer away and with it, by cascades, its orders and items. */
  async function threeVersions(): Promise<AnyShop> {
    const shop = await begin()
    await shop.place.json(['migrate', 'customers.csv', '-m', 'one'])
    await shop.place.json(['migrate', 'parts.csv', '-m', 'two'])
    await shop.place.json(['migrate', 'customers.csv', '--mode', 'mirror', '-m', 'three'])
    return shop
  }

  test('hold these and what cascades reach; each table of a state is read from the first that holds it', async () => {
    const shop = await threeVersions()
    const reached = ['customers', 'items', 'orders']
    expect(await backups(shop)).toEqual([
      [['customers'], [0]],
      [['parts'], [0, 1]],
      [reached, [0, 1, 2]]
    ])
    const at = async (sql: string, version: number) =>
      shop.place.json<QueryOutput>(['query', sql, '--at', String(version)])
    const names = async (version: number) => (await at('SELECT name FROM customers ORDER BY id', version)).rows
    expect([await names(0), await names(1), await names(2), await names(3)]).toEqual([
      [['Ann'], ['Bob']],
      [['Anna'], ['Bob']],
      [['Anna'], ['Bob']],
      [['Anna']]
    ])
    expect(await at('SELECT id FROM items ORDER BY id', 0)).toEqual({ columns: ['id'], rows: [[100], [200]] })
    expect(await at('SELECT name FROM parts', 0)).toEqual({ columns: ['name'], rows: [['bolt']] })
  })

  test('a rollback brings all of them back, and another forward again', async () => {
    const shop = await begin()
    const before = await contents(shop)
    await shop.place.json(['migrate', 'customers.csv', '-m', 'one'])
    await shop.place.json(['migrate', 'parts.csv', '-m', 'two'])
    await shop.place.json(['migrate', 'customers.csv', '--mode', 'mirror', '-m', 'three'])
    const after = await contents(shop)
    await shop.place.json(['rollback', '0'])
    expect(await contents(shop)).toEqual(before)
    await shop.place.json(['rollback', '3'])
    expect(await contents(shop)).toEqual(after)
    const verified = await shop.place.json<BackupVerifyOutput>(['backup', 'verify', '--level', 'rows'])
    expect([verified.backups, verified.problems]).toEqual([5, []])
  })

  test('a table that no backup holds is read as it is, and that is said; a rollback leaves it', async () => {
    const shop = await begin()
    await shop.place.json(['migrate', 'customers.csv', '-m', 'one'])
    await shop.sql("UPDATE parts SET name = 'changed by others'")
    const note = 'parts is in no backup after version 0, because no version wrote it since: it is read as it is now.'
    expect(await shop.place.json(['query', 'SELECT name FROM parts', '--at', '0'])).toEqual({
      columns: ['name'],
      rows: [['changed by others']],
      notes: [note]
    })
    expect(await shop.place.json(['query', 'SELECT name FROM customers WHERE id = 1', '--at', '0'])).toEqual({
      columns: ['name'],
      rows: [['Ann']]
    })
    const out = shop.place.at('then.db')
    const { notes } = await shop.place.json<{ notes: string[] }>(['checkout', '0', '--to', out])
    expect(notes).toContain(note)
    expect(shop.place.rows('SELECT name FROM customers ORDER BY id', 'then.db')).toEqual([['Ann'], ['Bob']])
    const exported = await shop.place.json<{ notes: string[] }>(['backup', 'export', '0', '--out', 'then.sql'])
    expect(exported.notes).toContain(note)
    const rolled = await shop.place.json<RollbackOutput>(['rollback', '0'])
    expect(rolled.tables.map(({ table }) => table)).toEqual(['customers'])
    expect(await shop.rows('SELECT name FROM parts')).toEqual([['changed by others']])
  })

  test('a table that a version made goes and comes back, with the backup of the rollback alone', async () => {
    const shop = await begin()
    await shop.place.write('made.csv', 'id,name\n1,x\n')
    await shop.place.json(['migrate', 'made.csv', '--create', '--key', 'id', '-m', 'one'])
    expect(await backups(shop)).toEqual([])
    expect(
      (await shop.place.json<{ error: { code: string } }>(['query', 'SELECT * FROM made', '--at', '0'], { code: 1 }))
        .error
    ).toMatchObject({ code: 'table.missing' })
    await shop.place.json(['rollback', '0'])
    expect(await backups(shop)).toEqual([[['made'], [1]]])
    await shop.place.json(['rollback', '1'])
    expect(await shop.rows('SELECT * FROM made')).toEqual([['1', 'x']])
  })

  test('a trigger may write anything: then the whole database is backed up, and that is said', async () => {
    const shop = await begin()
    const body = "UPDATE parts SET name = 'fired' WHERE id = 1;"
    await shop.sql(
      shop.engine === 'sqlite'
        ? `CREATE TRIGGER fires AFTER UPDATE ON customers BEGIN ${body} END`
        : `CREATE TRIGGER fires AFTER UPDATE ON customers FOR EACH ROW BEGIN ${body} END`
    )
    const { notes } = await shop.place.json<{ notes: string[] }>(['migrate', 'customers.csv', '-m', 'one'])
    expect(notes).toContain('The trigger fires of customers may write any table, so the whole database was backed up.')
    expect(await backups(shop)).toEqual([[null, [0]]])
    expect(await shop.rows('SELECT name FROM parts')).toEqual([['fired']])
    await shop.place.json(['rollback', '0'])
    expect(await shop.rows('SELECT name FROM parts')).toEqual([['bolt']])
  })

  test('the flag outranks the configuration, and both kinds stand in one history', async () => {
    const shop = await begin()
    await shop.place.json(['migrate', 'customers.csv', '-m', 'one'])
    await shop.place.json(['migrate', 'parts.csv', '-m', 'two', '--scope', 'database'])
    await shop.sql('DELETE FROM items')
    expect(await backups(shop)).toEqual([
      [['customers'], [0]],
      [null, [0, 1]]
    ])
    await shop.place.write('customers2.csv', 'id,name\n2,Bobby\n')
    await shop.place.json(['migrate', 'customers2.csv', '--table', 'customers', '-m', 'three'])
    const items = await shop.place.json<QueryOutput>(['query', 'SELECT id FROM items ORDER BY id', '--at', '0'])
    expect(items).toEqual({ columns: ['id'], rows: [[100], [200]] })
    const refused = await shop.place.json<{ error: { drift: unknown[] } }>(['rollback', '0'], { code: 5 })
    expect(refused.error.drift).toMatchObject([{ table: 'items', inserted: 0, updated: 0, deleted: 2 }])
    await shop.place.json(['rollback', '0', '--yes'])
    expect(await shop.rows('SELECT id FROM items ORDER BY id')).toEqual([['100'], ['200']])
  })

  test('a pruned backup takes the versions with it whose tables it held, and only these', async () => {
    const shop = await threeVersions()
    await shop.place.json(['backup', 'prune', '--keep-last', '1', '--yes'])
    expect(await backups(shop)).toEqual([[['customers', 'items', 'orders'], [2]]])
    const gone = /^Of the state of version 1 this table is gone: parts\. The backup 000002-.* was pruned on /
    const refused = async (...args: string[]) => {
      const { error } = await shop.place.json<{ error: { message: string; hint: string } }>(args, { code: 7 })
      expect(error.message).toMatch(gone)
      expect(error.hint).toMatch(/rowback query --at 1,.* --table TABLE .*rowback backup list$/)
    }
    await refused('rollback', '1')
    await refused('query', 'SELECT * FROM parts', '--at', '1')
    await refused('diff', '1', '2')
    await refused('checkout', '1', '--to', 'then.db')
    await refused('backup', 'export', '1')
    const { rows } = await shop.place.json<QueryOutput>(['query', 'SELECT id FROM items ORDER BY id', '--at', '1'])
    expect(rows).toEqual([[100], [200]])
    const of = ['--table', 'customers']
    const { tables } = await shop.place.json<DiffOutput>(['diff', '1', '3', ...of])
    expect(tables).toMatchObject([{ table: 'customers', inserted: 0, updated: 0, deleted: 1 }])
    await shop.place.json(['checkout', '1', '--to', 'then.db', ...of])
    expect(shop.place.rows('SELECT name FROM customers ORDER BY id', 'then.db')).toEqual([['Anna'], ['Bob']])
    await shop.place.json(['rollback', '2'])
    expect(await shop.rows('SELECT name FROM customers ORDER BY id')).toEqual([['Anna'], ['Bob']])
  })

  test('one that is read without the database says that it is not all', async () => {
    const shop = await threeVersions()
    const { notes, tables } = await shop.place.json<{ notes: string[]; tables: { table: string }[] }>([
      'backup',
      'restore',
      '000003',
      '--to',
      'part.db'
    ])
    expect(tables.map(({ table }) => table).sort()).toEqual(['customers', 'items', 'orders'])
    expect(notes.join()).toMatch(/The backup holds only what its version was about to change: customers, /)
    const { rehearsal } = await shop.place.json<BackupVerifyOutput>(['backup', 'verify', '--rehearse'])
    expect([rehearsal?.tables.length, rehearsal?.changedSince]).toEqual([3, []])
    const of = await shop.place.json<BackupVerifyOutput>(['backup', 'verify', '1'])
    expect(of.backups).toBe(2)
  })
})
