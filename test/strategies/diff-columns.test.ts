import { expect, test } from 'vitest'
import type { DiffOutput } from '../../src/operations/diff.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

onBothEngines('a diff of a table whose columns others changed', (current) => {
  /** Version 1 changed Ann and took Cid away; then others dropped `old`, added `extra` in its place and widened `size`. */
  async function changed(key = ' PRIMARY KEY'): Promise<AnyShop> {
    const shop = current()
    await shop.sql(
      `CREATE TABLE t (id INTEGER NOT NULL${key}, old VARCHAR(9), name VARCHAR(20), size VARCHAR(3))`,
      "INSERT INTO t VALUES (1, 'x', 'Ann', 'S'), (2, 'y', 'Bob', 'M'), (3, 'z', 'Cid', 'L')"
    )
    await shop.place.write('t.csv', 'id,old,name,size\n1,x,Anna,S\n2,y,Bob,M\n')
    const byKey = key === '' ? ['--mode', 'replace'] : ['--mode', 'mirror']
    await shop.place.json(['migrate', 't.csv', ...byKey, '-m', 'one'])
    await shop.sql(
      ...(shop.engine === 'mysql'
        ? [
            'ALTER TABLE t DROP COLUMN old',
            "ALTER TABLE t ADD COLUMN extra VARCHAR(9) DEFAULT 'new' AFTER id",
            'ALTER TABLE t MODIFY size VARCHAR(7)'
          ]
        : [
            'ALTER TABLE t DROP COLUMN old',
            "ALTER TABLE t ADD COLUMN extra VARCHAR(9) DEFAULT 'new'",
            'ALTER TABLE t DROP COLUMN size',
            'ALTER TABLE t ADD COLUMN size VARCHAR(7)',
            "UPDATE t SET size = CASE id WHEN 1 THEN 'S' ELSE 'M' END"
          ])
    )
    return shop
  }

  const columns = (engine: string) => {
    const type = (length: number) => `${engine === 'mysql' ? 'varchar' : 'VARCHAR'}(${length})`
    return {
      added: [{ column: 'extra', type: type(9) }],
      dropped: [{ column: 'old', type: type(9) }],
      retyped: [{ column: 'size', before: type(3), after: type(7) }]
    }
  }
  const note =
    'The columns of t are not the same in both states: its rows are compared in those that both have: id, name, size.'

  test('says what became of them, and compares the rows in those that both states have', async () => {
    const shop = await changed()
    for (const only of [[], ['--table', 't']]) {
      const diff = await shop.place.json<DiffOutput>(['diff', '0', ...only])
      expect(diff.notes).toEqual([note])
      expect(diff.tables).toEqual([
        {
          table: 't',
          inserted: 0,
          updated: 1,
          deleted: 1,
          columns: columns(shop.engine),
          rows: expect.arrayContaining([
            {
              op: 'update',
              key: { id: 1 },
              before: { id: 1, name: 'Ann', size: 'S' },
              after: { id: 1, name: 'Anna', size: 'S' },
              changed: ['name']
            },
            { op: 'delete', key: { id: 3 }, before: { id: 3, name: 'Cid', size: 'L' }, after: null, changed: [] }
          ])
        }
      ])
    }
    const { stdout } = await shop.place.run(['diff', '0'])
    const [{ type = '' } = {}] = columns(shop.engine).added
    expect(stdout).toContain(`${note}\n\nt  +0 ~1 -1`)
    expect(stdout).toContain(`  + column extra ${type}\n  - column old ${type}\n  ~ column size:`)
  })

  test('shows a change of the columns alone, and in both directions', async () => {
    const shop = await changed()
    const back = await shop.place.json<DiffOutput>(['diff', '1', '0'])
    const { added, dropped, retyped } = columns(shop.engine)
    expect(back.tables[0]?.columns).toEqual({
      added: dropped,
      dropped: added,
      retyped: retyped.map(({ column, before, after }) => ({ column, before: after, after: before }))
    })
    expect(back.tables[0]).toMatchObject({ inserted: 1, updated: 1, deleted: 0 })
    await shop.sql("UPDATE t SET name = 'Ann' WHERE id = 1", "INSERT INTO t (id, name, size) VALUES (3, 'Cid', 'L')")
    const none = await shop.place.json<DiffOutput>(['diff', '0'])
    expect(none.tables).toEqual([
      { table: 't', inserted: 0, updated: 0, deleted: 0, columns: columns(shop.engine), rows: [] }
    ])
  })

  test('without a key, rows come and go whole', async () => {
    const shop = await changed('')
    const [table] = (await shop.place.json<DiffOutput>(['diff', '0'])).tables
    expect(table).toMatchObject({ inserted: 1, updated: 0, deleted: 2, columns: columns(shop.engine) })
  })

  test('as a script it leaves the table out and says so; as CSV it has a line for each column', async () => {
    const shop = await changed()
    const left = 'The columns of t are not the same in both states: it is left out of the script.'
    const diff = await shop.place.json<DiffOutput>(['diff', '0', '--sql'])
    expect(diff.notes).toEqual([left])
    expect(diff.sql).not.toMatch(/UPDATE|DELETE|INSERT/)
    const { stdout } = await shop.place.run(['diff', '0', '--csv'])
    expect(stdout).toContain('t,column,,size,')
    expect(stdout).toContain('t,update,1,name,Ann,Anna\n')
  })
})
