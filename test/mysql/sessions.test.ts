import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import { cli } from '../support/cli.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop, urlFor } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')

describe.skipIf(server === null)(`sessions with MySQL (${HOW_TO_PROVIDE})`, () => {
  let shop: MysqlShop

  beforeEach(async () => {
    shop = await openShop(server as string)
    await shop.sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40))')
    await shop.sql.query("INSERT INTO goods VALUES (1, 'old')")
  })

  afterEach(() => shop.remove())

  const openDb = (url = shop.database.url) =>
    open({ target: url, repository: shop.place.at('.rowback'), author: 'tester' })

  const goods = (n: number) =>
    shop.place.write(
      'goods.csv',
      `id,note\n${Array.from({ length: n }, (_, i) => `${i + 1},note ${i + 1}\n`).join('')}`
    )

  const now = () => shop.rows('SELECT id, note FROM goods ORDER BY id LIMIT 3')

  async function lockName(): Promise<void> {
    await shop.sql.query('BEGIN')
    await shop.sql.query('SELECT * FROM goods FOR UPDATE')
  }

  describe('two at once', () => {
    test('the second waits for the first, or gives up after --wait', async () => {
      const source = await goods(5)
      const first = await openDb()
      await first.migrate({ source, table: 'goods', description: 'the lock is there from now on' })
      await lockName()
      const held = first.migrate({
        source: await shop.place.write('a.csv', 'id,note\n1,a\n'),
        table: 'goods',
        description: 'a',
        wait: 20
      })
      await new Promise((resolve) => setTimeout(resolve, 500))
      const args = ['migrate', 'goods.csv', '--target', shop.database.url, '--table', 'goods', '-m', 'b']
      const refused = await cli([...args, '--wait', '0'], { cwd: shop.place.path })
      expect(refused.code).toBe(4)
      expect(refused.stderr).toMatch(/Another migration is at work/)
      const waiting = cli([...args, '--wait', '30'], { cwd: shop.place.path })
      await shop.sql.query('COMMIT')
      await held
      expect((await waiting).code).toBe(0)
      expect((await first.log()).map((version) => [version.version, version.description])).toEqual([
        [3, 'b'],
        [2, 'a'],
        [1, 'the lock is there from now on'],
        [0, 'what was there before the first version']
      ])
      await first.close()
    })

    test('another session that holds rows is waited for, then exit 4, and nothing was changed', async () => {
      await lockName()
      await goods(3)
      const refused = await cli(
        ['migrate', 'goods.csv', '--target', shop.database.url, '--table', 'goods', '-m', 'b', '--wait', '1'],
        { cwd: shop.place.path }
      )
      await shop.sql.query('ROLLBACK')
      expect(refused.code).toBe(4)
      expect(await now()).toEqual([['1', 'old']])
    })
  })

  describe.each(['snapshot', 'incremental'] as const)('a connection that is lost under %s', (strategy) => {
    test('leaves the database as before, and the next command says so', async () => {
      const db = await openDb()
      await shop.sql.query('CREATE TABLE slow (id INT)')
      await db.migrate({
        source: await shop.place.write('s.csv', 'id\n1\n'),
        table: 'slow',
        mode: 'insert',
        description: 's'
      })
      await lockName()
      const run = db.migrate({ source: await goods(50), table: 'goods', description: 'lost', strategy, wait: 30 })
      const outcome = run.then(
        () => 'done',
        (error: Error & { code?: string }) => error.code
      )
      await waitFor(() => otherSessions(shop), 5000)
      await new Promise((resolve) => setTimeout(resolve, 700))
      for (const [id] of await otherSessions(shop)) await shop.sql.query(`KILL ${id}`)
      expect(await outcome).toBe('connection.lost')
      await shop.sql.query('ROLLBACK')
      expect(await now()).toEqual([['1', 'old']])
      expect(await shop.rows("SHOW COLUMNS FROM goods LIKE 'version_id'")).toEqual([])
      const [last] = await db.log()
      expect([last?.description, last?.status]).toEqual(['lost', 'failed'])
      await db.migrate({ source: await goods(50), table: 'goods', description: 'again', strategy })
      expect((await now())[0]).toEqual(['1', 'note 1'])
      await db.close()
    })
  })

  test('a table that a killed run made is gone after the next command', async () => {
    const source = await goods(100_000)
    const child = cliKilled([
      'migrate',
      source,
      '--target',
      shop.database.url,
      '--table',
      'fresh',
      '--create',
      '--strategy',
      'incremental',
      '-m',
      'killed'
    ])
    await waitFor(() => shop.rows("SHOW TABLES LIKE 'fresh'"), 20_000)
    await child.kill()
    const status = await cli(['status', '--target', shop.database.url], { cwd: shop.place.path })
    expect(status.code).toBe(6)
    const recovered = await cli(['recover', '--target', shop.database.url, '--wait', '20'], { cwd: shop.place.path })
    expect([recovered.code, recovered.stderr]).toEqual([0, ''])
    expect(await shop.rows("SHOW TABLES LIKE 'fresh'")).toEqual([])
    expect(await shop.rows(`SHOW TABLES FROM ${shop.database.name}_rowback LIKE 'history%'`)).toEqual([])
    expect((await cli(['status', '--target', shop.database.url], { cwd: shop.place.path })).code).toBe(0)
  })

  function cliKilled(args: string[]) {
    const main = new URL('../../src/cli/main.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [main, ...args], { cwd: shop.place.path, stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    return {
      async kill() {
        child.kill('SIGKILL')
        await ended
      }
    }
  }

  describe('privileges', () => {
    let db: Rowback | null = null

    afterEach(async () => {
      await db?.close()
      db = null
      for (const name of [user()])
        await shop.sql.query(`DROP USER IF EXISTS '${name}'@'%', '${name}'@'localhost', '${name}'@'127.0.0.1'`)
    })

    const user = () => `u_${shop.database.name.slice(-10)}`

    /** The URL of a new user with these privileges. */
    async function userWith(...grants: string[]): Promise<string> {
      await shop.sql.query(`CREATE USER '${user()}'@'%' IDENTIFIED BY 's3cret'`)
      for (const grant of grants) await shop.sql.query(`GRANT ${grant} TO '${user()}'@'%'`)
      return urlFor(shop.database.url, { user: user(), password: 's3cret' })
    }

    const data = () => `${shop.database.name}.*`
    const control = () => `${shop.database.name}_rowback.*`

    test('those that docs/engines.md names are enough', async () => {
      const docs = await readFile(new URL('../../docs/engines.md', import.meta.url), 'utf8')
      const grants = [...docs.matchAll(/^GRANT (.+) TO /gm)].map((match) =>
        String(match[1]).replace('shop_rowback.*', control()).replace('shop.*', data())
      )
      expect(grants.length).toBeGreaterThan(1)
      db = await openDb(await userWith(...grants))
      await db.migrate({ source: await goods(3), table: 'goods', description: 'a' })
      await db.migrate({
        source: await goods(2),
        table: 'goods',
        description: 'b',
        strategy: 'incremental',
        mode: 'mirror'
      })
      await db.migrate({
        source: await goods(2),
        table: 'made',
        create: true,
        key: ['id'],
        description: 'c',
        strategy: 'incremental'
      })
      await db.rollback(0)
      expect(await now()).toEqual([['1', 'old']])
      await db.rollback(3)
      expect((await shop.rows('SELECT COUNT(*) FROM made'))[0]).toEqual(['2'])
    })

    test('triggers that could not be put back are not taken out, and nothing was changed', async () => {
      await shop.sql.query('CREATE TRIGGER busy BEFORE INSERT ON goods FOR EACH ROW SET @a = 1')
      db = await openDb(await userWith(`ALL ON ${data()}`, `ALL ON ${control()}`))
      await db.migrate({ source: await goods(3), table: 'goods', description: 'a' })
      await expect(db.rollback(0)).rejects.toThrow(/belong to root@/)
      expect(await shop.rows('SELECT COUNT(*) FROM goods')).toEqual([['3']])
      expect(await shop.rows("SHOW TRIGGERS LIKE 'goods'")).toHaveLength(1)
      expect((await db.status()).unsettled).toEqual([])
    })

    test('triggers of others are lifted and put back by who may do everything', async () => {
      await shop.sql.query('CREATE TRIGGER busy BEFORE INSERT ON goods FOR EACH ROW SET @a = 1')
      const triggers = () =>
        shop.rows('SELECT TRIGGER_NAME, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()')
      const before = await triggers()
      db = await openDb(await userWith('ALL ON *.*'))
      await db.migrate({ source: await goods(3), table: 'goods', description: 'a' })
      await db.rollback(0)
      expect(await now()).toEqual([['1', 'old']])
      expect(await triggers()).toEqual(before)
    })

    test('where a schema may not be made, the way out is named, and works', async () => {
      const url = await userWith(
        `SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, CREATE TEMPORARY TABLES ON ${data()}`
      )
      const refused = await cli(['migrate', await goods(3), '--table', 'goods', '-m', 'a'], {
        cwd: shop.place.path,
        env: { ROWBACK_TARGET: url }
      })
      expect(refused.code).toBe(1)
      expect(refused.stderr).toMatch(/control=same-schema/)
      expect(refused.stderr).not.toMatch(/s3cret/)
      db = await openDb(`${url}?control=same-schema`)
      await db.migrate({ source: await goods(3), table: 'goods', description: 'a', strategy: 'incremental' })
      await db.migrate({ source: await goods(1), table: 'goods', description: 'b', mode: 'mirror' })
      await db.rollback(1)
      expect(await now()).toEqual([
        ['1', 'note 1'],
        ['2', 'note 2'],
        ['3', 'note 3']
      ])
      expect((await db.status()).tables.map((table) => table.table)).toEqual(['goods'])
    })

    test('bookkeeping that stands where the URL does not say is named, and the command ends', async () => {
      db = await openDb(`${shop.database.url}?control=same-schema`)
      await db.migrate({ source: await goods(1), table: 'goods', description: 'a' })
      const refused = await cli(['log'], {
        cwd: shop.place.path,
        env: { ROWBACK_TARGET: shop.database.url },
        alone: true
      })
      expect(refused.code).toBe(2)
      expect(refused.stderr).toMatch(/Add control=same-schema to the target URL/)
    })

    test('what to type next names the database without its password, and works so', async () => {
      const url = await userWith(`ALL ON ${data()}`, `ALL ON ${control()}`)
      await cli(['migrate', await goods(2), '--table', 'goods', '-m', 'x', '--target', url], { cwd: shop.place.path })
      const refused = await cli(['show', '99', '--target', url], { cwd: shop.place.path })
      expect(refused.stderr).not.toContain('s3cret')
      const [, command, , from] = /(rowback log --target ('?)\S+\2) (.*)$/m.exec(refused.stderr) ?? []
      expect(from).toBe('(with the password in ROWBACK_PASSWORD)')
      const typed = (command ?? '').replaceAll("'", '').split(' ').slice(1)
      const env = { ROWBACK_PASSWORD: 's3cret' }
      expect(await cli(typed, { cwd: shop.place.path, env })).toMatchObject({ code: 0, stderr: '' })
    })

    test('a password is written to no file and no output', async () => {
      const url = await userWith(`ALL ON ${data()}`, `ALL ON ${control()}`)
      const made = await cli(['init', '--target', url], { cwd: shop.place.path })
      expect(made.code).toBe(0)
      const file = await readFile(shop.place.at('rowback.yaml'), 'utf8')
      expect(file).toContain(user())
      for (const text of [file, made.stdout, made.stderr]) expect(text).not.toContain('s3cret')
      const loaded = await cli(
        ['migrate', await goods(2), '--table', 'goods', '-m', 'by password from the environment'],
        {
          cwd: shop.place.path,
          env: { ROWBACK_PASSWORD: 's3cret' }
        }
      )
      expect([loaded.code, loaded.stderr]).toEqual([0, ''])
      const wrong = await cli(['status'], { cwd: shop.place.path, env: { ROWBACK_PASSWORD: 'wr0ng' } })
      expect(wrong.code).toBe(1)
      expect(wrong.stderr).not.toContain('wr0ng')
    })
  })
})

async function otherSessions(shop: MysqlShop): Promise<(string | null)[][]> {
  return shop.rows(
    `SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '${shop.database.name}' AND ID <> CONNECTION_ID()`
  )
}

async function waitFor(ask: () => Promise<unknown[]>, mostMs: number): Promise<void> {
  const end = Date.now() + mostMs
  while ((await ask()).length === 0) {
    if (Date.now() > end) throw new Error('it did not happen in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
