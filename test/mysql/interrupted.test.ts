import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const server = inject('mysqlUrl')

interface Failure {
  error: { code: string; message: string; state: string; hint: string }
}

const READERS = [
  ['query', 'SELECT * FROM m'],
  ['query', 'SELECT * FROM m', '--at', '0'],
  ['diff', '0'],
  ['blame', 'm', '1'],
  ['checkout', '0', '--to', 'x.db'],
  ['backup', 'restore', '0', '--to', 'x.db'],
  ['backup', 'export', '0'],
  ['backup', 'verify', '--rehearse'],
  ['rows', '1', '--succeeded'],
  ['migrate', 'm.csv', '-m', 'x', '--dry-run'],
  ['rollback', '0', '--dry-run']
]
const UNCONCERNED = [
  ['log'],
  ['show', '1'],
  ['rows', '1', '--failed'],
  ['backup', 'list'],
  ['backup', 'verify'],
  ['inspect']
]

const tests = () => {
  let shop: MysqlShop

  beforeEach(async () => {
    shop = await openShop(server as string)
    await shop.sql.query('CREATE TABLE m (id INT PRIMARY KEY, name VARCHAR(20)) ENGINE=MyISAM')
    await shop.sql.query("INSERT INTO m VALUES (1, 'Ann'), (2, 'Bob')")
    await shop.place.write('rowback.yaml', `target: ${shop.database.url}\n`)
    await shop.place.write('m.csv', 'id,name\n1,Anna\n3,Cid\n')
  })
  afterEach(() => shop.remove())

  const ledger = () => `${shop.database.name}_rowback`

  async function notes(): Promise<(string | null)[][]> {
    return shop.rows(`SELECT value FROM ${ledger()}.rowback_meta WHERE name LIKE 'schema:%'`).catch(() => [])
  }

  /** A run is killed when it noted that it is about to write a table that cannot abort, and stands before its first row. */
  async function killInTheMiddle(): Promise<void> {
    await shop.sql.query('LOCK TABLES m READ')
    const child = spawn(process.execPath, [MAIN, 'migrate', 'm.csv', '-m', 'killed', '--quiet'], {
      cwd: shop.place.path,
      stdio: 'ignore',
      env: { ...process.env, ROWBACK_AUTHOR: 'tester' }
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const other = await openShop(server as string)
    try {
      const seen = () =>
        other.rows(`SELECT value FROM ${ledger()}.rowback_meta WHERE name LIKE 'schema:%'`).catch(() => [])
      while ((await seen()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      child.kill('SIGKILL')
      await ended
      const [[lock] = []] = await other.rows(
        `SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '${shop.database.name}' AND ID <> ${String((shop.sql as unknown as { threadId: number }).threadId)}`
      )
      if (lock) await other.sql.query(`KILL ${lock}`).catch(() => {})
    } finally {
      await other.remove()
    }
    await shop.sql.query('UNLOCK TABLES')
    // Half of the version, as a run that was killed a little later leaves it.
    await shop.sql.query("UPDATE m SET name = 'Anna' WHERE id = 1")
  }

  test('whoever reads a state is refused with exit code 6, and works again after recover', {
    timeout: 120_000
  }, async () => {
    await killInTheMiddle()
    for (const command of READERS) {
      const { error } = await shop.place.json<Failure>(command, { code: 6 })
      expect([command, error.code], error.message).toEqual([command, 'run.interrupted'])
      expect(error.message).toContain('version 1: rows of m are to be put back from a backup')
    }
    for (const command of UNCONCERNED) await shop.place.json(command)
    await shop.place.json(['status'], { code: 6 })
    await shop.place.json(['query', 'SELECT name FROM m WHERE id = 1', '--at', 'latest'])
    await shop.place.json(['recover'])
    expect(await shop.rows('SELECT * FROM m ORDER BY id')).toEqual([
      ['1', 'Ann'],
      ['2', 'Bob']
    ])
    await shop.place.json(['query', 'SELECT * FROM m'])
    await shop.place.json(['status'])
  })

  test.each([
    ['migrate', ['migrate', 'm.csv', '-m', 'again']],
    ['backup create', ['backup', 'create']]
  ])('%s puts it right by itself, and says so', { timeout: 60_000 }, async (_, command) => {
    await killInTheMiddle()
    const output = await shop.place.json<{ notes: string[] }>(command)
    expect(output.notes.slice(0, 2)).toEqual([
      'Version 1 had been interrupted; nothing of it was written. It is marked as failed.',
      'm is MyISAM, which cannot abort: its rows were put back from the backup taken before version 1; checked.'
    ])
    const [rows] = (
      await shop.place.json<{ rows: unknown[][] }>(['query', 'SELECT name FROM m ORDER BY id', '--at', '0'])
    ).rows
    expect(rows).toEqual(['Ann'])
    expect(await notes()).toEqual([])
  })

  test('a table that a failed run had made is gone before the next one looks at it', async () => {
    await shop.place.write('bad.csv', 'id,name\nx,y\n')
    await shop.place.run(['migrate', 'bad.csv', '--table', 'm', '-m', 'fails', '--on-failure', 'abort'])
    await shop.sql.query('CREATE TABLE fresh (id INT PRIMARY KEY)')
    await shop.sql.query(
      `INSERT INTO ${ledger()}.rowback_meta (name, value) VALUES ('schema:1.x', '{"kind":"created","table":"fresh"}')`
    )
    await shop.place.write('fresh.csv', 'id,name\n1,x\n')
    await shop.place.json(['query', 'SELECT * FROM fresh'], { code: 6 })
    await shop.place.json(['migrate', 'fresh.csv', '--create', '--key', 'id', '-m', 'made'])
    expect(await shop.rows('SELECT * FROM fresh')).toEqual([['1', 'x']])
  })
}

describe.skipIf(server === null)(`interrupted runs (${HOW_TO_PROVIDE})`, tests)
