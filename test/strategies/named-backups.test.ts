import { expect, test } from 'vitest'
import type { BackupListOutput } from '../../src/operations/backup/list.ts'
import type { QueryOutput } from '../../src/operations/query.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines, onMysql, onSqlite } from '../support/both-engines.ts'

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

onBothEngines('what no backup holds', (current) => {
  test('is named when the backup is made, and when it is restored', async () => {
    const { place, sql, engine } = current()
    const odd = {
      sqlite: 'CREATE VIRTUAL TABLE odd USING fts5(words)',
      mysql: 'CREATE TABLE odd (id INT PRIMARY KEY) WITH SYSTEM VERSIONING'
    }
    await sql('CREATE TABLE t (id INTEGER PRIMARY KEY)', 'INSERT INTO t VALUES (1)')
    // Oracle MySQL has no such tables.
    const hasOdd = await sql(odd[engine]).then(
      () => true,
      () => false
    )
    const told = hasOdd ? [expect.stringMatching(/^odd is left out of backups: /)] : []
    expect(await place.json(['backup', 'create'])).toMatchObject({ notes: told })
    await place.write('t.csv', 'id\n2\n')
    await place.json(['migrate', 't.csv', '-m', 'two', '--mode', 'insert'])
    for (const name of ['latest', '0']) {
      const { notes } = await place.json<{ notes: string[] }>(['checkout', name, '--to', `${name}.db`])
      expect(notes.filter((note) => note.startsWith('odd '))).toEqual(told)
    }
  })
})

onSqlite('a repository of another database', (current) => {
  test('is read, and that is said', async () => {
    const { place, sql } = current()
    await sql('CREATE TABLE t (id INTEGER PRIMARY KEY)', 'INSERT INTO t VALUES (1)')
    place.sql('CREATE TABLE u (id INTEGER PRIMARY KEY)', 'other.db')
    const other = ['--target', `sqlite:${place.at('other.db')}`, '--repository', 'others']
    await place.json(['backup', 'create'])
    await place.json(['backup', 'create', ...other])
    const restore = ['backup', 'restore', 'latest', '--to', 'restored.db', '--repository', 'others']
    const said = 'The backup is of another database than shop.db.'
    expect(await place.json(restore)).toMatchObject({ notes: expect.arrayContaining([said]) })
    expect(place.rows('SELECT count(*) FROM u', 'restored.db')).toEqual([[0]])
  })
})

onMysql('tables whose names the other engine has no room for', (current) => {
  test('are refused by name, and nothing of the state is left', async () => {
    const { place, sql } = current()
    await sql('CREATE TABLE a (id INTEGER PRIMARY KEY)', 'CREATE TABLE sqlite_x (id INTEGER PRIMARY KEY)')
    await place.json(['backup', 'create'])
    const restore = ['backup', 'restore', 'latest', '--to', 'x.db']
    const refused = (await place.json<{ error: object }>(restore, { code: 1 })).error
    expect(refused).toMatchObject({ code: 'table.unnameable', message: expect.stringMatching(/^The table sqlite_x /) })
    await sql('DROP TABLE sqlite_x', 'CREATE TABLE rowback_version (id INTEGER PRIMARY KEY)')
    await place.json(['backup', 'create'])
    const hidden = (await place.json<{ error: object }>(restore, { code: 1 })).error
    expect(hidden).toMatchObject({
      code: 'table.unnameable',
      message: expect.stringMatching(/^The table rowback_version /),
      hint: expect.stringContaining('--table')
    })
    expect((await place.json([...restore, '--table', 'a'])).tables).toEqual([{ table: 'a', rows: 0 }])
  })
})
