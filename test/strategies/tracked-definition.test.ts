import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

/** Names of the indexes and triggers of a table. */
async function objectsOf({ engine, rows }: AnyShop, table: string): Promise<string[]> {
  const names =
    engine === 'sqlite'
      ? await rows(
          `SELECT name FROM sqlite_schema WHERE tbl_name = '${table}' AND type IN ('index', 'trigger') AND sql IS NOT NULL`
        )
      : [
          ...(await rows(
            `SELECT DISTINCT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '${table}'`
          )),
          ...(await rows(
            `SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = '${table}'`
          ))
        ]
  return names
    .map(([name]) => String(name))
    .filter((name) => name !== 'PRIMARY' && !name.startsWith('rowback_version'))
    .sort()
}

onBothEngines('indexes and triggers that others make after a table is tracked', (current) => {
  /** `made` is version 1's own table, `kept` was there before; both are tracked, then get an index each, and `kept` a trigger. */
  async function changed(): Promise<AnyShop> {
    const shop = current()
    await shop.sql('CREATE TABLE kept (id INTEGER PRIMARY KEY, name VARCHAR(20))', "INSERT INTO kept VALUES (1, 'Ann')")
    await shop.place.write('kept.csv', 'id,name\n1,Anna\n')
    await shop.place.write('made.csv', 'id,name\n1,x\n')
    await shop.place.json(['migrate', 'made.csv', '--create', '--key', 'id', '--strategy', 'incremental', '-m', 'one'])
    await shop.place.json(['migrate', 'kept.csv', '--strategy', 'incremental', '-m', 'two'])
    const body = "UPDATE made SET name = 'fired';"
    await shop.sql(
      'CREATE UNIQUE INDEX kept_by_name ON kept (name)',
      'CREATE INDEX kept_by_version ON kept (version_id)',
      'CREATE INDEX made_by_name ON made (name(5))'.replace('(5)', shop.engine === 'sqlite' ? '' : '(5)'),
      shop.engine === 'sqlite'
        ? `CREATE TRIGGER fires AFTER DELETE ON kept BEGIN ${body} END`
        : `CREATE TRIGGER fires AFTER DELETE ON kept FOR EACH ROW BEGIN ${body} END`
    )
    return shop
  }

  const wanted = ['fires', 'kept_by_name']

  /** Where a table was restored to. */
  async function objectsThere(shop: AnyShop, file: string): Promise<string[]> {
    const rows = shop.place.rows(
      "SELECT name FROM sqlite_schema WHERE tbl_name = 'kept' AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY name",
      file
    )
    return rows.map(([name]) => String(name))
  }

  test('are in backups, in exports and in states written elsewhere', async () => {
    const shop = await changed()
    const { backup } = await shop.place.json<{ backup: string }>(['backup', 'create'])
    const manifest = JSON.parse(await readFile(shop.place.at(`.rowback/manifests/${backup}.json`), 'utf8')) as {
      tables: { name: string; ddl: string[] }[]
    }
    const ddl = manifest.tables.find(({ name }) => name === 'kept')?.ddl.join('\n') ?? ''
    for (const name of wanted) expect(ddl).toContain(name)
    expect(ddl).not.toContain('version_id')
    await shop.place.json(['backup', 'export', '2', '--out', 'out.sql'])
    const text = await readFile(shop.place.at('out.sql'), 'utf8')
    for (const name of wanted) expect(text).toContain(name)
    expect(text).not.toContain('version_id')
    if (shop.engine === 'mysql') return
    await shop.place.json(['checkout', '2', '--to', 'then.db'])
    await shop.place.json(['backup', 'restore', 'latest', '--to', 'restored.db'])
    expect([await objectsThere(shop, 'then.db'), await objectsThere(shop, 'restored.db')]).toEqual([wanted, wanted])
  })

  test('come back with a table that a rollback dropped, and stay where rows are put back', async () => {
    const shop = await changed()
    await shop.place.json(['rollback', '0'])
    expect(await objectsOf(shop, 'kept')).toEqual(['fires', 'kept_by_name', 'kept_by_version'])
    expect(await shop.rows('SELECT id, name FROM kept')).toEqual([['1', 'Ann']])
    await shop.place.json(['rollback', '2'])
    expect(await objectsOf(shop, 'made')).toEqual(['made_by_name'])
    expect(await shop.rows('SELECT id, name FROM made')).toEqual([['1', 'x']])
    expect(await objectsOf(shop, 'kept')).toEqual(['fires', 'kept_by_name', 'kept_by_version'])
    await shop.place.json(['backup', 'verify', '--rehearse'])
  })
})
