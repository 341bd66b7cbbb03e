import { afterEach, beforeEach, expect, test } from 'vitest'
import { openEngine } from '../../src/engines/registry.ts'
import type { Manifest } from '../../src/store/manifest.ts'
import { Repository } from '../../src/store/repository.ts'
import { changedObjectNotes, restoreSchemaObjects } from '../../src/strategies/schema-objects.ts'
import { Workplace } from '../support/cli.ts'

let place: Workplace

beforeEach(async () => {
  place = await Workplace.make('rowback-objects-')
  place.sql(`
    CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO t VALUES (1, 'Ann'), (2, 'Bob');
    CREATE VIEW upper AS SELECT id, name || ' "é" ''日本''' AS name FROM lower; -- made before what it looks at
    CREATE VIEW lower (id, name) AS SELECT id, name FROM t;
    CREATE TRIGGER write_lower INSTEAD OF INSERT ON lower BEGIN
      /* it's "quoted"; */ INSERT INTO t VALUES (NEW.id, NEW.name || ';'); -- done
    END;
    CREATE VIEW broken AS SELECT * FROM nowhere;
  `)
  await place.write('t.csv', 'id,name\n1,Eve\n')
  await place.write('rowback.yaml', 'target: sqlite:shop.db\n')
})
afterEach(() => place.remove())

async function manifest(): Promise<Manifest> {
  const identity = String(place.rows("SELECT value FROM rowback_meta WHERE name = 'database'")[0])
  const backups = await (await Repository.open(place.at('.rowback'), identity)).backups()
  return backups.at(-1)?.manifest as Manifest
}

test('views and their triggers are made again in another file', async () => {
  const made = await place.json<{ objects: number; notes: string[] }>(['backup', 'create'])
  expect(made).toMatchObject({ objects: 3, notes: [] })
  const { tables, objects = [] } = await manifest()
  const engine = await openEngine(`sqlite:${place.at('other.db')}`)
  for (const table of tables) for (const statement of table.ddl) await engine.run(statement)
  expect(await restoreSchemaObjects(engine, objects)).toEqual([])
  await engine.run("INSERT INTO lower VALUES (7, 'Gus')")
  expect((await engine.query('SELECT * FROM upper')).rows).toEqual([[7n, 'Gus; "é" \'日本\'']])
  await engine.close()
  const schema =
    "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'rowback%' ORDER BY name"
  expect(place.rows(schema, 'other.db')).toEqual(place.rows(schema))
})

test('a view that is there already is told by name', async () => {
  await place.json(['backup', 'create'])
  const { objects = [] } = await manifest()
  const engine = await openEngine(`sqlite:${place.at('shop.db')}`)
  const notes = await restoreSchemaObjects(engine, objects)
  await engine.close()
  expect(notes).toHaveLength(3)
  expect(notes[0]).toMatch(/^The view upper could not be made: .*already exists/)
})

test('a rollback leaves them as they are, and names those that changed', async () => {
  await place.json(['migrate', 't.csv', '-m', 'x'])
  place.sql('DROP VIEW upper; CREATE VIEW upper AS SELECT 1; DROP VIEW broken; CREATE VIEW newer AS SELECT 2')
  const expected = [
    'The view upper was changed since; it is left as it is.',
    'The view newer was made since; it is left as it is.',
    'The view broken was dropped since; it is not made again.'
  ]
  const rehearsed = await place.json<{ notes: string[] }>(['rollback', '0', '--dry-run'])
  expect(rehearsed.notes).toEqual(expected)
  expect((await place.json<{ notes: string[] }>(['rollback', '0'])).notes).toEqual(expected)
  expect(place.rows('SELECT * FROM upper')).toEqual([[1]])
})

test('of a backup that was made without looking for them, nothing is said', async () => {
  await place.json(['migrate', 't.csv', '-m', 'x'])
  const engine = await openEngine(`sqlite:${place.at('shop.db')}`)
  const notes = await changedObjectNotes(engine, { ...(await manifest()), objects: undefined, objectNotes: undefined })
  await engine.close()
  expect(notes).toEqual([])
})
