import { expect, test } from 'vitest'
import type { BackupListOutput } from '../../src/operations/backup/list.ts'
import type { QueryOutput } from '../../src/operations/query.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

onBothEngines('several backups of one version', (current) => {
  /** Backups, all of the state of version 0: Ann is called a, then b, then c; the last one is version 1's. */
  async function three(): Promise<{ shop: AnyShop; names: string[] }> {
    const shop = current()
    await shop.sql('CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20))', "INSERT INTO t VALUES (1, 'a')")
    await shop.place.json(['backup', 'create'])
    await shop.sql("UPDATE t SET name = 'b'")
    await shop.place.json(['backup', 'create'])
    await shop.sql("UPDATE t SET name = 'c'")
    await shop.place.write('t.csv', 'id,name\n1,d\n')
    await shop.place.json(['migrate', 't.csv', '-m', 'one'])
    const { backups } = await shop.place.json<BackupListOutput>(['backup', 'list'])
    return { shop, names: backups.reverse().map(({ backup }) => backup) }
  }

  test('each is asked by its name, its beginning, or as the latest', async () => {
    const { shop, names } = await three()
    const [first = '', second = ''] = names
    const at = async (word: string) =>
      (await shop.place.json<QueryOutput>(['query', 'SELECT name FROM t', '--at', word])).rows
    expect([
      await at(first),
      await at(second.slice(0, 15)),
      await at('000001'),
      await at('latest'),
      await at('0')
    ]).toEqual([[['a']], [['b']], [['a']], [['c']], [['c']]])
    const { error } = await shop.place.json<{ error: { code: string; message: string } }>(
      ['query', 'SELECT * FROM nothing', '--at', '000002'],
      { code: 1 }
    )
    expect(error.message).not.toMatch(/version/)
    await shop.place.json(['query', 'SELECT name FROM t', '--at', '000009'], { code: 7 })
  })

  test('each is exported and written elsewhere by its name', async () => {
    const { shop, names } = await three()
    const exported = await shop.place.json<{ backup: string; version: number; rows: number }>([
      'backup',
      'export',
      '000001',
      '--out',
      'first.sql'
    ])
    expect(exported).toMatchObject({ backup: names[0], version: 0, rows: 1 })
    await shop.place.json(['checkout', names[1] ?? '', '--to', 'second.db'])
    expect(shop.place.rows('SELECT name FROM t', 'second.db')).toEqual([['b']])
    await shop.place.json(['backup', 'restore', '000001', '--to', 'first.db'])
    expect(shop.place.rows('SELECT name FROM t', 'first.db')).toEqual([['a']])
  })

  test('a word that is also a tag is refused, with both ways to say what is meant', async () => {
    const { shop } = await three()
    await shop.place.write('t2.csv', 'id,name\n1,e\n')
    await shop.place.json(['migrate', 't2.csv', '--table', 't', '-m', 'two', '--tag', 'latest'])
    for (const command of [
      ['query', 'SELECT name FROM t', '--at', 'latest'],
      ['checkout', 'latest', '--to', 'x.db'],
      ['backup', 'export', 'latest']
    ]) {
      const { error } = await shop.place.json<{ error: { code: string; hint: string } }>(command, { code: 2 })
      expect(error).toMatchObject({ code: 'backup.ambiguous', hint: expect.stringContaining('by its number, 2,') })
    }
  })
})
