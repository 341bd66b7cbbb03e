import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Conflict, OnConflict } from '../../src/index.ts'
import { RowbackError } from '../../src/index.ts'
import type { SourceRow, Strategy } from './mysql-bench.ts'
import { STRATEGIES } from './mysql-bench.ts'
import type { LoadOptions, RevertHost, RevertPlace } from './revert-place.ts'

/** What a revert must do, whatever the database. */
export function revertSuite(host: RevertHost): void {
  let place: RevertPlace

  beforeEach(async () => {
    place = await host.make()
  })
  afterEach(() => place.remove())

  const people = () => place.rows('SELECT id, name, city, age FROM people ORDER BY id')
  const count = async (table: string) => Number((await place.rows(`SELECT count(*) FROM ${table}`))[0]?.[0])
  const revert = (version: number, onConflict?: OnConflict) =>
    place.db.revert(version, onConflict === undefined ? {} : { onConflict })

  async function refused(work: Promise<unknown>): Promise<RowbackError> {
    const error = await work.then(
      () => null,
      (thrown: unknown) => thrown
    )
    expect(error).toBeInstanceOf(RowbackError)
    return error as RowbackError
  }

  /** Refused with nothing changed, neither rows nor the ledger. */
  async function refusedWithoutTrace(work: () => Promise<unknown>, tables = ['people']): Promise<RowbackError> {
    const seen = async () => ({
      log: await place.db.log(),
      rows: await Promise.all(tables.map((table) => place.rows(`SELECT * FROM ${table} ORDER BY 1`)))
    })
    const before = await seen()
    const error = await refused(work())
    expect(await seen()).toEqual(before)
    return error
  }

  describe.each(STRATEGIES)('%s', (strategy: Strategy) => {
    const load = (rows: SourceRow[], options: Partial<LoadOptions> = {}) =>
      place.load(rows, { table: 'people', strategy, ...options })

    /** Three people; then 2 moves, 3 moves and ages, 4 comes, 1 goes. */
    async function twoVersions(): Promise<void> {
      await place.sql(
        'CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), city VARCHAR(20), age INTEGER)',
        "INSERT INTO people VALUES (1, 'Li', 'Shanghai', 30), (2, 'Han', 'Beijing', 31), (3, 'Zoe', 'Berlin', 32), (9, 'Bo', 'Rome', 9)"
      )
      await load(
        [
          { id: 2, name: 'Han', city: 'Hangzhou', age: 31 },
          { id: 3, name: 'Zoe', city: 'Munich', age: 33 },
          { id: 4, name: 'Ann', city: 'Lyon', age: 40 },
          { id: 9, name: 'Bo', city: 'Rome', age: 9 }
        ],
        { mode: 'mirror' }
      )
    }
    const BEFORE = [
      ['1', 'Li', 'Shanghai', '30'],
      ['2', 'Han', 'Beijing', '31'],
      ['3', 'Zoe', 'Berlin', '32'],
      ['9', 'Bo', 'Rome', '9']
    ]

    test('the newest version is taken back whole, as a rollback would', async () => {
      await twoVersions()
      const made = await revert(1)
      expect(await people()).toEqual(BEFORE)
      expect(made).toMatchObject({
        version: 2,
        kind: 'revert',
        targetVersion: 1,
        description: 'revert of 1',
        conflictCount: 0,
        tables: [{ table: 'people', inserted: 1, updated: 2, deleted: 1, unchanged: 0, failed: 0 }]
      })
      await place.db.rollback(1)
      await place.db.rollback(2)
      expect(await people()).toEqual(BEFORE)
    })

    test('what came after stays: other rows, and other cells of the same rows', async () => {
      await twoVersions()
      await load([{ id: 2, age: 99 }], { mode: 'update' })
      await load([{ id: 9, name: 'Bob' }], { mode: 'update' })
      await load([{ id: 7, name: 'New', city: 'Oslo', age: 1 }], { mode: 'insert' })
      await revert(1)
      expect(await people()).toEqual([
        ['1', 'Li', 'Shanghai', '30'],
        ['2', 'Han', 'Beijing', '99'],
        ['3', 'Zoe', 'Berlin', '32'],
        ['7', 'New', 'Oslo', '1'],
        ['9', 'Bob', 'Rome', '9']
      ])
    })

    test('a revert can be reverted, and rolled back', async () => {
      await twoVersions()
      const left = await people()
      await load([{ id: 2, age: 99 }], { mode: 'update' })
      await revert(1)
      await revert(3)
      expect(await people()).toEqual(left.map((row) => (row[0] === '2' ? ['2', 'Han', 'Hangzhou', '99'] : row)))
      await place.db.rollback(1)
      expect(await people()).toEqual(left)
      await place.db.rollback(0)
      expect(await people()).toEqual(BEFORE)
    })

    test('nothing left to take back is said, and makes no version', async () => {
      await twoVersions()
      await revert(1)
      const error = await refusedWithoutTrace(() => revert(1))
      expect([error.code, error.exit]).toEqual(['revert.nothing', 1])
      expect(error.message).toContain('Nothing is left to take back of version 1')
    })

    test('the same value arrived at by both sides is no conflict', async () => {
      await twoVersions()
      await load([{ id: 2, city: 'Beijing' }], { mode: 'update' })
      await load([{ id: 1, name: 'Li', city: 'Shanghai', age: 30 }], { mode: 'insert' })
      await load([{ id: 4 }], { mode: 'delete' })
      const { tables } = await revert(1)
      expect(tables).toMatchObject([{ inserted: 0, updated: 1, deleted: 0 }])
      expect(await people()).toEqual(BEFORE)
    })

    /** Every kind of conflict, one each, and Bo, whom nobody else touched. */
    async function touchedAgain(): Promise<void> {
      await twoVersions()
      await load([{ id: 3, city: 'Bonn' }], { mode: 'update' })
      await load([{ id: 2 }], { mode: 'delete' })
      await load([{ id: 4, name: 'Anne' }], { mode: 'update' })
      await load([{ id: 1, name: 'Li', city: 'Xian', age: 30 }], { mode: 'insert' })
    }

    test('what was touched again is told with base, then and now, and nothing is changed', async () => {
      await touchedAgain()
      const error = await refusedWithoutTrace(() => revert(1))
      expect([error.code, error.exit, error.details.count]).toEqual(['revert.conflict', 5, 4])
      expect(error.hint).toContain('rowback revert 1 --on-conflict keep-current')
      expect(error.hint).toContain('rowback revert 1 --on-conflict take-old')
      const conflicts = [...(error.details.conflicts as Conflict[])].sort(
        (a, b) => Number(a.key?.id) - Number(b.key?.id)
      )
      expect(conflicts.map(({ table, key, columns }) => [table, key?.id, columns])).toEqual([
        ['people', 1, ['city']],
        ['people', 2, ['city']],
        ['people', 3, ['city']],
        ['people', 4, ['name']]
      ])
      expect(conflicts.map(({ base, then, now }) => [base, then, now])).toEqual([
        [null, { city: 'Shanghai' }, { city: 'Xian' }],
        [{ city: 'Hangzhou' }, { city: 'Beijing' }, null],
        [{ city: 'Munich' }, { city: 'Berlin' }, { city: 'Bonn' }],
        [{ name: 'Ann' }, null, { name: 'Anne' }]
      ])
      expect(conflicts.map(({ reason, versions }) => [reason, versions])).toEqual([
        ['a row of this key was inserted again since', [5]],
        ['the row was deleted since', [3]],
        ['the same cells were changed since', [2]],
        ['the row was changed since', [4]]
      ])
    })

    test('keep-current leaves the cells in conflict and takes back the rest', async () => {
      await touchedAgain()
      const { conflictCount, onConflict, tables } = await revert(1, 'keep-current')
      expect([conflictCount, onConflict]).toEqual([4, 'keep-current'])
      expect(tables).toMatchObject([{ inserted: 0, updated: 1, deleted: 0 }])
      expect(await people()).toEqual([
        ['1', 'Li', 'Xian', '30'],
        ['3', 'Zoe', 'Bonn', '32'],
        ['4', 'Anne', 'Lyon', '40'],
        ['9', 'Bo', 'Rome', '9']
      ])
    })

    test('take-old lets the old values win', async () => {
      await touchedAgain()
      const { tables } = await revert(1, 'take-old')
      expect(tables).toMatchObject([{ inserted: 1, updated: 2, deleted: 1 }])
      expect(await people()).toEqual(BEFORE)
      expect((await refused(revert(1))).code).toBe('revert.nothing')
    })

    test('a rehearsal reports the same and changes nothing', async () => {
      await touchedAgain()
      for (const onConflict of ['keep-current', 'take-old'] as const) {
        const before = await people()
        const rehearsed = await place.db.revert(1, { onConflict, dryRun: true })
        expect(await people()).toEqual(before)
        expect([rehearsed.version, rehearsed.status]).toEqual([null, 'dry-run'])
        const made = await revert(1, onConflict)
        expect({ tables: rehearsed.tables, conflicts: rehearsed.conflicts }).toEqual({
          tables: made.tables,
          conflicts: made.conflicts
        })
        await place.db.rollback(5)
      }
      expect((await refusedWithoutTrace(() => place.db.revert(1, { dryRun: true }))).code).toBe('revert.conflict')
    })

    test('a version that left nothing, the baseline and unknown ones are refused', async () => {
      await twoVersions()
      await refused(
        load(
          [
            { id: 1, name: 'x' },
            { id: 2, age: 'old' }
          ],
          { mode: 'insert', onFailure: 'abort' }
        )
      )
      const codes = []
      for (const version of [0, 2, 77]) codes.push((await refusedWithoutTrace(() => revert(version))).code)
      expect(codes).toEqual(['revert.baseline', 'version.failed', 'version.unknown'])
    })

    test('what others changed by hand since is a conflict in the same cells, and stays in others', async () => {
      await twoVersions()
      await place.sql("UPDATE people SET city = 'Suzhou' WHERE id = 2", "UPDATE people SET name = 'Zora' WHERE id = 3")
      await place.sql('DELETE FROM people WHERE id = 4', 'UPDATE people SET age = 10 WHERE id = 9')
      const error = await refusedWithoutTrace(() => revert(1))
      expect([error.code, error.details]).toMatchObject([
        'revert.conflict',
        { count: 1, conflicts: [{ key: { id: 2 } }] }
      ])
      await revert(1, 'keep-current')
      expect(await people()).toEqual([
        ['1', 'Li', 'Shanghai', '30'],
        ['2', 'Han', 'Suzhou', '31'],
        ['3', 'Zora', 'Berlin', '32'],
        ['9', 'Bo', 'Rome', '10']
      ])
    })

    test('a column that others added since: backups are refused with the reason, a history takes it along', async () => {
      await twoVersions()
      await place.sql("ALTER TABLE people ADD COLUMN mail VARCHAR(20) DEFAULT 'none'")
      if (strategy === 'incremental') {
        await place.sql("UPDATE people SET mail = 'han@x' WHERE id = 2")
        await revert(1)
        expect(await people()).toEqual(BEFORE)
        expect(await place.rows('SELECT mail FROM people ORDER BY id')).toEqual([
          ['none'],
          ['han@x'],
          ['none'],
          ['none']
        ])
        return
      }
      const error = await refusedWithoutTrace(() => revert(1))
      expect([error.code, error.exit]).toEqual(['schema.changed', 5])
      expect(error.message).toContain('+mail')
    })

    test('a table that the version made goes, and comes back when that is reverted', async () => {
      const rows = [
        { code: 'a', note: 'one' },
        { code: 'b', note: null }
      ]
      await load(rows, { table: 'notes', key: ['code'], create: true })
      await load([{ id: 1, name: 'Li' }], { create: true, key: ['id'] })
      expect((await revert(1)).tables).toMatchObject([{ table: 'notes', deleted: 2, dropped: true }])
      expect((await place.db.status()).tables.map(({ table }) => table)).toEqual(['people'])
      expect((await revert(3)).tables).toMatchObject([{ table: 'notes', inserted: 2, created: true }])
      expect(await place.rows('SELECT code, note FROM notes ORDER BY code')).toEqual([
        ['a', 'one'],
        ['b', null]
      ])
      await place.db.rollback(0)
      await place.db.rollback(4)
      expect(await count('notes')).toBe(2)
    })

    test('such a table stays while others have rows in it', async () => {
      await load([{ code: 'a', note: 'one' }], { table: 'notes', key: ['code'], create: true })
      await load([{ code: 'c', note: 'three' }], { table: 'notes' })
      const error = await refusedWithoutTrace(() => revert(1), ['notes'])
      expect(error.details).toMatchObject({ count: 1, conflicts: [{ table: 'notes', key: null }] })
      const rehearsed = await place.db.revert(1, { onConflict: 'take-old', dryRun: true })
      expect(rehearsed.tables).toMatchObject([{ table: 'notes', deleted: 2, dropped: true }])
      await revert(1, 'keep-current')
      expect(await place.rows('SELECT code, note FROM notes')).toEqual([['c', 'three']])
    })

    test('rows of a table that is gone are told', async () => {
      await load([{ code: 'a', note: 'one' }], { table: 'notes', key: ['code'], create: true })
      await load([{ code: 'a', note: 'two' }], { table: 'notes' })
      await revert(1, 'take-old')
      expect((await refused(revert(2))).details).toMatchObject({ count: 1, conflicts: [{ table: 'notes', key: null }] })
      expect((await refused(revert(2, 'keep-current'))).code).toBe('revert.nothing')
      expect((await refused(revert(2, 'take-old'))).code).toBe('revert.table_gone')
    })

    test('rows that others refer to are not taken away, and nothing is changed', async () => {
      await place.sql(
        'CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))',
        'CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, parent_id INTEGER, FOREIGN KEY (parent_id) REFERENCES parent (id))'
      )
      await load([{ id: 7, name: 'Eve' }], { table: 'parent' })
      await load([{ id: 70, parent_id: 7 }], { table: 'child' })
      const error = await refusedWithoutTrace(() => revert(1), ['parent', 'child'])
      expect([error.code, error.exit]).toEqual(['foreign_key.violated', 5])
      expect(error.message).toMatch(/child: .*parent_id = 7.* of parent/)
      await revert(2)
      await revert(1)
      const orphan = await refusedWithoutTrace(() => revert(3), ['parent', 'child'])
      expect(orphan.code).toBe('foreign_key.violated')
      expect([await count('parent'), await count('child')]).toEqual([0, 0])
    })

    test('a unique value that another row has taken since is named', async () => {
      await place.sql(
        'CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) UNIQUE, city VARCHAR(20), age INTEGER)',
        "INSERT INTO people VALUES (1, 'Li', 'x', 1), (2, 'Han', 'y', 2)"
      )
      await load(
        [
          { id: 1, name: 'Lee' },
          { id: 2, name: 'Hahn' }
        ],
        { mode: 'update' }
      )
      await load([{ id: 3, name: 'Han', city: 'z', age: 3 }], { mode: 'insert' })
      const error = await refusedWithoutTrace(() => revert(1))
      expect([error.code, error.exit]).toEqual(['unique.violated', 5])
      expect(error.message).toBe(
        'people: the row id = 2 would have name = Han again, which the row id = 3 has taken since.'
      )
      await load([{ id: 3 }], { mode: 'delete' })
      await revert(1)
      expect(await place.rows('SELECT name FROM people ORDER BY id')).toEqual([['Li'], ['Han']])
    })

    test('unique values move back between rows', async () => {
      await place.sql(
        'CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) UNIQUE, city VARCHAR(20), age INTEGER)',
        "INSERT INTO people VALUES (1, 'a', 'x', 1), (2, 'b', 'y', 2)"
      )
      await load([{ id: 2, name: 'c' }], { mode: 'update' })
      await load([{ id: 1, name: 'b' }], { mode: 'update' })
      await load([{ id: 2, name: 'a' }], { mode: 'update' })
      await load([{ id: 2, age: 7 }], { mode: 'update' })
      await place.db.rollback(0)
      await revert(5)
      expect(await place.rows('SELECT id, name, age FROM people ORDER BY id')).toEqual([
        ['1', 'b', '1'],
        ['2', 'a', '7']
      ])
    })

    test('a key that was spelled anew is one row', async () => {
      await place.sql(
        `CREATE TABLE words (word ${host.caseless} NOT NULL PRIMARY KEY, n INTEGER)`,
        "INSERT INTO words VALUES ('alpha', 1), ('beta', 2)"
      )
      await load(
        [
          { word: 'ALPHA', n: 1 },
          { word: 'beta', n: 3 }
        ],
        { table: 'words' }
      )
      const left = await place.rows('SELECT word, n FROM words ORDER BY word')
      await revert(1)
      expect(await place.rows('SELECT word, n FROM words ORDER BY word')).toEqual([
        ['alpha', '1'],
        ['beta', '2']
      ])
      await revert(2)
      expect(await place.rows('SELECT word, n FROM words ORDER BY word')).toEqual(left)
    })

    test('thousands of rows under a key of two columns', async () => {
      await place.sql(
        'CREATE TABLE many (a INTEGER NOT NULL, b VARCHAR(20) NOT NULL, n INTEGER, t VARCHAR(40), PRIMARY KEY (a, b))'
      )
      const row = (i: number, n: number) => ({ a: i % 97, b: `k${i}`, n, t: `line\u2028${i}\ttab` })
      const rows = Array.from({ length: 12_000 }, (_, i) => row(i, 0))
      await load(rows, { table: 'many' })
      const before = await place.rows('SELECT a, b, n, t FROM many ORDER BY a, b')
      await load(
        rows.slice(0, 7000).map((_, i) => row(i, i + 1)),
        { table: 'many' }
      )
      await load([row(3, 4), row(4, -4), row(11_000, 5)], { table: 'many' })
      const { tables, conflictCount } = await revert(2, 'keep-current')
      expect(tables).toMatchObject([{ inserted: 0, updated: 6999, deleted: 0 }])
      expect(conflictCount).toBe(1)
      const expected = before.map(([a, b, n, t]) => [a, b, b === 'k4' ? '-4' : b === 'k11000' ? '5' : n, t])
      expect(await place.rows('SELECT a, b, n, t FROM many ORDER BY a, b')).toEqual(expected)
    })
  })

  describe('triggers and cascades', () => {
    const load = (rows: SourceRow[], options: LoadOptions) => place.load(rows, options)

    test('do not fire, and the triggers are there again', async () => {
      await place.sql(
        'CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, n INTEGER)',
        'CREATE TABLE noted (id INTEGER)',
        'INSERT INTO orders VALUES (1, 1)'
      )
      await load(
        [
          { id: 2, n: 2 },
          { id: 1, n: 5 }
        ],
        { table: 'orders', strategy: 'snapshot' }
      )
      await place.sql(host.trigger)
      const rehearsed = await place.db.revert(1, { dryRun: true })
      expect(await count('noted')).toBe(0)
      expect(rehearsed.tables).toMatchObject([{ table: 'orders', updated: 1, deleted: 1 }])
      await revert(1)
      expect(await place.rows('SELECT id, n FROM orders')).toEqual([['1', '1']])
      expect(await count('noted')).toBe(0)
      await place.sql('DELETE FROM orders WHERE id = 1')
      expect(await count('noted')).toBe(1)
    })

    test('what a cascade took away comes back when the user says that it was not others', async () => {
      await place.sql(
        'CREATE TABLE owner (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))',
        'CREATE TABLE pet (id INTEGER NOT NULL PRIMARY KEY, owner_id INTEGER, FOREIGN KEY (owner_id) REFERENCES owner (id) ON DELETE CASCADE)',
        "INSERT INTO owner VALUES (1, 'Li'), (2, 'Han')",
        'INSERT INTO pet VALUES (10, 1), (20, 2)'
      )
      await load([{ id: 1 }], { table: 'owner', mode: 'delete', strategy: 'snapshot' })
      expect(await count('pet')).toBe(1)
      await load([{ id: 2, name: 'Hahn' }], { table: 'owner', mode: 'update', strategy: 'snapshot' })
      const error = await refusedWithoutTrace(() => revert(1), ['owner', 'pet'])
      expect(error.details).toMatchObject({ count: 1, conflicts: [{ table: 'pet', key: null }] })
      const { tables } = await place.db.revert(1, { yes: true })
      expect(tables.map(({ table, inserted }) => [table, inserted])).toEqual([
        ['owner', 1],
        ['pet', 1]
      ])
      expect(await place.rows('SELECT * FROM owner ORDER BY id')).toEqual([
        ['1', 'Li'],
        ['2', 'Hahn']
      ])
      expect(await place.rows('SELECT * FROM pet ORDER BY id')).toEqual([
        ['10', '1'],
        ['20', '2']
      ])
      await revert(3)
      expect(await place.rows('SELECT * FROM pet')).toEqual([['20', '2']])
    })
  })

  describe('what others changed past rowback after a version under snapshot', () => {
    const load = (rows: SourceRow[], table = 'people') => place.load(rows, { table, strategy: 'snapshot' })

    beforeEach(async () => {
      await place.sql(
        'CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), city VARCHAR(20), age INTEGER)',
        "INSERT INTO people VALUES (1, 'Li', 'Shanghai', 30)",
        'CREATE TABLE animals (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))'
      )
      await load([
        { id: 1, name: 'Li', city: 'Xian', age: 31 },
        { id: 2, name: 'Ann', city: 'Lyon', age: 40 }
      ])
      await place.sql("UPDATE people SET city = 'Bonn' WHERE id = 1", 'UPDATE people SET age = 41 WHERE id = 2')
    })

    const expectConflicts = async () => {
      const { code, details } = await refusedWithoutTrace(() => revert(1))
      expect(code).toBe('revert.conflict')
      const told = [...(details.conflicts as Conflict[])].sort((a, b) => Number(a.key?.id) - Number(b.key?.id))
      expect(told.map(({ key, base, then, now, versions }) => [key?.id, base, then, now, versions])).toEqual([
        [1, { city: 'Xian' }, { city: 'Shanghai' }, { city: 'Bonn' }, []],
        [2, { age: 40 }, null, { age: 41 }, []]
      ])
      await revert(1, 'keep-current')
      expect(await people()).toEqual([
        ['1', 'Li', 'Bonn', '30'],
        ['2', 'Ann', 'Lyon', '41']
      ])
    }

    test('is a conflict', expectConflicts)

    test('is a conflict also when the next version backed it up', async () => {
      await load([{ id: 1, name: 'Cat' }], 'animals')
      await load([{ id: 3, name: 'Eve', city: 'Oslo', age: 3 }])
      await place.sql('DELETE FROM people WHERE id = 3')
      await expectConflicts()
    })
  })

  test('rows that no key tells apart are counted', async () => {
    const load = (rows: SourceRow[], mode: 'insert' | 'replace') =>
      place.load(rows, { table: 'loose', mode, strategy: 'snapshot' })
    await place.sql(
      'CREATE TABLE loose (a VARCHAR(9), b INTEGER)',
      "INSERT INTO loose VALUES ('x', 1), ('x', 1), ('y', 2)"
    )
    await load(
      [
        { a: 'x', b: 1 },
        { a: 'z', b: 3 }
      ],
      'replace'
    )
    await load([{ a: 'w', b: 4 }], 'insert')
    await revert(1)
    expect(await place.rows('SELECT a, b FROM loose ORDER BY a')).toEqual([
      ['w', '4'],
      ['x', '1'],
      ['x', '1'],
      ['y', '2']
    ])
    await load([{ a: 'y', b: 2 }], 'insert')
    const error = await refusedWithoutTrace(() => revert(3), ['loose'])
    expect(error.details).toMatchObject({ count: 1, conflicts: [{ table: 'loose', key: { a: 'y', b: 2 } }] })
    await revert(3, 'take-old')
    expect(await place.rows('SELECT a, b FROM loose ORDER BY a')).toEqual([
      ['w', '4'],
      ['x', '1'],
      ['z', '3']
    ])
  })

  test('one history of both strategies', async () => {
    const load = (rows: SourceRow[], strategy: Strategy) =>
      place.load(rows, { table: 'people', strategy, mode: 'update' })
    await place.sql(
      'CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), city VARCHAR(20), age INTEGER)',
      "INSERT INTO people VALUES (1, 'a', 'b', 1), (2, 'c', 'd', 2)"
    )
    await load([{ id: 1, name: 'a1' }], 'snapshot')
    await load(
      [
        { id: 1, city: 'b2', age: 1 },
        { id: 2, city: 'd', age: 22 }
      ],
      'incremental'
    )
    await load([{ id: 1, age: 3 }], 'snapshot')
    await revert(1)
    await revert(2)
    expect(await people()).toEqual([
      ['1', 'a', 'b', '3'],
      ['2', 'c', 'd', '2']
    ])
    expect(await place.rows('SELECT version_id FROM people ORDER BY id')).toEqual([['5'], ['5']])
    await place.db.rollback(3)
    expect(await people()).toEqual([
      ['1', 'a1', 'b2', '3'],
      ['2', 'c', 'd', '22']
    ])
  })

  test('across switches of the strategy', async () => {
    const load = (rows: SourceRow[], options: Partial<LoadOptions> = {}) =>
      place.load(rows, { table: 'people', strategy: 'incremental', mode: 'update', ...options })
    await place.sql(
      'CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), city VARCHAR(20), age INTEGER)',
      "INSERT INTO people VALUES (1, 'a', 'b', 1), (2, 'c', 'd', 2)"
    )
    await place.db.enable('incremental')
    await load([{ id: 1, name: 'a2' }])
    await load([{ id: 5, name: 'e' }], { mode: 'insert' })
    await place.db.enable('snapshot')
    await load([{ id: 1, age: 9 }], { strategy: 'snapshot' })
    expect((await refusedWithoutTrace(() => revert(4))).code).toBe('revert.enable')
    await revert(2)
    await revert(3)
    expect(await people()).toEqual([
      ['1', 'a', 'b', '9'],
      ['2', 'c', 'd', '2']
    ])
    await revert(6)
    await revert(5)
    expect(await people()).toEqual([
      ['1', 'a2', 'b', '1'],
      ['2', 'c', 'd', '2']
    ])
  })
}
