import { spawn } from 'node:child_process'
import { rename } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { MigrateOutput } from '../../src/operations/migrate.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')
const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname
let shop: MysqlShop
let isMariadb: boolean

interface Refused {
  error: { code: string; message: string; state: string; hint: string }
}

async function sql(...statements: string[]): Promise<void> {
  for (const statement of statements) await shop.sql.query(statement)
}

async function source(...lines: string[]): Promise<void> {
  await shop.place.write('goods.csv', `${lines.join('\n')}\n`)
}

function goods(): Promise<(string | null)[][]> {
  return shop.rows('SELECT * FROM goods ORDER BY 1, 2')
}

const triggers = async () => (await shop.rows('SHOW TRIGGERS')).map((row) => row.slice(0, 4))

const MIGRATE = ['migrate', 'goods.csv', '-m', 'x']
const KEPT = [
  ['1', 'one', 'u1'],
  ['2', 'two', 'u2'],
  ['3', null, null]
]
const PUT_BACK = (storage: string, version: number) =>
  `goods is ${storage}, which cannot abort: its rows were put back from the backup taken before version ${version}; checked.`

const tests = () => {
  beforeEach(async () => {
    shop = await openShop(server as string)
    isMariadb = /mariadb/i.test(String((await shop.rows('SELECT VERSION()'))[0]?.[0]))
    await shop.place.write('rowback.yaml', `target: ${shop.database.url}\n`)
  })
  afterEach(() => shop.remove())

  async function make(options: string): Promise<void> {
    await sql(
      `CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(8), code VARCHAR(8), UNIQUE KEY (code)) ${options}`,
      "INSERT INTO goods VALUES (1, 'one', 'u1'), (2, 'two', 'u2'), (3, NULL, NULL)"
    )
  }

  describe.each([
    ['MyISAM', 'ENGINE=MyISAM'],
    ['Aria', 'ENGINE=Aria TRANSACTIONAL=0'],
    ['MEMORY', 'ENGINE=MEMORY']
  ])('%s', (storage, options) => {
    test('is loaded row by row, with a note, and rolled back and forth', async (context) => {
      if (storage === 'Aria' && !isMariadb) return context.skip()
      await make(options)
      await source('id,note,code', '1,ONE,u1', '2,two,u2', '4,four,u4', '5,five,u1', '6,much too long,u6', '7,seven,u7')
      const loaded = await shop.place.json<MigrateOutput>(MIGRATE, { code: 3 })
      expect(loaded.notes[0]).toMatch(new RegExp(`^goods is ${storage}, which cannot abort a load: `))
      expect(loaded.tables).toMatchObject([{ read: 6, inserted: 2, updated: 1, unchanged: 1, failed: 2 }])
      const after = [...KEPT, ['4', 'four', 'u4'], ['7', 'seven', 'u7']].map((row) =>
        row[0] === '1' ? ['1', 'ONE', 'u1'] : row
      )
      expect(await goods()).toEqual(after)
      for (const [to, state] of [
        [0, KEPT],
        [1, after],
        [0, KEPT]
      ] as const) {
        await shop.place.json(['rollback', String(to)])
        expect(await goods()).toEqual(state)
      }
      expect((await shop.place.json<{ unsettled: unknown[] }>(['status'])).unsettled).toEqual([])
    })

    test('what a failed load wrote is taken back, and said', async (context) => {
      if (storage === 'Aria' && !isMariadb) return context.skip()
      await make(options)
      for (const mode of ['upsert', 'mirror', 'replace']) {
        await source('id,note,code', '9,nine,u9', '1,ONE,u2', '2,TWO,u1', '5,much too long,u6')
        const flags = ['--mode', mode, '--on-failure', 'abort']
        const { error } = await shop.place.json<Refused>([...MIGRATE, ...flags], { code: 1 })
        const [last] = (await shop.place.json<{ versions: { version: number }[] }>(['log'])).versions
        expect(error.code).toBe('rows.failed')
        expect(error.state).toContain(PUT_BACK(storage, last?.version as number))
        expect(await goods(), mode).toEqual(KEPT)
      }
    })
  })

  test('an empty table, one without a key, and one with triggers', async () => {
    await sql('CREATE TABLE goods (id INT, note VARCHAR(8)) ENGINE=MyISAM')
    await source('id,note', '1,a', '1,a', '2,much too long')
    await shop.place.json([...MIGRATE, '--mode', 'insert', '--on-failure', 'abort'], { code: 1 })
    expect(await goods()).toEqual([])
    await shop.place.json([...MIGRATE, '--mode', 'insert'], { code: 3 })
    const twice = [
      ['1', 'a'],
      ['1', 'a']
    ]
    expect(await goods()).toEqual(twice)
    await sql("CREATE TRIGGER stamp BEFORE INSERT ON goods FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '!')")
    const before = await triggers()
    await source('id,note', '3,c', '4,much too long')
    for (const mode of ['insert', 'replace']) {
      const { error } = await shop.place.json<Refused>([...MIGRATE, '--mode', mode, '--on-failure', 'abort'], {
        code: 1
      })
      expect(error.state).toContain('goods is MyISAM')
      expect(await goods(), mode).toEqual(twice)
      expect(await triggers()).toEqual(before)
    }
    expect((await shop.place.json<{ unsettled: unknown[] }>(['status'])).unsettled).toEqual([])
  })

  test('a rehearsal works on a copy', async () => {
    await make('ENGINE=MyISAM')
    await source('id,note,code', '1,ONE,u1', '9,nine,u9')
    const flags = ['--mode', 'mirror', '--dry-run']
    const rehearsed = await shop.place.json<MigrateOutput>([...MIGRATE, ...flags])
    expect(rehearsed.tables).toMatchObject([{ inserted: 1, updated: 1, deleted: 2 }])
    expect(rehearsed.notes[0]).toMatch(/^goods is MyISAM/)
    expect(await goods()).toEqual(KEPT)
    await shop.place.json([...MIGRATE, '--mode', 'mirror'])
    const loaded = await goods()
    expect((await shop.place.json<MigrateOutput>(['rollback', '0', '--dry-run'])).tables).toMatchObject([
      { inserted: 2, updated: 1, deleted: 1 }
    ])
    expect(await goods()).toEqual(loaded)
  })

  test('drift is refused before any row is written', async () => {
    await make('ENGINE=MyISAM')
    await sql('CREATE TABLE other (id INT PRIMARY KEY)')
    await shop.place.write('other.csv', 'id\n1\n')
    await shop.place.json(['migrate', 'other.csv', '-m', 'x'])
    await sql("UPDATE goods SET note = 'drift'")
    const drifted = await goods()
    expect((await shop.place.json<Refused>(['rollback', '0'], { code: 5 })).error.code).toBe('drift')
    expect((await shop.place.json<Refused>(['rollback', '0', '--dry-run'], { code: 5 })).error.code).toBe('drift')
    await shop.place.json(['rollback', '0', '--dry-run', '--yes'])
    expect(await goods()).toEqual(drifted)
    await shop.place.json(['rollback', '0', '--yes'])
    expect(await goods()).toEqual(KEPT)
  })

  test('a rollback that is refused at its end puts the rows back, too', async () => {
    await make('ENGINE=MyISAM')
    await sql(
      'CREATE TABLE parents (id INT PRIMARY KEY)',
      'CREATE TABLE children (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parents (id))'
    )
    await shop.place.write('parents.csv', 'id\n1\n')
    await shop.place.json(['migrate', 'parents.csv', '-m', 'x'])
    await source('id,note,code', '1,ONE,u1')
    await shop.place.json(MIGRATE)
    const loaded = await goods()
    await sql('INSERT INTO children VALUES (1, 1)', 'ALTER TABLE children ADD COLUMN note INT')
    const { error } = await shop.place.json<Refused>(['rollback', '0'], { code: 5 })
    expect(error.code).toBe('foreign_key.violated')
    expect(error.state).toContain(PUT_BACK('MyISAM', 3))
    expect(await goods()).toEqual(loaded)
    expect(await shop.rows('SELECT * FROM parents')).toEqual([['1']])
  })

  test('other engines, and the incremental strategy, are refused', async () => {
    await make('ENGINE=MyISAM')
    await source('id,note,code', '1,ONE,u1')
    const { error } = await shop.place.json<Refused>([...MIGRATE, '--strategy', 'incremental'], { code: 1 })
    expect(error.message).toMatch(/MyISAM undoes nothing/)
    expect(error.hint).toContain('--strategy snapshot')
    await sql(
      'DROP TABLE goods',
      'CREATE TABLE goods (id INT, note VARCHAR(8), code VARCHAR(8)) ENGINE=CSV'
        .replaceAll(', ', ' NOT NULL, ')
        .replace('8))', '8) NOT NULL)')
    )
    const refused = await shop.place.json<Refused>([...MIGRATE, '--mode', 'insert'], { code: 1 })
    expect(refused.error.message).toMatch(/CSV undoes nothing/)
    expect(refused.error.hint).not.toContain('--strategy snapshot')
  })

  /** Starts a load of many rows and kills it while it writes. */
  async function killedLoad(): Promise<void> {
    await source('id,note,code', ...Array.from({ length: 60_000 }, (_, i) => `${i + 1},n${i},c${i}`))
    const child = spawn(process.execPath, [MAIN, ...MIGRATE, '--quiet'], {
      cwd: shop.place.path,
      stdio: 'ignore',
      env: { ...process.env, ROWBACK_AUTHOR: 'tester' }
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    for (let waited = 0; ; waited += 50) {
      const [[count]] = (await shop.rows('SELECT count(*) FROM goods')) as [[string]]
      if (Number(count) > 500) break
      if (waited > 30_000) throw new Error('it never wrote a row')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    child.kill('SIGKILL')
    await ended
    expect(Number((await shop.rows('SELECT count(*) FROM goods'))[0]?.[0])).toBeLessThan(60_000)
  }

  test('a killed load is taken back by recover', async () => {
    await make('ENGINE=MyISAM')
    await killedLoad()
    const status = await shop.place.json<{ unsettled: string[] }>(['status'], { code: 6 })
    expect(status.unsettled).toEqual(['version 1: rows of goods are to be put back from a backup'])
    const recovered = await shop.place.json<{ recovered: number[]; notes: string[] }>(['recover', '--wait', '30'])
    expect(recovered).toEqual({ recovered: [1], notes: [PUT_BACK('MyISAM', 1)] })
    expect(await goods()).toEqual(KEPT)
    await shop.place.json(['status'])
  })

  test('a killed load is taken back by the next migration, before it looks at the rows', async () => {
    await make('ENGINE=MyISAM')
    await killedLoad()
    await source('id,note,code', '1,ONE,u1')
    const next = await shop.place.json<MigrateOutput>([...MIGRATE, '--wait', '30'])
    expect(next.notes).toContain(PUT_BACK('MyISAM', 1))
    expect(next.tables).toMatchObject([{ updated: 1, inserted: 0 }])
    expect(await goods()).toEqual([['1', 'ONE', 'u1'], ...KEPT.slice(1)])
    await shop.place.json(['rollback', '0'])
    expect(await goods()).toEqual(KEPT)
  })

  test('where the backup is not there, it says which one holds the rows, and what to type', async () => {
    await make('ENGINE=MyISAM')
    await killedLoad()
    await rename(shop.place.at('.rowback/objects'), shop.place.at('elsewhere'))
    const { error } = await shop.place.json<Refused>(['recover', '--wait', '30'], { code: 6 })
    expect(error.code).toBe('rows.half_written')
    expect(error.state).toMatch(/goods may hold half of version 1\. The backup 000001-[0-9a-f]{64} holds its rows/)
    expect(error.hint).toContain('rowback recover')
    const blocked = await shop.place.json<Refused>([...MIGRATE, '--wait', '30'], { code: 6 })
    expect(blocked.error.code).toBe('rows.half_written')
    await rename(shop.place.at('elsewhere'), shop.place.at('.rowback/objects'))
    await shop.place.json(['recover'])
    expect(await goods()).toEqual(KEPT)
  })
}

describe.skipIf(server === null)(`tables that are not atomic (${HOW_TO_PROVIDE})`, tests)
