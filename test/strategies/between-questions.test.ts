import { afterEach, expect, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import { onBothEngines } from '../support/both-engines.ts'

onBothEngines('what others do between two questions of one open database', (current) => {
  let db: Rowback

  // 1: Ann and Bea; 2: Bea is Bob
  async function opened(): Promise<void> {
    await current().sql('CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))')
    await load('id,name\n1,Ann\n2,Bea\n')
    await load('id,name\n1,Ann\n2,Bob\n')
    db = await open({ target: current().url, repository: current().place.at('.rowback') })
    // Asked twice, so that what can be kept is.
    for (const _ of [1, 2]) expect(await at(1)).toEqual(['1,Ann', '2,Bea'])
    expect(await changed(1, 2)).toEqual(['Bea > Bob'])
  }

  afterEach(() => db.close())

  /** By another process. */
  async function load(text: string): Promise<void> {
    const { place } = current()
    await place.write('t.csv', text)
    await place.json(['migrate', 't.csv', '--mode', 'mirror', '--strategy', 'incremental', '-m', 'loaded'])
  }

  const at = async (version: number, sql = 'SELECT id, name FROM t ORDER BY id') =>
    (await db.query(sql, { at: version })).rows.map(String)

  const changed = async (from: number, to?: number) => {
    const { tables } = await db.diff(from, to)
    return tables.flatMap(({ rows }) => rows.map(({ before, after }) => `${before?.name ?? ''} > ${after?.name ?? ''}`))
  }

  test('a new version', async () => {
    await opened()
    await load('id,name\n1,Ann\n3,Cleo\n')
    expect(await at(2)).toEqual(['1,Ann', '2,Bob'])
    expect(await at(3)).toEqual(['1,Ann', '3,Cleo'])
    expect(await changed(2)).toEqual(['Bob > ', ' > Cleo'])
    await load('id,name\n1,Anna\n3,Cleo\n')
    expect(await at(3)).toEqual(['1,Ann', '3,Cleo'])
    expect(await changed(3)).toEqual(['Ann > Anna'])
  })

  test('a column that was added, and carried into the history', async () => {
    await opened()
    await current().sql("ALTER TABLE t ADD COLUMN size VARCHAR(3) DEFAULT 'S'")
    expect(await at(2)).toEqual(['1,Ann', '2,Bob'])
    await load('id,name,size\n1,Ann,S\n2,Bob,L\n')
    expect(await at(2, 'SELECT * FROM t ORDER BY id')).toEqual(['1,Ann', '2,Bob'])
    await load('id,name,size\n1,Ann,M\n2,Bob,L\n')
    expect(await at(3, 'SELECT * FROM t ORDER BY id')).toEqual(['1,Ann,S', '2,Bob,L'])
    const [table] = (await db.diff(3)).tables
    expect(table?.rows).toMatchObject([{ before: { size: 'S' }, after: { size: 'M' }, changed: ['size'] }])
  })

  test('a column that was dropped', async () => {
    await opened()
    await current().sql('ALTER TABLE t ADD COLUMN size VARCHAR(3)')
    await load('id,name,size\n1,Ann,S\n2,Bob,L\n')
    expect(await changed(2)).toEqual(['Ann > Ann', 'Bob > Bob'])
    await current().sql('ALTER TABLE t DROP COLUMN size')
    await load('id,name\n1,Ann\n2,Bea\n')
    expect(await at(2)).toEqual(['1,Ann', '2,Bob'])
    expect(await at(4)).toEqual(['1,Ann', '2,Bea'])
    expect(await changed(2)).toEqual(['Bob > Bea'])
  })

  test('a table and a view that were made, and went', async () => {
    await opened()
    await current().sql(
      'CREATE TABLE u (id INTEGER NOT NULL PRIMARY KEY)',
      'INSERT INTO u VALUES (7)',
      'CREATE VIEW v AS SELECT name FROM t WHERE id = 2'
    )
    expect(await at(1, 'SELECT u.id, v.name FROM u, v')).toEqual(['7,Bea'])
    await current().sql(
      'DROP VIEW v',
      'DROP TABLE u',
      'CREATE TABLE u (name VARCHAR(9) NOT NULL PRIMARY KEY)',
      "INSERT INTO u VALUES ('x')"
    )
    expect(await at(1, 'SELECT * FROM u')).toEqual(['x'])
    await expect(at(1, 'SELECT * FROM v')).rejects.toMatchObject({ code: 'query.invalid' })
  })

  test('a table that another one took the place of', async () => {
    await opened()
    await current().place.json(['rollback', '0', '-m', 'before it'])
    await load('id,name\n1,Zoe\n2,Bob\n')
    expect(await at(2)).toEqual(['1,Ann', '2,Bob'])
    expect(await at(4)).toEqual(['1,Zoe', '2,Bob'])
  })

  test('a ledger that is another one', async () => {
    await opened()
    const { place, engine } = current()
    await load('id,name\n1,Ann\n2,Bob\n3,Cleo\n')
    expect(await at(2)).toEqual(['1,Ann', '2,Bob'])
    const versions = engine === 'mysql' ? `${current().database}_rowback.rowback_version` : 'rowback_version'
    // As after a restore of the file, or of the server: the newest version was another one.
    await current().sql(`DELETE FROM ${versions} WHERE version_id = 3`, 'UPDATE t SET version_id = 2 WHERE id = 3')
    await place.json(['exec', await place.write('fix.sql', "UPDATE t SET name = 'Zoe' WHERE id = 1;"), '-m', 'other'])
    expect((await db.log())[0]).toMatchObject({ version: 3, kind: 'exec' })
    expect(await changed(2)).toContain('Ann > Zoe')
  })
})
