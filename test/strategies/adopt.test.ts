import { readdir, rename, rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { AdoptOutput } from '../../src/operations/adopt.ts'
import type { BlameOutput } from '../../src/operations/blame.ts'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

interface Refused {
  error: { code: string; message: string; hint: string; drift?: unknown }
}

const asText = (cell: unknown) => (cell === null ? null : String(cell))

/** Keys that are the place of a row on SQLite, and keys that are not. */
const KEYS = { numbers: 'id INTEGER PRIMARY KEY', text: 'id VARCHAR(20) NOT NULL PRIMARY KEY' }

for (const [keys, id] of Object.entries(KEYS)) {
  onBothEngines(`rows of a tracked table that others changed, by ${keys}`, (current) => {
    const TABLE = `CREATE TABLE names (${id}, name VARCHAR(20), city VARCHAR(20))`
    const load = async ({ place }: AnyShop, ...rows: string[]) => {
      await place.write('names.csv', `id,name,city\n${rows.join('\n')}\n`)
      await place.json(['migrate', 'names.csv', '--strategy', 'incremental', '-m', 'load'])
    }
    const names = ({ rows }: AnyShop) => rows('SELECT id, name, city FROM names ORDER BY id')
    const drift = async ({ place }: AnyShop) => (await place.json<StatusOutput>(['status', '--drift'])).drift
    const adopt = ({ place }: AnyShop, ...more: string[]) =>
      place.json<AdoptOutput>(['adopt', '-m', 'by hand', '--author', 'Eve <eve@example.com>', ...more])
    const refused = async ({ place }: AnyShop, ...args: string[]) =>
      (await place.json<Refused>(args, { code: 1 })).error
    const key = (value: number) => ({ id: keys === 'numbers' ? value : String(value) })
    const at = async ({ place }: AnyShop, version: number) => {
      const file = `at-${version}.db`
      await rm(place.at(file), { force: true })
      await place.json(['backup', 'restore', String(version), '--to', file])
      return place.rows('SELECT id, name, city FROM names ORDER BY id', file).map((row) => row.map(asText))
    }
    const queried = async ({ place }: AnyShop, version: number) => {
      const sql = 'SELECT id, name, city FROM names ORDER BY id'
      const { rows } = await place.json<{ rows: unknown[] }>(['query', '--at', String(version), sql])
      return rows.map((row) => Object.values(row as object).map(asText))
    }

    /** Row 1 was there before, version 1 wrote 2 to 4, and version 2 wrote 3 again. */
    async function begin(): Promise<AnyShop> {
      const shop = current()
      await shop.sql(TABLE, "INSERT INTO names VALUES (1, 'Ann', 'Rome'), (7, 'Gus', 'Kiel')")
      await load(shop, '2,Bob,Oslo', '3,Cid,Bonn', '4,Dan,Lyon')
      await load(shop, '3,Cid,Berlin')
      return shop
    }

    const change = ({ sql }: AnyShop) =>
      sql(
        "UPDATE names SET city = 'Paris' WHERE id = 1",
        'DELETE FROM names WHERE id = 3',
        'DELETE FROM names WHERE id = 2',
        "INSERT INTO names (id, name, city) VALUES (2, 'Bobby', 'Oslo'), (9, 'Ned', NULL)"
      )

    test('are not taken back by a rollback to the head, which says how they are', async () => {
      const shop = await begin()
      expect((await refused(shop, 'rollback', 'HEAD')).code).toBe('rollback.head')
      const before = await names(shop)
      await change(shop)
      expect(await refused(shop, 'rollback', 'HEAD')).toMatchObject({
        code: 'rollback.head',
        message: expect.stringMatching(/^Version 2 is the head, and others changed 4 rows of names \(id .*\) since/),
        hint: expect.stringMatching(/rowback adopt.*rowback rollback 2\b.*rowback status --drift/),
        drift: [{ table: 'names', inserted: 1, updated: 2, deleted: 1 }]
      })
      await adopt(shop)
      await shop.place.json(['rollback', '2'])
      expect(await names(shop)).toEqual(before)
    })

    test('a query of the head by its number has the columns of the table, as one of the past has', async () => {
      const shop = await begin()
      await shop.sql('CREATE VIEW shown AS SELECT * FROM names', 'CREATE TABLE other (a INT)')
      const columns = async (version: string, from: string) =>
        (await shop.place.json<{ columns: string[] }>(['query', '--at', version, `SELECT * FROM ${from}`])).columns
      for (const version of ['1', '2', 'HEAD']) {
        expect(await columns(version, 'names')).toEqual(['id', 'name', 'city'])
      }
      expect(await columns('HEAD', 'shown')).toEqual(['id', 'name', 'city'])
      expect(await columns('HEAD', 'other')).toEqual(['a'])
      const { rows } = await shop.place.json<{ rows: unknown[] }>(['query', '--at', '2', 'SELECT * FROM names'])
      expect(rows).toHaveLength((await names(shop)).length)
    })

    test('are found beside what backup and change sets make, and adopted as a version', async () => {
      const shop = await begin()
      expect(await drift(shop)).toEqual({ tables: [], notes: [] })
      const before = await names(shop)
      await change(shop)
      const changed = await names(shop)
      expect(await drift(shop)).toEqual({
        tables: [
          {
            ...{ table: 'names', inserted: 1, updated: 2, deleted: 1 },
            rows: expect.arrayContaining([
              { op: 'update', key: key(1) },
              { op: 'update', key: key(2) },
              { op: 'delete', key: key(3) },
              { op: 'insert', key: key(9) }
            ])
          }
        ],
        notes: []
      })
      expect(await adopt(shop, '--dry-run')).toMatchObject({ version: null, status: 'dry-run' })
      expect((await drift(shop))?.tables).toHaveLength(1)
      const done = await adopt(shop, '--tag', 'hand', '--remarks', 'asked')
      expect(done).toMatchObject({
        ...{ version: 3, kind: 'adopt', tag: 'hand', remarks: 'asked', author: { name: 'Eve' } },
        tables: [{ table: 'names', inserted: 1, updated: 2, deleted: 1 }],
        drift: [{ table: 'names' }]
      })
      expect(await names(shop)).toEqual(changed)
      expect(await drift(shop)).toEqual({ tables: [], notes: [] })
      const first = before.map((row) => (row[0] === '3' ? ['3', 'Cid', 'Bonn'] : row))
      for (const [version, rows] of [
        [0, before.filter(([one]) => one === '1' || one === '7')],
        [1, first],
        [2, before],
        [3, changed]
      ] as const) {
        if (version > 0) expect(await queried(shop, version), `query at ${version}`).toEqual(rows)
        expect(await at(shop, version), `restore ${version}`).toEqual(rows)
      }
      const { cells, notes } = await shop.place.json<BlameOutput>(['blame', 'names', '1'])
      expect(cells.map(({ column, origin, version }) => [column, origin, version])).toEqual([
        ['id', 'baseline', 0],
        ['name', 'baseline', 0],
        ['city', 'version', 3]
      ])
      expect(notes).toEqual(['Version 3 adopted what had been changed outside rowback.'])
      await shop.place.json(['backup', 'verify', '--rehearse'])
      await shop.place.json(['rollback', '2', '-m', 'back'])
      expect(await names(shop)).toEqual(before)
      await shop.place.json(['rollback', '3', '-m', 'forth'])
      expect(await names(shop)).toEqual(changed)
      await shop.place.json(['revert', '3', '-m', 'never'])
      expect(await names(shop)).toEqual(before)
      expect(await drift(shop)).toEqual({ tables: [], notes: [] })
    })

    test('are versions like others after rollbacks, and of a table that was empty', async () => {
      const shop = current()
      await shop.sql(TABLE)
      await load(shop, '1,Ann,Rome', '2,Bob,Oslo')
      await shop.sql('DELETE FROM names WHERE id = 1')
      await adopt(shop)
      await shop.place.json(['rollback', '1'])
      await shop.sql("UPDATE names SET name = 'Anna' WHERE id = 1")
      await adopt(shop)
      const [one, two, four] = [
        ['1', 'Ann', 'Rome'],
        ['2', 'Bob', 'Oslo'],
        ['1', 'Anna', 'Rome']
      ]
      for (const [version, rows] of [
        [1, [one, two]],
        [2, [two]],
        [3, [one, two]],
        [4, [four, two]]
      ] as const) {
        expect(await queried(shop, version)).toEqual(rows)
        expect(await at(shop, version)).toEqual(rows)
      }
    })

    test('are told also where a version was made beside and over them', async () => {
      const shop = await begin()
      await change(shop)
      await shop.sql("UPDATE names SET city = 'Nice' WHERE id = 4", 'DELETE FROM names WHERE id = 7')
      await load(shop, '4,Dan,Caen', '7,Gus,Bern', '8,Hal,Linz')
      const before = await names(shop)
      expect((await drift(shop))?.tables).toMatchObject([{ inserted: 1, updated: 2, deleted: 1 }])
      const done = await adopt(shop)
      expect(done.tables).toMatchObject([{ inserted: 1, updated: 2, deleted: 1 }])
      expect(await names(shop)).toEqual(before)
      expect(await drift(shop)).toEqual({ tables: [], notes: [] })
      expect(await at(shop, 4)).toEqual(before)
      await shop.sql("UPDATE names SET name = 'X' WHERE id = 1 OR id = 2 OR id = 8")
      const after = await names(shop)
      await adopt(shop)
      expect(await at(shop, 5)).toEqual(after)
      for (const version of [4, 5]) expect(await queried(shop, version)).toEqual(version === 4 ? before : after)
      await shop.place.json(['rollback', '3'])
      expect(await names(shop)).toEqual([
        ['1', 'Ann', 'Rome'],
        ['2', 'Bob', 'Oslo'],
        ['3', 'Cid', 'Berlin'],
        ['4', 'Dan', 'Caen'],
        ['7', 'Gus', 'Bern'],
        ['8', 'Hal', 'Linz']
      ])
    })

    test('are no harm to versions from before they were adopted: history has these, and without it the versions themselves', async () => {
      const shop = await begin()
      const before = await names(shop)
      await change(shop)
      await load(shop, '1,Ann,Nice', '2,Bob,Kyiv')
      const checkedOut = async (version: number) => {
        const file = `out-${version}.db`
        await rm(shop.place.at(file), { force: true })
        await shop.place.json(['checkout', String(version), '--to', file])
        return shop.place.rows('SELECT * FROM names ORDER BY id', file).map((row) => row.map(asText))
      }
      const isAsBefore = async () => {
        expect(await at(shop, 2)).toEqual(before)
        const rows = await queried(shop, 3)
        expect(await at(shop, 3)).toEqual(rows)
        expect(await checkedOut(3)).toEqual(rows)
      }
      await isAsBefore()
      const restored = await shop.place.json<{ notes: string[] }>(['backup', 'restore', '3', '--to', 'three.db'])
      expect(restored.notes).toContainEqual(
        expect.stringMatching(/^names is read from its history: others had changed rows/)
      )
      await adopt(shop)
      await isAsBefore()
      const made = before
        .filter(([one]) => one !== '1' && one !== '2')
        .concat([
          ['1', 'Ann', 'Nice'],
          ['2', 'Bob', 'Kyiv']
        ])
        .sort(([a], [b]) => Number(a) - Number(b))
      expect(await queried(shop, 3)).toEqual(made)
      await shop.lose()
      const lost = await shop.place.json<{ notes: string[] }>(['backup', 'restore', '3', '--to', 'lost.db'])
      expect(
        shop.place.rows('SELECT id, name, city FROM names ORDER BY id', 'lost.db').map((row) => row.map(asText))
      ).toEqual(made)
      expect(lost.notes).toContainEqual(expect.stringMatching(/^names is as versions alone made it/))
    })

    test('leave no table from which a change set is missing: it is named, with the database and without it', async () => {
      const shop = await begin()
      await load(shop, '4,Dan,Caen')
      const sets = shop.place.at('.rowback/changesets')
      const second = (await readdir(sets)).find((file) => file.startsWith('000002-')) as string
      await rename(`${sets}/${second}`, shop.place.at(second))
      for (const version of [2, 3]) {
        const error = (
          await shop.place.json<Refused>(['backup', 'restore', String(version), '--to', 'x.db'], { code: 7 })
        ).error
        expect(error.code).toBe('backup.missing')
        expect(error.message).toMatch(/lacks the change set of version 2\.$/)
      }
      expect(await shop.place.json(['backup', 'verify', '--rehearse'], { code: 7 })).toMatchObject({
        problems: [{ message: expect.stringMatching(/^The change set of version 2 is missing\./) }],
        rehearsal: null
      })
      expect(await at(shop, 1)).toEqual(await queried(shop, 1))
      const three = await queried(shop, 3)
      await shop.lose()
      const { error } = await shop.place.json<Refused>(['backup', 'restore', '3', '--to', 'x.db'], { code: 7 })
      expect(error.code).toBe('backup.missing')
      expect(error.message).toMatch(/lacks the change set of version 2, which that of version 3 goes on from\.$/)
      await rename(shop.place.at(second), `${sets}/${second}`)
      expect(await at(shop, 3)).toEqual(three)
    })

    test('belong to their versions again where others wrote them anew as they were', async () => {
      const shop = await begin()
      const before = await names(shop)
      await shop.sql('DELETE FROM names WHERE id = 3', "INSERT INTO names (id, name, city) VALUES (3, 'Cid', 'Berlin')")
      const { tables, notes } = (await drift(shop)) ?? { tables: [], notes: [] }
      expect(tables).toEqual([])
      expect(notes).toEqual([expect.stringMatching(/^names: others wrote 1 row anew as before/)])
      const done = await adopt(shop)
      expect(done.notes).toEqual([
        'names: 1 row belongs to the version again that wrote it, as others had written it anew as it was.'
      ])
      expect(done.tables).toMatchObject([{ inserted: 0, updated: 0, deleted: 0 }])
      expect(await drift(shop)).toEqual({ tables: [], notes: [] })
      expect(await queried(shop, 1)).toEqual(before.map((row) => (row[0] === '3' ? ['3', 'Cid', 'Bonn'] : row)))
      expect(await queried(shop, 2)).toEqual(before)
      expect(await names(shop)).toEqual(before)
    })

    test('are named before a rollback overwrites them, and kept in history', async () => {
      const shop = await begin()
      await shop.sql("UPDATE names SET city = 'Paris' WHERE id = 3")
      const changed = await names(shop)
      for (const more of [[], ['--dry-run']]) {
        const { error } = await shop.place.json<Refused>(['rollback', '1', ...more], { code: 5 })
        expect(error).toMatchObject({
          code: 'drift',
          message: 'Others changed 1 row of names (id 3) since version 1, which would be lost.',
          drift: [{ table: 'names', inserted: 0, updated: 1, deleted: 0, rows: [{ op: 'update', key: key(3) }] }]
        })
      }
      expect(await names(shop)).toEqual(changed)
      const done = await shop.place.json<RollbackOutput>(['rollback', '1', '--yes'])
      expect(done.drift).toMatchObject([{ table: 'names', updated: 1 }])
      expect((await names(shop)).find(([one]) => one === '3')).toEqual(['3', 'Cid', 'Bonn'])
      const history = shop.engine === 'sqlite' ? 'history_names' : `${shop.database}_rowback.history_names`
      expect(await shop.rows(`SELECT name, city FROM ${history} WHERE superseded_by = 3`)).toEqual([['Cid', 'Paris']])
      expect(await drift(shop)).toEqual({ tables: [], notes: [] })
    })

    test('are told of a rollback where it touches them, whatever was done to them, and not where it leaves them', async () => {
      const shop = await begin()
      await load(shop, '3,Cid,Kiev', '4,Dan,Caen', '5,Eve,Bari', '6,Fay,Pisa')
      const lost = async (to: number) => {
        const { error } = await shop.place.json<Refused>(['rollback', String(to)], { code: 5 })
        return error.drift
      }
      // Nobody has touched these since version 2.
      await shop.sql(
        "UPDATE names SET city = 'Paris' WHERE id = 1",
        'DELETE FROM names WHERE id = 7',
        "INSERT INTO names (id, name, city) VALUES (9, 'Ned', 'Linz')"
      )
      expect((await shop.place.json<RollbackOutput>(['rollback', '2', '--dry-run'])).drift).toEqual([])
      await shop.sql(
        // As version 2 had it, though version 3 wrote it last: it stays so.
        "UPDATE names SET city = 'Berlin' WHERE id = 3",
        'DELETE FROM names WHERE id = 4 OR id = 5',
        "UPDATE names SET city = 'Rome' WHERE id = 6"
      )
      expect(await lost(2)).toEqual([
        {
          ...{ table: 'names', inserted: 0, updated: 1, deleted: 1 },
          rows: [
            { op: 'update', key: key(6) },
            { op: 'delete', key: key(4) }
          ]
        }
      ])
      // As version 2 had it: for version 1 that is the work of others.
      expect(await lost(1)).toMatchObject([{ inserted: 0, updated: 2, deleted: 1 }])
      await shop.sql(`UPDATE names SET id = 8 WHERE id = 6`)
      expect(await lost(2)).toMatchObject([{ inserted: 1, updated: 0, deleted: 1 }])
      await shop.place.json(['rollback', '2', '--yes'])
      expect(await names(shop)).toEqual([
        ['1', 'Ann', 'Paris'],
        ['2', 'Bob', 'Oslo'],
        ['3', 'Cid', 'Berlin'],
        ['4', 'Dan', 'Lyon'],
        ['9', 'Ned', 'Linz']
      ])
    })

    test('are told of a rollback over rows of others, past new columns and back, and where that cannot be known', async () => {
      const shop = await begin()
      await shop.sql("UPDATE names SET city = 'Bern' WHERE id = 3")
      await load(shop, '3,Cid,Kiev')
      await shop.place.json(['rollback', '2', '--yes'])
      await shop.sql('ALTER TABLE names ADD COLUMN town VARCHAR(20)')
      await load(shop, '3,Cid,Ulm')
      expect((await shop.place.json<RollbackOutput>(['rollback', '1', '--dry-run'])).drift).toEqual([])
      await shop.sql("UPDATE names SET town = 'T' WHERE id = 3")
      const { error } = await shop.place.json<Refused>(['rollback', '1'], { code: 5 })
      expect(error.drift).toMatchObject([{ inserted: 0, updated: 1, deleted: 0 }])
      await rm(shop.place.at('.rowback/changesets'), { recursive: true })
      const { drift: none, notes } = await shop.place.json<RollbackOutput>(['rollback', '1'])
      expect(none).toEqual([])
      expect(notes).toContainEqual(
        expect.stringMatching(
          /^names: what others changed is not known: the repository does not have the change set of/
        )
      )
    })

    test('are not told where change sets are lost, or where nothing changed', async () => {
      const shop = await begin()
      expect((await refused(shop, 'adopt')).code).toBe('adopt.nothing')
      await rm(shop.place.at('.rowback/changesets'), { recursive: true })
      await change(shop)
      const reason =
        'names: what others changed is not known: the repository does not have the change set of version 2.'
      expect(await drift(shop)).toEqual({ tables: [], notes: [reason] })
      expect((await refused(shop, 'adopt')).message).toMatch(reason)
    })

    test('are not told of a table whose columns others changed', async () => {
      const shop = await begin()
      await shop.sql('ALTER TABLE names ADD COLUMN town VARCHAR(20)', 'DELETE FROM names WHERE id = 2')
      expect((await drift(shop))?.notes).toEqual(['names: others changed its columns, so its rows are not compared.'])
    })
  })
}
