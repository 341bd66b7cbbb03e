import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')

// Where the server has no way to load in bulk, all of this goes the other way, and must come to the same.
describe.skipIf(server === null)(`a first load whose keys rise (${HOW_TO_PROVIDE})`, () => {
  const TABLE = 'CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40), KEY by_note (note)) DEFAULT CHARSET utf8mb4'
  let shop: MysqlShop
  let db: Rowback

  beforeEach(async () => {
    shop = await openShop(server as string)
    db = await open({ target: shop.database.url, repository: shop.place.at('.rowback'), author: 'tester' })
  })

  afterEach(async () => {
    await db.close()
    await shop.remove()
  })

  async function load(ids: number[], more: Partial<Parameters<Rowback['migrate']>[0]> = {}) {
    const lines = ids.map((id, i) => `${id},note ${(id * 7919) % 1000} of line ${i + 2}`)
    const source = await shop.place.write('goods.csv', `id,note\n${lines.join('\n')}\n`)
    return db.migrate({ source, table: 'goods', description: 'goods', strategy: 'incremental', ...more })
  }

  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
  const count = async (where: string, index: string) =>
    Number((await shop.rows(`SELECT count(*) FROM goods FORCE INDEX (${index}) WHERE ${where}`))[0]?.[0])

  test('every index has every row, and none is thought whole that is not', async () => {
    await shop.sql.query(TABLE)
    const version = await load(upTo(20_000))
    expect(version.tables[0]).toMatchObject({ read: 20_000, inserted: 20_000, failed: 0 })
    expect(await count('id > 0', 'PRIMARY')).toBe(20_000)
    expect(await count("note > ''", 'by_note')).toBe(20_000)
    expect(await count('version_id = 1', 'rowback_version')).toBe(20_000)
    expect((await shop.rows('CHECK TABLE goods'))[0]?.at(-1)).toBe('OK')
  })

  test('from where the keys fall on, a key that comes again is refused alone', async () => {
    await shop.sql.query(TABLE)
    const version = await load([...upTo(5000), 4000, ...upTo(5000).map((id) => 20_000 - id), 3, -1])
    expect(version.tables[0]).toMatchObject({ read: 10_003, inserted: 10_001, failed: 2 })
    const failed = []
    for await (const row of version.failedRows()) failed.push([row.line, row.code])
    expect(failed).toEqual([
      [5002, 'duplicate_key'],
      [10_003, 'duplicate_key']
    ])
    expect(await shop.rows('SELECT note FROM goods WHERE id IN (3, 4000) ORDER BY id')).toEqual([
      ['note 757 of line 4'],
      ['note 0 of line 4001']
    ])
    expect((await shop.rows('CHECK TABLE goods'))[0]?.at(-1)).toBe('OK')
  })

  test('a unique value that comes again under another key is refused alone', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40), place INT, UNIQUE (place))')
    const lines = upTo(3000).map((id) => `${id},a,${id === 2000 ? 7 : id}`)
    const source = await shop.place.write('places.csv', `id,note,place\n${lines.join('\n')}\n`)
    const version = await load([], { source })
    expect(version.tables[0]).toMatchObject({ inserted: 2999, failed: 1 })
    expect(await shop.rows('SELECT id FROM goods WHERE place = 7')).toEqual([['7']])
  })

  test('a version that is given up leaves the table empty, and so does a rehearsal', async () => {
    await shop.sql.query(TABLE)
    await load(upTo(2000), { dryRun: true })
    expect(await shop.rows('SELECT count(*) FROM goods')).toEqual([['0']])
    await expect(load([...upTo(2000), 9], { onFailure: 'abort' })).rejects.toMatchObject({ code: 'rows.failed' })
    expect(await shop.rows('SELECT count(*) FROM goods')).toEqual([['0']])
    expect((await load(upTo(2000))).tables[0]).toMatchObject({ inserted: 2000 })
  })

  test('what refers to the rows is checked again in the same version', async () => {
    await shop.sql.query(TABLE)
    await shop.sql.query(
      'CREATE TABLE parts (id INT PRIMARY KEY, good INT, CONSTRAINT of_good FOREIGN KEY (good) REFERENCES goods (id))'
    )
    await load(upTo(2000))
    const source = await shop.place.write('parts.csv', 'id,good\n1,2000\n2,2001\n')
    const version = await db.migrate({ source, table: 'parts', description: 'parts', strategy: 'incremental' })
    expect(version.tables[0]).toMatchObject({ inserted: 1, failed: 1 })
  })
})
