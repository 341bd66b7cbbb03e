import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import type { BackupListOutput } from '../../src/operations/backup/list.ts'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import type { WrittenState } from '../../src/operations/write-state.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop } from '../support/mysql-shop.ts'
import type { FreshDatabase } from '../support/servers/database.ts'
import { freshDatabase } from '../support/servers/database.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

interface Failure {
  error: { code: string; message: string; hint: string }
}

const server = inject('mysqlUrl')

if (server === null) test.skip(`lost databases of MySQL: ${HOW_TO_PROVIDE}`)
else {
  let shop: MysqlShop
  let other: FreshDatabase

  beforeEach(async () => {
    shop = await openShop(server)
    other = await freshDatabase(server)
    await shop.place.write('rowback.yaml', `target: ${shop.database.url}\n`)
    await shop.sql.query(
      'CREATE TABLE orders (id INT PRIMARY KEY, customer INT NOT NULL, total DECIMAL(65,30), note VARCHAR(50))'
    )
    await shop.sql.query("INSERT INTO orders VALUES (1, 7, 0.1, '李雷 😀'), (2, 8, NULL, '')")
    await shop.sql.query('CREATE VIEW of_7 AS SELECT id FROM orders WHERE customer = 7')
    await shop.sql.query('CREATE TABLE words (word VARCHAR(20))')
    await shop.sql.query('CREATE TRIGGER rising BEFORE INSERT ON words FOR EACH ROW SET NEW.word = UPPER(NEW.word)')
    await shop.sql.query("INSERT INTO words VALUES ('one'), ('one')")
    await shop.sql.query('CREATE PROCEDURE p() SELECT 1')
    await shop.place.write('orders.csv', 'id,customer,total,note\n2,8,2.5,two\n3,7,3,three\n')
    await shop.place.write('more.csv', 'id,customer,total,note\n4,7,4,four\n')
    for (const source of ['orders.csv', 'more.csv']) {
      const words = ['migrate', source, '--table', 'orders', '--key', 'id', '-m', source]
      await shop.place.json([...words, '--strategy', 'incremental'])
      if (source === 'orders.csv') await shop.place.json(['backup', 'create'])
    }
  })

  afterEach(async () => {
    await other.drop()
    await shop.remove()
  })

  const ROWS = [
    ['1', '7', '0.100000000000000000000000000000', '李雷 😀'],
    ['2', '8', '2.500000000000000000000000000000', 'two'],
    ['3', '7', '3.000000000000000000000000000000', 'three']
  ]

  const FOURTH = ['4', '7', '4.000000000000000000000000000000', 'four']

  async function lose(): Promise<void> {
    await shop.sql.query(`DROP DATABASE ${shop.database.name}`)
    await shop.sql.query(`DROP DATABASE ${shop.database.name}_rowback`)
  }

  async function restoreLatest(note: RegExp): Promise<void> {
    const { place, rows } = shop
    const list = await place.json<BackupListOutput>(['backup', 'list'])
    expect(list.backups.map(({ state, rows, neededBy }) => [state, rows, neededBy])).toEqual([
      [1, 5, null],
      [0, 4, null]
    ])
    expect(list.notes[0]).toMatch(note)
    expect((await place.json<BackupVerifyOutput>(['backup', 'verify', '--level', 'rows'])).backups).toBe(2)
    const written = await place.json<WrittenState>(['backup', 'restore', 'latest', '--to', other.url])
    expect(written).toMatchObject({
      from: 2,
      tables: [
        { table: 'orders', rows: 4 },
        { table: 'words', rows: 2 }
      ]
    })
    // Version 2 came after the backup: its change set is enough for a table that kept its history.
    expect(list.newest).toEqual({ version: 2, backup: null, command: 'rowback backup restore latest --to URL' })
    expect(await rows(`SELECT * FROM ${other.name}.orders ORDER BY id`)).toEqual([...ROWS, FOURTH])
    expect(await rows(`SELECT id FROM ${other.name}.of_7 ORDER BY id`)).toEqual([['1'], ['3'], ['4']])
    const there = `WHERE ROUTINE_SCHEMA = '${other.name}'`
    expect(await rows(`SELECT ROUTINE_NAME FROM information_schema.ROUTINES ${there}`)).toEqual([['p']])
    await shop.sql.query(`INSERT INTO ${other.name}.words VALUES ('nine')`)
    expect(await rows(`SELECT * FROM ${other.name}.words ORDER BY 1`)).toEqual([['NINE'], ['ONE'], ['ONE']])
  }

  test('a database that was dropped with its bookkeeping comes back from the repository', async () => {
    await lose()
    await restoreLatest(
      /^rowback_test_\w+: There is no such database on the server\..* Without its ledger it is not known/
    )
    for (const version of [1, 0]) {
      await shop.place.json(['backup', 'restore', String(version), '--to', `at-${version}.db`])
      expect(shop.place.rows('SELECT * FROM orders', `at-${version}.db`)).toHaveLength(2 + version)
    }
    const unknown = await shop.place.json<Failure>(['backup', 'restore', '3', '--to', 'x.db'], { code: 1 })
    expect(unknown.error.code).toBe('version.unknown')
    const status = await shop.place.json<Failure>(['status'], { code: 1 })
    expect(status.error.message).toMatch(/no such database on the server.* has 2 backups and 2 change sets\.$/)
    expect(status.error.hint).toContain('rowback backup restore latest --to URL')
    expect(status.error.hint).not.toContain('CREATE DATABASE')
    const { error } = await shop.place.json<Failure>(['checkout', '2', '--to', 'y.db'], { code: 1 })
    expect(error.message).toMatch(/There is no such database.*only the ledger in its database knows\.$/)
    expect(error.hint).toContain('rowback backup list, then rowback backup restore BACKUP --to URL')
  })

  test('into the database of that name, made again and empty', async () => {
    await lose()
    await shop.sql.query(`CREATE DATABASE ${shop.database.name}`)
    const list = await shop.place.json<BackupListOutput>(['backup', 'list'])
    expect(list.notes[0]).toMatch(/^rowback_test_\w+ has no versions\./)
    await shop.place.json(['backup', 'restore', '000002', '--to', shop.database.url])
    expect(await shop.rows(`SELECT * FROM ${shop.database.name}.orders ORDER BY id`)).toEqual(ROWS)
  })

  test('a server that does not answer is not needed', async () => {
    const gone = new URL(shop.database.url)
    gone.port = '1'
    await shop.place.write('rowback.yaml', `target: ${gone.href}\n`)
    await restoreLatest(/Without its ledger it is not known which versions need which backup\.$/)
  })

  test('it also goes into a SQLite file', async () => {
    await lose()
    const written = await shop.place.json<WrittenState>(['backup', 'restore', 'latest', '--to', 'orders.db'])
    expect(written.notes).toContain('The view of_7 is left out.')
    expect(shop.place.rows('SELECT id, note FROM orders ORDER BY id', 'orders.db')).toEqual(
      [...ROWS, FOURTH].map(([id, , , note]) => [Number(id), note])
    )
  })
}
