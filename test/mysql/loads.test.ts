import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')

describe.skipIf(server === null)(`loads into MySQL (${HOW_TO_PROVIDE})`, () => {
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

  async function load(name: string, lines: string[], more: Partial<Parameters<Rowback['migrate']>[0]> = {}) {
    const source = await shop.place.write(name, `${lines.join('\n')}\n`)
    return db.migrate({ source, table: 'goods', description: name, strategy: 'incremental', ...more })
  }

  async function failures(version: Awaited<ReturnType<typeof load>>) {
    const rows = []
    for await (const row of version.failedRows()) rows.push([row.line, row.column, row.code, row.reason])
    return rows
  }

  const goods = (n: number, note: (id: number) => string) => [
    'id,note',
    ...Array.from({ length: n }, (_, i) => `${i + 1},${note(i + 1)}`)
  ]

  test('each column of versions has one index: every write pays for each', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40))')
    await load('first.csv', ['id,note', '1,a'])
    const indexed = await shop.rows(
      `SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) FROM information_schema.STATISTICS
        WHERE TABLE_SCHEMA LIKE '${shop.database.name}%' AND TABLE_NAME IN ('goods', 'history_goods') GROUP BY TABLE_NAME, INDEX_NAME`
    )
    expect(indexed.flat().sort()).toEqual([
      'id',
      'id,version_id,superseded_by',
      'superseded_by',
      'version_id',
      'version_id'
    ])
  })

  describe('a large file that brings mostly what is there', () => {
    const SIZE = 30_000

    beforeEach(async () => {
      await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40)) DEFAULT CHARSET utf8mb4')
      await load(
        'first.csv',
        goods(SIZE, (id) => `note ${id}`)
      )
    })

    test('only what differs is written, and counted exactly', async () => {
      const lines = goods(SIZE, (id) => (id % 1000 === 0 ? `NOTE ${id}` : `note ${id}`))
      lines.push(`${SIZE + 1},new`, `${SIZE + 2},é`)
      const version = await load('second.csv', lines)
      expect(version.tables[0]).toMatchObject({
        read: SIZE + 2,
        inserted: 2,
        updated: 30,
        unchanged: SIZE - 30,
        failed: 0
      })
      expect(await shop.rows("SELECT COUNT(*) FROM goods WHERE BINARY note LIKE 'NOTE %'")).toEqual([['30']])
      expect(await shop.rows('SELECT COUNT(*) FROM goods WHERE version_id = 2')).toEqual([['32']])
    })

    test('a key that comes again is refused, wherever and however it came first', async () => {
      const lines = goods(SIZE, (id) => (id % 1000 === 0 ? `other ${id}` : `note ${id}`))
      // Rows from the beginning, the middle and the end: unchanged as changed, changed as unchanged, and a new one twice.
      lines.push(
        '17,note 17',
        '20001,changed',
        '20000,other 20000',
        '20000,note 20000',
        `${SIZE + 5},a`,
        `${SIZE + 5},b`
      )
      const version = await load('second.csv', lines)
      expect(version.tables[0]).toMatchObject({ inserted: 1, updated: 30, unchanged: SIZE - 30, failed: 5 })
      const refused = (await failures(version)).map(([line, , code]) => [line, code]).sort()
      expect(refused).toEqual(
        [SIZE + 2, SIZE + 3, SIZE + 4, SIZE + 5, SIZE + 7].map((line) => [line, 'duplicate_key']).sort()
      )
      expect(await shop.rows('SELECT note FROM goods WHERE id IN (17, 20001, 20000) ORDER BY id')).toEqual([
        ['note 17'],
        ['other 20000'],
        ['note 20001']
      ])
    })

    test('numbers that are spelled otherwise are the same rows', async () => {
      const lines = ['id,note', ...Array.from({ length: SIZE }, (_, i) => `0${i + 1},note ${i + 1}`)]
      const version = await load('second.csv', lines)
      expect(version.tables[0]).toMatchObject({ updated: 0, unchanged: SIZE, failed: 0 })
    })
  })

  test('one bad row among many is found by halving, with the words of the server', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40), CHECK (id <> 4321))')
    const version = await load(
      'many.csv',
      goods(30_000, (id) => `note ${id}`)
    )
    expect(version.tables[0]).toMatchObject({ inserted: 29_999, failed: 1 })
    const [[line, , code, reason]] = (await failures(version)) as [[number, string, string, string]]
    expect([line, code]).toEqual([4322, 'check'])
    expect(reason).toMatch(/constraint/i)
  })

  test('references that lead nowhere are found at once, each with the words of the server', async () => {
    await shop.sql.query('CREATE TABLE kinds (id INT PRIMARY KEY)')
    await shop.sql.query('INSERT INTO kinds VALUES (1), (2)')
    await shop.sql.query(
      'CREATE TABLE goods (id INT PRIMARY KEY, note INT, CONSTRAINT of_kind FOREIGN KEY (note) REFERENCES kinds (id))'
    )
    const version = await load(
      'goods.csv',
      goods(3000, (id) => String(id % 3)),
      { strategy: 'snapshot' }
    )
    expect(version.tables[0]).toMatchObject({ inserted: 2000, failed: 1000 })
    const all = await failures(version)
    expect(new Set(all.map(([, column, code]) => `${column} ${code}`))).toEqual(new Set(['note foreign_key']))
    expect(all[0]?.[3]).toMatch(/of_kind/)
  })

  test('what is too long, out of range or no JSON fails with its row alone', async () => {
    await shop.sql.query(
      'CREATE TABLE goods (id TINYINT UNSIGNED PRIMARY KEY, note VARCHAR(3), doc JSON, l CHAR(2) CHARACTER SET latin1)'
    )
    const version = await load('goods.csv', [
      'id,note,doc,l',
      '1,abc,{},a',
      '300,a,{},a',
      '2,abcd,{},a',
      '3,a,{x,a',
      '4,a,[],中',
      '5,a,[1],é'
    ])
    expect((await failures(version)).map(([line, column, code]) => [line, column, code])).toEqual([
      [3, 'id', 'out_of_range'],
      [4, 'note', 'too_long'],
      [5, 'doc', 'type.json'],
      [6, 'l', 'encoding']
    ])
    expect(await shop.rows('SELECT id, l FROM goods ORDER BY id')).toEqual([
      ['1', 'a'],
      ['5', 'é']
    ])
  })

  test('a trigger that signals refuses one row, in its own words', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40))')
    await shop.sql.query(
      "CREATE TRIGGER picky BEFORE INSERT ON goods FOR EACH ROW IF NEW.note = 'bad' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF"
    )
    const version = await load('goods.csv', ['id,note', '1,good', '2,bad', '3,good'], { strategy: 'snapshot' })
    expect(await failures(version)).toEqual([[3, null, 'trigger', 'not this one']])
    expect(await shop.rows('SELECT id FROM goods')).toEqual([['1'], ['3']])
  })

  test('without local_infile rows go by INSERT, and one line says how to turn it on', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(4))')
    await shop.sql.query('SET GLOBAL local_infile = 0')
    let slow: Rowback
    try {
      slow = await open({ target: shop.database.url, repository: shop.place.at('.rowback'), author: 'tester' })
    } finally {
      await shop.sql.query('SET GLOBAL local_infile = 1')
    }
    const source = await shop.place.write('goods.csv', 'id,note\n1,a\n2,longer\n3,"t\tb\\"\n')
    const first = await slow.migrate({ source, table: 'goods', description: 'a', strategy: 'incremental' })
    expect(first.json.notes.join()).toMatch(/SET GLOBAL local_infile = 1/)
    expect(first.tables[0]).toMatchObject({ inserted: 2, failed: 1 })
    const again = await slow.migrate({ source, table: 'goods', description: 'b', mode: 'mirror' })
    expect(again.tables[0]).toMatchObject({ unchanged: 2, failed: 1 })
    expect(await shop.rows('SELECT note FROM goods ORDER BY id')).toEqual([['a'], ['t\tb\\']])
    await slow.rollback(0)
    expect(await shop.rows("SHOW TABLES LIKE 'goods'")).toEqual([['goods']])
    expect(await shop.rows('SELECT * FROM goods')).toEqual([])
    await slow.close()
  })

  test('a rollback puts triggers back as they were made, and touches none of other tables', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40))')
    await shop.sql.query('CREATE TABLE audit (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40))')
    await shop.sql.query("SET sql_mode = 'PIPES_AS_CONCAT,ANSI_QUOTES'")
    for (const [table, name] of [
      ['goods', 'goods_note'],
      ['audit', 'audit_what']
    ]) {
      const column = name?.split('_')[1]
      await shop.sql.query(
        `CREATE TRIGGER ${name} BEFORE INSERT ON ${table} FOR EACH ROW SET NEW."${column}" = NEW."${column}" || '-u'`
      )
    }
    await shop.sql.query(
      "CREATE TRIGGER goods_audit AFTER INSERT ON goods FOR EACH ROW INSERT INTO audit VALUES (NULL, 'x')"
    )
    const triggers = () =>
      shop.rows(
        'SELECT TRIGGER_NAME, SQL_MODE, DEFINER, ACTION_ORDER, ACTION_STATEMENT, COLLATION_CONNECTION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1'
      )
    const before = await triggers()
    const created = () => shop.rows("SELECT CREATED FROM information_schema.TRIGGERS WHERE TRIGGER_NAME = 'other_t'")
    await shop.sql.query('CREATE TABLE other (id INT)')
    await shop.sql.query('CREATE TRIGGER other_t BEFORE INSERT ON other FOR EACH ROW SET @a = 1')
    const madeAt = await created()
    await load('goods.csv', ['id,note', '1,a'], { strategy: 'snapshot' })
    expect(await shop.rows('SELECT note FROM goods')).toEqual([['a-u']])
    expect((await db.rollback(0)).tables.map((table) => table.table).sort()).toEqual(['audit', 'goods'])
    expect(await shop.rows('SELECT * FROM goods UNION SELECT * FROM audit')).toEqual([])
    expect((await triggers()).filter(([name]) => name !== 'other_t')).toEqual(before)
    expect(await created()).toEqual(madeAt)
    await db.rollback(1)
    expect(await shop.rows('SELECT note FROM goods UNION SELECT what FROM audit')).toEqual([['a-u'], ['x-u']])
  })

  test('the bookkeeping is looked for where it stands', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40))')
    await load('goods.csv', ['id,note', '1,a'], { strategy: 'snapshot' })
    await expect(open({ target: `${shop.database.url}?control=same-schema` })).rejects.toThrow(/stands in .*_rowback/)
  })

  test('rows can be joined with the version that wrote them, and SELECT * does not show it', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40))')
    await load('goods.csv', ['id,note', '1,a'])
    const joined = await db.query('SELECT id, author, description FROM goods JOIN rowback_version USING (version_id)')
    expect(joined.rows).toEqual([[1, 'tester', 'goods.csv']])
    expect((await db.query('SELECT * FROM goods')).columns).toEqual(['id', 'note'])
  })

  test('bookkeeping stands beside the data, and nothing but the view among it', async () => {
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40))')
    await load('goods.csv', ['id,note', '1,a'], { strategy: 'snapshot' })
    expect(await shop.rows('SHOW TABLES')).toEqual([['goods']])
    await load('goods.csv', ['id,note', '1,b'])
    expect(await shop.rows('SHOW TABLES')).toEqual([['goods'], ['rowback_version']])
    expect(await shop.rows(`SHOW TABLES FROM ${shop.database.name}_rowback LIKE 'history%'`)).toEqual([
      ['history_goods']
    ])
  })
})
