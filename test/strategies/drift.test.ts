import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BackupListOutput } from '../../src/operations/backup/list.ts'
import type { BackupPruneOutput } from '../../src/operations/backup/prune.ts'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

interface Refused {
  error: { code: string; message: string; hint: string; drift: unknown[]; notes: string[] }
}

onBothEngines('rows that others changed', (current) => {
  async function begin(...tables: string[]): Promise<AnyShop> {
    const shop = current()
    await shop.sql(...tables)
    return shop
  }

  const load = async ({ place }: AnyShop, table: string, ...lines: string[]) => {
    await place.write(`${table}.csv`, `${lines.join('\n')}\n`)
    await place.json(['migrate', `${table}.csv`, '--table', table, '-m', 'x'])
  }
  const drift = async ({ place }: AnyShop) => (await place.json<StatusOutput>(['status', '--drift'])).drift
  const refused = async ({ place }: AnyShop, to: number) =>
    (await place.json<Refused>(['rollback', String(to)], { code: 5 })).error
  const NAMES = 'CREATE TABLE names (id INTEGER PRIMARY KEY, name VARCHAR(20), city VARCHAR(20))'
  const names = ({ rows }: AnyShop) => rows('SELECT * FROM names ORDER BY id')

  test('are nobody’s concern before the first version: a rollback says how to make one', async () => {
    const shop = await begin(NAMES)
    const { error } = await shop.place.json<Refused>(['rollback', 'HEAD'], { code: 1 })
    expect([error.message, error.hint]).toEqual([
      'There is no version 0.',
      'Nothing was migrated here yet: rowback migrate FILE -m "..."'
    ])
  })

  test('between versions and since the head, in a table that versions wrote', async () => {
    const shop = await begin(NAMES)
    await load(shop, 'names', 'id,name,city', '1,Ann,Rome', '2,Bob,Oslo', '3,Cid,Bonn', '4,Dan,Lyon')
    await shop.sql("UPDATE names SET city = 'Paris' WHERE id = 1", "UPDATE names SET city = 'Prague' WHERE id = 2")
    await load(shop, 'names', 'id,name,city', '2,Bobby,Berlin', '5,Eve,Nice')
    await shop.sql("INSERT INTO names VALUES (9, 'Ned', NULL)", 'DELETE FROM names WHERE id = 3')
    const left = await names(shop)
    expect(await drift(shop)).toEqual({
      tables: [
        {
          table: 'names',
          inserted: 1,
          updated: 0,
          deleted: 1,
          rows: expect.arrayContaining([
            { op: 'insert', key: { id: 9 } },
            { op: 'delete', key: { id: 3 } }
          ])
        }
      ],
      notes: []
    })
    // Version 2 wrote over what others made of row 2; row 3 was not there at 0, so that nobody misses it.
    const { code, message, drift: lost } = await refused(shop, 0)
    expect([code, message]).toEqual([
      'drift',
      'Others changed 2 rows of names (id 1, 9) since version 0, which would be lost.'
    ])
    expect(lost).toMatchObject([{ table: 'names', inserted: 1, updated: 1, deleted: 0 }])
    expect((await refused(shop, 1)).drift).toMatchObject([{ table: 'names', inserted: 1, updated: 0, deleted: 1 }])
    expect(await names(shop)).toEqual(left)
    const done = await shop.place.json<RollbackOutput>(['rollback', '0', '--yes'])
    expect(done.drift).toEqual(lost)
    expect(await names(shop)).toEqual([])
    await shop.place.json(['rollback', '2'])
    expect(await names(shop)).toEqual(left)
  })

  test('going back to the head takes them back, and says when there is nothing to do', async () => {
    const shop = await begin(NAMES)
    await load(shop, 'names', 'id,name,city', '1,Ann,Rome', '2,Bob,Oslo')
    const loaded = await names(shop)
    const nothing = await shop.place.json<Refused>(['rollback', '1'], { code: 1 })
    expect(nothing.error.message).toBe(
      'Version 1 is the head, and no row was changed since by others: there is nothing to do.'
    )
    await shop.sql("UPDATE names SET city = 'Paris'")
    expect((await refused(shop, 1)).hint).toMatch(/rowback status --drift$/)
    await shop.place.json(['rollback', 'HEAD', '--yes'])
    expect(await names(shop)).toEqual(loaded)
    expect(await drift(shop)).toEqual({ tables: [], notes: [] })
  })

  test('in a table that is tracked now, on the way to before it was', async () => {
    const shop = await begin(NAMES)
    await load(shop, 'names', 'id,name,city', '1,Ann,Rome', '2,Bob,Oslo')
    const loaded = await names(shop)
    await shop.place.json(['enable', 'incremental', '-m', 'x'])
    await load(shop, 'names', 'id,name,city', '2,Bob,Bonn')
    await shop.sql("UPDATE names SET city = 'Paris' WHERE id = 1", "INSERT INTO names (id, name) VALUES (9, 'Ned')")
    expect((await refused(shop, 1)).drift).toMatchObject([{ table: 'names', inserted: 1, updated: 1, deleted: 0 }])
    await shop.place.json(['rollback', '1', '--yes'])
    expect((await names(shop)).map((row) => row.slice(0, 3))).toEqual(loaded)
  })

  test('in a table without a key, and in one that a cascade reaches', async () => {
    const shop = await begin(
      'CREATE TABLE words (word VARCHAR(20))',
      'CREATE TABLE owners (id INTEGER PRIMARY KEY)',
      'CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER, name VARCHAR(20), FOREIGN KEY (owner) REFERENCES owners (id) ON DELETE CASCADE)',
      'INSERT INTO owners VALUES (1), (2)',
      "INSERT INTO pets VALUES (10, 1, 'Rex'), (20, 2, 'Max')"
    )
    await load(shop, 'words', 'word', 'a', 'b')
    await shop.place.write('owners.csv', 'id\n1\n')
    await shop.place.json(['migrate', 'owners.csv', '--mode', 'mirror', '-m', 'x'])
    await shop.sql("INSERT INTO words VALUES ('a')", "UPDATE pets SET name = 'Lux' WHERE id = 10")
    const { drift: lost } = await refused(shop, 0)
    expect(lost).toHaveLength(2)
    expect(lost).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ table: 'words', inserted: 1, updated: 0, deleted: 0 }),
        expect.objectContaining({ table: 'pets', inserted: 0, updated: 1, deleted: 0 })
      ])
    )
    await shop.place.json(['rollback', '0', '--yes'])
    expect(await shop.rows('SELECT id, name FROM pets ORDER BY id')).toEqual([
      ['10', 'Rex'],
      ['20', 'Max']
    ])
    expect(await shop.rows('SELECT * FROM words')).toEqual([])
  })

  test('a ledger of before there were records gets them with its next version', async () => {
    const shop = await begin(NAMES)
    await load(shop, 'names', 'id,name,city', '1,Ann,Rome')
    const ledger = shop.engine === 'sqlite' ? 'rowback_version' : `${shop.database}_rowback.rowback_version`
    await shop.sql(`UPDATE ${ledger} SET left_record = NULL`, `ALTER TABLE ${ledger} DROP COLUMN left_record`)
    expect((await drift(shop))?.notes).toEqual([
      'names: what version 1 left of it is not on record, so it is not known what others changed then.'
    ])
    await load(shop, 'names', 'id,name,city', '1,Anna,Rome')
    expect(await drift(shop)).toEqual({ tables: [], notes: [] })
    const back = await shop.place.json<RollbackOutput>(['rollback', '0'])
    expect(back.notes).toEqual([
      'names: what version 1 left of it is not on record, so it is not known what others changed then.'
    ])
    expect(await names(shop)).toEqual([])
  })

  test('where the record of what a version left is lost, rows of others are overwritten only with --yes', async () => {
    const shop = await begin(NAMES)
    for (const city of ['Rome', 'Oslo', 'Bonn']) await load(shop, 'names', 'id,name,city', `1,Ann,${city}`)
    await shop.sql("INSERT INTO names VALUES (9, 'Ned', NULL)")
    await load(shop, 'names', 'id,name,city', '1,Ann,Lyon')
    const left = shop.place.at('.rowback/left')
    const third = (await readdir(left)).find((name) => name.startsWith('000003-')) ?? ''
    await rm(join(left, third))
    const found = await shop.place.json<BackupVerifyOutput>(['backup', 'verify'], { code: 7 })
    expect(found.problems.map(({ message }) => message)).toEqual([
      `The record of what version 3 left is missing: left/${third}. Without it a rollback cannot tell what others changed then.`
    ])
    const before = await names(shop)
    for (const more of [[], ['--dry-run']]) {
      const { error } = await shop.place.json<Refused>(['rollback', '2', ...more], { code: 5 })
      expect(error).toMatchObject({
        code: 'drift.unknown',
        message:
          'The repository has lost the record of what version 3 left of names: it is not known which rows others changed then, and they would be lost.',
        hint: expect.stringContaining('--yes'),
        unknown: [{ table: 'names', versions: [3] }]
      })
    }
    expect(await names(shop)).toEqual(before)
    await shop.place.json(['rollback', '2', '--yes'])
    expect(await names(shop)).toEqual([['1', 'Ann', 'Oslo']])
    await shop.place.json(['rollback', '4'])
    expect(await names(shop)).toEqual(before)
  })

  test('a record that a prune took is not lost', async () => {
    const shop = await begin(NAMES)
    for (const city of ['Rome', 'Oslo', 'Bonn']) await load(shop, 'names', 'id,name,city', `1,Ann,${city}`)
    await shop.place.json(['backup', 'prune', '--keep-last', '1', '--yes'])
    expect((await shop.place.json<BackupListOutput>(['backup', 'list'])).records).toHaveLength(2)
    await shop.place.json(['backup', 'verify'])
    await shop.place.json(['rollback', '2'])
    expect(await names(shop)).toEqual([['1', 'Ann', 'Oslo']])
  })

  test('a record that no version has is no state, and goes with the next prune; so do those of pruned states', async () => {
    const shop = await begin(NAMES)
    await load(shop, 'names', 'id,name,city', '1,Ann,Rome')
    await load(shop, 'names', 'id,name,city', '2,Bob,Oslo')
    const stray = `.rowback/left/000003-${'0'.repeat(64)}.json`
    await shop.place.write(stray, '{}')
    const { records } = await shop.place.json<BackupListOutput>(['backup', 'list'])
    expect(records.map(({ version, rows }) => [version, rows])).toEqual([
      [2, 2],
      [1, 1]
    ])
    const prune = ['backup', 'prune', '--keep-last', '1', '--yes']
    expect(await shop.place.json<BackupPruneOutput>(prune)).toMatchObject({ kept: 1, records: 1 })
    expect(existsSync(shop.place.at(stray))).toBe(false)
    expect((await shop.place.json<BackupListOutput>(['backup', 'list'])).records).toHaveLength(2)
    await shop.sql("UPDATE names SET city = 'Paris' WHERE id = 2")
    expect((await refused(shop, 1)).drift).toMatchObject([{ table: 'names', updated: 1 }])
  })
})
