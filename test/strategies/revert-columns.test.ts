import { expect, test } from 'vitest'
import { onBothEngines } from '../support/both-engines.ts'

interface Refused {
  error: { code: string; message: string; conflicts: { key: Record<string, unknown>; columns: string[] }[] }
}

onBothEngines('a revert beside columns that others changed', (current) => {
  const load = async (columns: string, ...rows: string[]) => {
    await current().place.write('names.csv', `${columns}\n${rows.join('\n')}\n`)
    await current().place.json(['migrate', 'names.csv', '--strategy', 'incremental', '-m', 'load'])
  }
  const names = (columns = 'id, name, city') => current().rows(`SELECT ${columns} FROM names ORDER BY id`)
  const revert = (...args: string[]) => current().place.json(['revert', '2', ...args])
  const conflicts = async () => {
    const { error } = await current().place.json<Refused>(['revert', '2'], { code: 5 })
    expect(error.code).toBe('revert.conflict')
    return error.conflicts.map(({ key, columns }) => [key.id, columns])
  }

  /** Version 1 wrote rows 2 to 4, and version 2 changes 3, deletes nothing and adds 5. */
  async function begin(between: string | null): Promise<void> {
    await current().sql(
      'CREATE TABLE names (id INT PRIMARY KEY, name VARCHAR(20), city VARCHAR(20))',
      "INSERT INTO names VALUES (1, 'Ann', 'Rome')"
    )
    await load('id,name,city', '2,Bob,Oslo', '3,Cid,Bonn', '4,Dan,Lyon')
    if (between !== null) await current().sql(between)
    await load('id,name,city', '3,Cid,Berlin', '5,Eve,Bari')
  }

  const BEFORE = [
    ['1', 'Ann', 'Rome'],
    ['2', 'Bob', 'Oslo'],
    ['3', 'Cid', 'Bonn'],
    ['4', 'Dan', 'Lyon']
  ]
  const ADD = "ALTER TABLE names ADD COLUMN mail VARCHAR(20) DEFAULT 'none'"

  for (const when of ['before', 'after'] as const) {
    const beginWithColumn = async () => {
      await begin(when === 'before' ? ADD : null)
      if (when === 'after') await current().sql(ADD)
    }

    test(`added ${when} it takes back what the version did, and no more`, async () => {
      await beginWithColumn()
      await current().sql(
        "UPDATE names SET mail = 'cid@x' WHERE id = 3",
        "UPDATE names SET city = 'Nice' WHERE id = 4",
        "UPDATE names SET name = 'Bo' WHERE id = 2"
      )
      await revert()
      expect(await names('id, name, city, mail')).toEqual([
        ['1', 'Ann', 'Rome', 'none'],
        ['2', 'Bo', 'Oslo', 'none'],
        ['3', 'Cid', 'Bonn', 'cid@x'],
        ['4', 'Dan', 'Nice', 'none']
      ])
    })

    test(`added ${when} it sees what others changed in rows of the version by hand`, async () => {
      await beginWithColumn()
      await current().sql("UPDATE names SET city = 'Paris' WHERE id = 3", "UPDATE names SET name = 'Eva' WHERE id = 5")
      expect(await conflicts()).toEqual([
        [3, ['city']],
        [5, ['name']]
      ])
      await current().place.json(['revert', '2', '--on-conflict', 'take-old'])
      expect(await names()).toEqual(BEFORE)
    })

    test(`added ${when} it leaves rows that others brought back or took away already`, async () => {
      await beginWithColumn()
      await current().sql("UPDATE names SET city = 'Bonn' WHERE id = 3", 'DELETE FROM names WHERE id = 5')
      const { error } = await current().place.json<Refused>(['revert', '2'], { code: 1 })
      expect(error.code).toBe('revert.nothing')
      expect(await names()).toEqual(BEFORE)
    })
  }

  test('renamed after it takes the cells back under their new name', async () => {
    await begin(null)
    const { engine, sql } = current()
    await sql(
      engine === 'mysql'
        ? 'ALTER TABLE names CHANGE name called VARCHAR(20)'
        : 'ALTER TABLE names RENAME COLUMN name TO called'
    )
    await load('id,called,city', '3,Cy,Berlin', '4,Don,Lyon')
    await current().place.json(['revert', '3'])
    expect(await names('id, called')).toEqual([
      ['1', 'Ann'],
      ['2', 'Bob'],
      ['3', 'Cid'],
      ['4', 'Dan'],
      ['5', 'Eve']
    ])
    await sql("UPDATE names SET called = 'Eva' WHERE id = 5")
    expect(await conflicts()).toEqual([[5, ['called']]])
    await current().place.json(['revert', '1', '--on-conflict', 'keep-current'])
    expect(await names('id, called, city')).toEqual([
      ['1', 'Ann', 'Rome'],
      ['3', 'Cid', 'Berlin'],
      ['5', 'Eva', 'Bari']
    ])
  })

  test('renamed after it takes back what it changed in them', async () => {
    await begin(null)
    await load('id,name,city', '3,Cyd,Berlin')
    const { engine, sql } = current()
    await sql(
      engine === 'mysql'
        ? 'ALTER TABLE names CHANGE name called VARCHAR(20)'
        : 'ALTER TABLE names RENAME COLUMN name TO called'
    )
    await current().place.json(['revert', '3'])
    expect(await names('id, called, city')).toEqual([
      ...BEFORE.map((row) => (row[0] === '3' ? ['3', 'Cid', 'Berlin'] : row)),
      ['5', 'Eve', 'Bari']
    ])
  })
})
