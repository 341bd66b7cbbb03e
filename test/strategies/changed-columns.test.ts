import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { DiffOutput } from '../../src/operations/diff.ts'
import type { QueryOutput } from '../../src/operations/query.ts'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { Workplace } from '../support/cli.ts'
import type { Ground } from '../support/grounds.ts'
import { onMysql, onSqlite } from '../support/grounds.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')

interface Refused {
  error: { code: string; message: string; hint: string }
}

/** What others do to a table whose history is kept, between version 2 and 3. */
function testsOn(open: () => Promise<Ground>, isMysql: boolean): void {
  let ground: Ground
  let place: Workplace

  beforeEach(async () => {
    ground = await open()
    place = ground.place
    await ground.sql(
      'CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20), tier VARCHAR(20))',
      "INSERT INTO t VALUES (1, 'Ann', 'gold'), (2, 'Bob', 'silver'), (3, 'Cid', NULL)"
    )
    await place.write('rowback.yaml', `target: ${ground.target}\nstrategy: incremental\n`)
    await place.json(['enable', 'incremental'])
    await migrate('id,name,tier', '1,Anna,gold', '4,Dan,basic')
  })
  afterEach(() => ground.remove())

  async function migrate(...lines: string[]): Promise<{ version: number; notes: string[] }> {
    await place.write('t.csv', `${lines.join('\n')}\n`)
    return place.json(['migrate', 't.csv', '--on-failure', 'abort', '-m', 'x'])
  }
  const query = (sql: string, at: number) => place.json<QueryOutput>(['query', sql, '--at', String(at)])
  const at = async (version: number) => {
    const { columns, rows } = await query('SELECT * FROM t ORDER BY id', version)
    return [columns.join(), ...rows.map((row) => row.join())]
  }
  const now = async (columns: string) =>
    (await ground.rows(`SELECT ${columns} FROM t ORDER BY id`)).map((row) => row.join())
  const status = async () => (await place.json<StatusOutput>(['status'])).changedColumns
  const rollback = (to: number, ...flags: string[]) => place.json<RollbackOutput>(['rollback', String(to), ...flags])
  const diff = async (from: number, to: number) => place.json<DiffOutput>(['diff', String(from), String(to)])

  const FIRST = ['id,name,tier', '1,Ann,gold', '2,Bob,silver', '3,Cid,']
  const SECOND = ['id,name,tier', '1,Anna,gold', '2,Bob,silver', '3,Cid,', '4,Dan,basic']

  test('added: history gets it, with what the rows got that were there; states before do not show it', async () => {
    await ground.sql('ALTER TABLE t ADD COLUMN age INTEGER DEFAULT 5', 'UPDATE t SET age = 6 WHERE id = 3')
    expect(await status()).toEqual(['Others changed t: column age was added.'])
    expect(await at(1)).toEqual(FIRST)
    expect((await diff(1, 2)).tables).toMatchObject([{ inserted: 1, updated: 1, deleted: 0 }])
    if (!isMysql) expect((await rollback(1, '--dry-run')).tables).toMatchObject([{ updated: 1, deleted: 1 }])
    const { notes } = await migrate('id,name,tier,age', '2,Bobby,gold,7', '3,,,8')
    expect(notes).toContain('Others changed t: column age was added.')
    expect(await status()).toEqual([])
    expect(await at(1)).toEqual(FIRST)
    expect(await at(2)).toEqual(SECOND)
    expect((await diff(2, 3)).tables[0]?.rows).toMatchObject([
      { key: { id: 2 }, before: { age: 5 }, after: { age: 7 }, changed: ['name', 'tier', 'age'] },
      { key: { id: 3 }, before: { age: 6 }, after: { age: 8 } }
    ])
    await rollback(2)
    expect(await now('id, name, tier, age')).toEqual(['1,Anna,gold,5', '2,Bob,silver,5', '3,Cid,,6', '4,Dan,basic,5'])
    await rollback(1)
    expect(await now('id, name, tier, age')).toEqual(['1,Ann,gold,5', '2,Bob,silver,5', '3,Cid,,6'])
    await rollback(3)
    expect(await now('id, name, tier, age')).toEqual(['1,Anna,gold,5', '2,Bobby,gold,7', '3,,,8', '4,Dan,basic,5'])
    expect(await at(3)).toEqual(['id,name,tier,age', ...(await now('id, name, tier, age'))])
  })

  test('added NOT NULL: rows that come back have what the database gave to the others', async () => {
    await ground.sql("ALTER TABLE t ADD COLUMN state VARCHAR(9) NOT NULL DEFAULT 'it''s new'")
    await migrate('id,name,tier,state', '1,Anne,gold,old')
    await rollback(1)
    expect(await now('id, name, state')).toEqual(["1,Ann,it's new", "2,Bob,it's new", "3,Cid,it's new"])
  })

  test('dropped: states whose rows were all superseded before still show it, others say why they do not', async () => {
    await migrate('id,name,tier', '1,a,x', '2,b,x', '3,c,x')
    await ground.sql('DELETE FROM t WHERE id = 4', 'ALTER TABLE t DROP COLUMN tier')
    expect(await status()).toEqual(['Others changed t: column tier was dropped.'])
    expect(await at(1)).toEqual(FIRST)
    expect((await diff(3, 1)).notes).toContainEqual(expect.stringMatching(/^t is read in its columns of now: .* tier/))
    expect((await migrate('id,name', '1,aa')).notes).toContain('Others changed t: column tier was dropped.')
    expect(await at(1)).toEqual(FIRST)
    const asked = await query('SELECT * FROM t ORDER BY id', 3)
    expect(asked).toMatchObject({
      columns: ['id', 'name'],
      rows: [
        [1, 'a'],
        [2, 'b'],
        [3, 'c']
      ]
    })
    expect(asked.notes).toEqual([expect.stringMatching(/^t is read in its columns of now: others dropped .* tier/)])
    const missing = await place.json<Refused>(['query', 'SELECT tier FROM t', '--at', '3'], { code: 1 })
    expect(missing.error.hint).toContain('others dropped or renamed tier')
    const compared = await diff(1, 4)
    expect(compared.notes).toEqual([expect.stringContaining('compared in those that both have: id, name')])
    expect(compared.tables).toMatchObject([{ inserted: 0, updated: 3, deleted: 0 }])
    const { notes } = await rollback(1)
    expect(notes).toContainEqual(expect.stringContaining('does not come back (tier)'))
    expect(await now('id, name')).toEqual(['1,Ann', '2,Bob', '3,Cid'])
    await rollback(4)
    expect(await now('id, name')).toEqual(['1,aa', '2,b', '3,c'])
  })

  test('dropped and added again: what it held before is not mixed up with what it holds now', async () => {
    await ground.sql('ALTER TABLE t DROP COLUMN tier')
    await migrate('id,name', '1,An')
    await ground.sql("ALTER TABLE t ADD COLUMN tier VARCHAR(20) DEFAULT 'new'")
    await migrate('id,name', '1,A')
    expect((await query('SELECT * FROM t ORDER BY id', 2)).notes).toHaveLength(1)
    expect(await at(3)).toEqual(['id,name', '1,An', '2,Bob', '3,Cid', '4,Dan'])
    await rollback(3)
    expect((await now('id, name'))[0]).toBe('1,An')
  })

  test('renamed: the values stay with the column, and it is said that it was taken for renamed', async () => {
    await ground.sql(
      isMysql ? 'ALTER TABLE t CHANGE name title VARCHAR(20)' : 'ALTER TABLE t RENAME COLUMN name TO title'
    )
    const what = 'Others changed t: column name seems to have been renamed to title.'
    expect(await status()).toEqual([what])
    const refused = await place.json<Refused>(['query', 'SELECT * FROM t', '--at', '1'], { code: 5 })
    expect(refused.error).toMatchObject({ code: 'schema.changed', hint: expect.stringContaining('rowback recover') })
    expect((await place.json<{ notes: string[] }>(['recover'])).notes).toEqual([what])
    expect(await at(1)).toEqual(['id,title,tier', ...FIRST.slice(1)])
    await migrate('id,title', '1,x', '2,y')
    expect(await at(2)).toEqual(['id,title,tier', ...SECOND.slice(1)])
    await rollback(1)
    expect(await now('id, title, tier')).toEqual(FIRST.slice(1))
  })

  test('added beside a computed one: that is read in states before, too', async () => {
    await ground.sql(
      'CREATE TABLE g (id INTEGER PRIMARY KEY, p INTEGER, d INTEGER GENERATED ALWAYS AS (p * 2) STORED)',
      'INSERT INTO g (id, p) VALUES (1, 5)'
    )
    await place.json(['enable', 'incremental'])
    await place.write('g.csv', 'id,p\n1,6\n')
    await place.json(['migrate', 'g.csv', '-m', 'x'])
    await ground.sql('ALTER TABLE g ADD COLUMN e INTEGER')
    const both = async (version: number) => {
      const { columns, rows } = await query('SELECT * FROM g', version)
      return [columns, rows, (await query('SELECT d FROM g WHERE d > 0', version)).rows]
    }
    expect(await both(3)).toEqual([['id', 'p', 'd'], [[1, 5, 10]], [[10]]])
    await place.write('g.csv', 'id,p,e\n1,7,8\n')
    await place.json(['migrate', 'g.csv', '-m', 'x'])
    expect(await both(3)).toEqual([['id', 'p', 'd'], [[1, 5, 10]], [[10]]])
    expect(await both(4)).toEqual([['id', 'p', 'd'], [[1, 6, 12]], [[12]]])
    expect((await diff(3, 5)).tables[0]?.rows).toMatchObject([{ before: { p: 5 }, after: { p: 7 } }])
    await rollback(3)
    expect((await ground.rows('SELECT id, p, d, e FROM g')).flat().map(Number)).toEqual([1, 5, 10, 0])
  })

  test('taken away and made again: every command says so and how to go on, and after an adopt all states are read', async () => {
    await ground.sql(
      'DROP TABLE t',
      'CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20), tier VARCHAR(20))',
      "INSERT INTO t VALUES (1, 'Anna', 'gold'), (2, 'Bo', 'silver'), (4, 'Dan', 'basic'), (5, 'Eve', NULL)"
    )
    await place.write('t.csv', 'id,name\n1,x\n')
    await place.write('t.sql', "UPDATE t SET name = 'x'")
    const before = await now('id, name, tier')
    const [told = ''] = (await place.json<StatusOutput>(['status'])).madeAgain
    const commands: string[][] = [
      ['migrate', 't.csv', '-m', 'x'],
      ['exec', 't.sql', '-m', 'x'],
      ['adopt', '-m', 'x'],
      ['query', 'SELECT * FROM t', '--at', '1'],
      ['diff', '1', '2'],
      ['rollback', '1', '--yes'],
      ['revert', '2'],
      ['blame', 't', '1'],
      ['checkout', '1', '--to', 'copy.db'],
      ['backup', 'export', '1'],
      ['enable', 'snapshot']
    ]
    for (const command of commands) {
      const { error } = await place.json<Refused>(command, { code: 5 })
      expect([command[0], error.code, error.message]).toEqual([
        command[0],
        'schema.changed',
        expect.stringContaining(
          'Others took t away and made it again, and its rows do not say which version wrote them.'
        )
      ])
      expect(told).toContain(error.hint)
    }
    expect(await now('id, name, tier')).toEqual(before)
    expect((await place.json<StatusOutput>(['status', '--drift'])).drift?.notes).toEqual([told])
    const [, statement = ''] = /column back: (.*); and record/.exec(told) ?? []
    await ground.sql(statement)
    const adopted = await place.json<{ tables: unknown[] }>(['adopt', '-m', 'made anew'])
    expect(adopted.tables).toMatchObject([{ table: 't', inserted: 1, updated: 1, deleted: 1 }])
    expect([await at(1), await at(2)]).toEqual([FIRST, SECOND])
    expect(await now('id, name, tier')).toEqual(before)
    await rollback(1)
    expect(await now('id, name, tier')).toEqual(FIRST.slice(1))
  })

  test('across a switch to snapshot and back', async () => {
    await ground.sql('ALTER TABLE t ADD COLUMN age INTEGER')
    await place.json(['enable', 'snapshot'])
    await migrate('id,name,age', '1,An,1')
    expect(await at(1)).toEqual(FIRST)
    await place.json(['rollback', '2'])
    expect(await now('id, name, tier')).toEqual(SECOND.slice(1))
    await ground.sql('ALTER TABLE t DROP COLUMN age')
    const refused = await place.json<Refused>(['rollback', '1'], { code: 5 })
    expect(refused.error).toMatchObject({ code: 'schema.changed', message: expect.stringContaining('age was dropped') })
    expect(await at(1)).toEqual(FIRST)
  })

  test('another key: what is there stays readable, and what cannot go on says why', async () => {
    await ground.sql(
      isMysql
        ? 'ALTER TABLE t ADD COLUMN code INT NOT NULL DEFAULT 0, DROP PRIMARY KEY, ADD PRIMARY KEY (id, code)'
        : `CREATE TABLE u (id INTEGER, name VARCHAR(20), tier VARCHAR(20), version_id INTEGER NOT NULL DEFAULT 0,
             code INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, code));
           INSERT INTO u SELECT *, 0 FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t`
    )
    await place.write('t.csv', 'id,name,code\n1,An,0\n')
    const { error } = await place.json<Refused>(['migrate', 't.csv', '-m', 'x'], { code: 5 })
    expect(error).toMatchObject({ code: 'schema.changed', message: expect.stringContaining('its key is id, code now') })
    expect(await at(1)).toEqual(FIRST)
    await place.write('other.csv', 'id\n1\n')
    await place.json(['migrate', 'other.csv', '--create', '--key', 'id', '-m', 'other tables are not held up'])
  })

  test('backups and copies of it have the columns of now', async () => {
    await ground.sql('ALTER TABLE t ADD COLUMN age INTEGER DEFAULT 5')
    await place.json(['backup', 'create'])
    await place.json(['backup', 'verify', '--rehearse'])
    await migrate('id,name,age', '1,An,6')
    await place.json(['checkout', '3', '--to', 'copy.db'])
    expect(place.rows('SELECT id, name, age FROM t ORDER BY id', 'copy.db')[0]).toEqual([1, 'An', 6])
    await place.json(['checkout', '1', '--to', 'before.db'])
    expect(place.rows('SELECT * FROM t ORDER BY id', 'before.db')[0]).toEqual([1, 'Ann', 'gold'])
  })

  if (!isMysql) return

  test('retyped: a history follows where all its values survive', async () => {
    await ground.sql('ALTER TABLE t MODIFY name VARCHAR(60), MODIFY tier TEXT')
    expect((await status())[0]).toMatch(/column name became varchar\(60\), column tier became text/)
    const long = 'x'.repeat(50)
    await migrate('id,name', `1,${long}`)
    await migrate('id,name', '1,An')
    expect(await at(1)).toEqual(FIRST)
    expect((await at(3))[1]).toBe(`1,${long},gold`)
    await rollback(3)
    expect((await now('id, name'))[0]).toBe(`1,${long}`)
  })

  test('retyped so that it does not: no version writes it, nothing is altered, and it is said', async () => {
    await ground.sql('UPDATE t SET name = id', 'ALTER TABLE t MODIFY name INT')
    await place.write('t.csv', 'id,name\n1,5\n')
    const { error } = await place.json<Refused>(['migrate', 't.csv', '-m', 'x'], { code: 5 })
    expect(error.message).toContain('Others made the column name of t int')
    expect(error.message).toContain('1 value that such a column does not hold exactly')
    expect(await ground.rows(`SELECT name FROM ${new URL(ground.target).pathname.slice(1)}_rowback.history_t`)).toEqual(
      [['Ann']]
    )
    await ground.sql('ALTER TABLE t MODIFY name VARCHAR(20)')
    await place.json(['migrate', 't.csv', '-m', 'x'])
  })
}

