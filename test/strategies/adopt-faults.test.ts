import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { AdoptOutput } from '../../src/operations/adopt.ts'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines, onSqlite } from '../support/both-engines.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const ROWS = 5000
/** When an adopt is killed: after these parts of the time that it takes. */
const KILLED_AT = [0.4, 0.6, 0.75, 0.9]

interface Refused {
  error: { code: string; message: string; state: string; hint: string }
}

interface Logged {
  versions: { version: number; kind: string; status: string }[]
}

const names = ({ rows }: AnyShop) => rows('SELECT id, name FROM names ORDER BY id')
const drift = async ({ place }: AnyShop) => (await place.json<StatusOutput>(['status', '--drift'])).drift

async function load({ place }: AnyShop, ...rows: string[]): Promise<void> {
  await place.write('names.csv', `id,name\n${rows.join('\n')}\n`)
  await place.json(['migrate', 'names.csv', '--strategy', 'incremental', '-m', 'load'])
}

onBothEngines('an adopt', (current) => {
  const begin = async (key: string) => {
    const shop = current()
    await shop.sql(`CREATE TABLE names (id ${key}, name VARCHAR(20))`, "INSERT INTO names VALUES (1, 'Ann')")
    return shop
  }
  const adopted = async ({ place }: AnyShop) =>
    (await place.json<Logged>(['log'])).versions.filter(
      ({ kind, status }) => kind === 'adopt' && status === 'committed'
    )

  test('is refused where it is not known which version wrote the rows from before', async () => {
    const shop = await begin('INT PRIMARY KEY')
    await load(shop, '2,Bob', '3,Cid')
    await shop.sql('ALTER TABLE names ADD COLUMN town VARCHAR(20)')
    await load(shop, '3,Cy')
    await shop.sql("UPDATE names SET name = 'Bo' WHERE id = 2")
    const changed = await names(shop)
    const { error } = await shop.place.json<Refused>(['adopt', '-m', 'x'], { code: 5 })
    expect(error).toMatchObject({ code: 'adopt.unknown', state: 'Nothing was changed.' })
    expect(error.message).toMatch(/which version wrote these before is not known.* version 2\.$/)
    expect(await names(shop)).toEqual(changed)
    expect((await shop.place.json<Logged>(['log'])).versions).toHaveLength(3)
    // What it hints at.
    await shop.place.json(['enable', 'snapshot', '--yes'])
    await shop.place.json(['enable', 'incremental'])
    expect(await names(shop)).toEqual(changed)
    await shop.sql("UPDATE names SET name = 'Bert' WHERE id = 2")
    await shop.place.json(['adopt', '-m', 'x'])
    await shop.place.json(['rollback', '4'])
    expect(await names(shop)).toEqual(changed)
  })

  test('that is killed at any moment leaves all of it or nothing, and can be done again', {
    timeout: 180_000
  }, async () => {
    const shop = await begin('INT PRIMARY KEY')
    await load(shop, ...Array.from({ length: ROWS }, (_, i) => `${i + 2},name ${i}`))
    const started = performance.now()
    await shop.sql("UPDATE names SET name = 'round 0' WHERE id % 3 = 0")
    await shop.place.run(['adopt', '-m', 'x'], { alone: true })
    const duration = performance.now() - started
    let interrupted = 0
    for (const [i, part] of KILLED_AT.entries()) {
      const before = await names(shop)
      const known = await adopted(shop)
      await shop.sql(
        `UPDATE names SET name = 'round ${i + 1}' WHERE id % 3 = 0`,
        `DELETE FROM names WHERE id % 50 = ${i + 1}`,
        `INSERT INTO names (id, name) VALUES (${ROWS * 2 + i}, 'new')`
      )
      const changed = await names(shop)
      const child = spawn(process.execPath, [MAIN, 'adopt', '-m', 'killed', '--quiet'], {
        cwd: shop.place.path,
        stdio: 'ignore'
      })
      const ended = new Promise((resolve) => child.once('exit', resolve))
      await Promise.race([sleep(duration * part), ended])
      child.kill('SIGKILL')
      await ended
      expect(await names(shop)).toEqual(changed)
      await shop.place.json(['recover'])
      const isDone = (await adopted(shop)).length > known.length
      if (!isDone) {
        interrupted++
        expect((await drift(shop))?.tables).toHaveLength(1)
        await shop.place.json<AdoptOutput>(['adopt', '-m', 'again'])
      }
      expect(await drift(shop)).toEqual({ tables: [], notes: [] })
      expect(await names(shop)).toEqual(changed)
      const [newest, last] = await adopted(shop)
      expect(newest?.version).toBeGreaterThan(known[0]?.version ?? 0)
      const sql = 'SELECT id, name FROM names ORDER BY id'
      const then = await shop.place.json<{ rows: unknown[][] }>(['query', '--at', String(last?.version), sql])
      expect(then.rows.map((row) => row.map(String))).toEqual(before)
    }
    expect(interrupted).toBeGreaterThan(0)
  })

  test('beside another one records the rows once', async () => {
    const shop = await begin('INT PRIMARY KEY')
    await load(shop, ...Array.from({ length: 3000 }, (_, i) => `${i + 2},name ${i}`))
    await shop.sql("UPDATE names SET name = 'other' WHERE id % 2 = 0")
    const changed = await names(shop)
    const ends = await Promise.all(
      ['one', 'two', 'three'].map((name) => shop.place.run(['adopt', '-m', name, '--json'], { alone: true }))
    )
    expect(ends.filter(({ code }) => code === 0)).toHaveLength(1)
    for (const { code, stdout } of ends.filter((end) => end.code !== 0)) {
      expect([code, (JSON.parse(stdout) as Refused).error.code]).toEqual(
        code === 4 ? [4, 'locked'] : [1, 'adopt.nothing']
      )
    }
    expect(await adopted(shop)).toHaveLength(1)
    expect(await names(shop)).toEqual(changed)
    expect(await drift(shop)).toEqual({ tables: [], notes: [] })
  })
})

// A server's primary keys hold no NULL.
onSqlite('an adopt of rows without a key', (current) => {
  test('is refused, and the table can be left out', async () => {
    const shop = current()
    await shop.sql('CREATE TABLE names (id VARCHAR(20) PRIMARY KEY, name VARCHAR(20))')
    await load(shop, 'b,Bob')
    await shop.place.write('towns.csv', 'id,name\n1,Rome\n')
    await shop.place.json(['migrate', 'towns.csv', '--key', 'id', '--create', '--strategy', 'incremental', '-m', 'x'])
    await shop.sql("INSERT INTO names (id, name) VALUES (NULL, 'Nil')", "UPDATE towns SET name = 'Roma'")
    const changed = await names(shop)
    const { error } = await shop.place.json<Refused>(['adopt', '-m', 'x'], { code: 1 })
    expect(error).toMatchObject({ code: 'adopt.no_key', state: expect.stringMatching(/Nothing was changed\.$/) })
    expect(await names(shop)).toEqual(changed)
    expect((await drift(shop))?.tables).toHaveLength(2)
    const done = await shop.place.json<AdoptOutput>(['adopt', '-m', 'x', '--table', 'towns'])
    expect(done.tables).toMatchObject([{ table: 'towns', updated: 1 }])
    await shop.sql("UPDATE names SET id = 'n' WHERE id IS NULL")
    expect((await shop.place.json<AdoptOutput>(['adopt', '-m', 'x'])).tables).toMatchObject([{ inserted: 1 }])
  })
})