describe('columns that others changed, on SQLite', () => {
  testsOn(onSqlite, false)

  test('a column of another type: the history holds what was there and what comes', async () => {
    const { place, sql, rows, target, remove } = await onSqlite()
    await sql('CREATE TABLE t (id INTEGER PRIMARY KEY, code INTEGER)', 'INSERT INTO t VALUES (1, 7), (2, 8)')
    await place.write('rowback.yaml', `target: ${target}\nstrategy: incremental\n`)
    await place.json(['enable', 'incremental'])
    await place.write('t.csv', 'id,code\n1,9\n')
    await place.json(['migrate', 't.csv', '-m', 'x'])
    await sql(
      'CREATE TABLE u (id INTEGER PRIMARY KEY, code TEXT, version_id INTEGER NOT NULL DEFAULT 0)',
      'INSERT INTO u SELECT * FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t'
    )
    await place.write('t.csv', 'id,code\n2,007\n')
    await place.json(['migrate', 't.csv', '-m', 'y'])
    await place.write('t.csv', 'id,code\n2,08\n')
    await place.json(['migrate', 't.csv', '-m', 'z'])
    expect(await rows('SELECT id, code, typeof(code) FROM history_t ORDER BY superseded_by')).toEqual([
      [1, 7, 'integer'],
      [2, '8', 'text'],
      [2, '007', 'text']
    ])
    await place.json(['rollback', '3'])
    expect(await rows('SELECT code FROM t ORDER BY id')).toEqual([['9'], ['007']])
    await remove()
  })
})

if (server === null) test.skip(`columns that others changed, on MySQL: ${HOW_TO_PROVIDE}`)
else describe('columns that others changed, on MySQL', () => testsOn(() => onMysql(server), true))
