import { beforeEach, describe, expect, test } from 'vitest'
import type { Engine, Tracking } from '../../src/engines/engine.ts'
import type { WriteCounts, WriteMode } from '../../src/model/change.ts'
import type { Table } from '../../src/model/table.ts'
import type { Row, Value } from '../../src/model/value.ts'

import type { Bench, EngineHost, Load } from './suite-engine-bench.ts'
import { ALL_MODES, byLine, counts, errorOf, INTEGER, NAME, select, tableOf, WAIT } from './suite-engine-bench.ts'

/** Writing a source into a table, and what a database has against its rows. */
export function writeTests(host: EngineHost, bench: Bench): void {
  const { q, makeDogs, threeDogs, dogs, makeFamily, track, write } = bench
  let engine: Engine

  beforeEach(() => {
    engine = bench.engine
  })

  describe.each([false, true])('writeRows, tracked: %s', (tracked) => {
    let table: Table
    let tracking: Tracking | null

    async function begin(): Promise<void> {
      table = await threeDogs()
      tracking = null
      if (tracked) ({ table, tracking } = await track(table))
    }

    /** Source: Rex as he is, Bello older, Max new. */
    const source: Value[][] = [
      [1, 'Rex', 3],
      [2, 'Bello', 6],
      [4, 'Max', null]
    ]

    const outcome: Record<
      WriteMode,
      { counts: Partial<WriteCounts>; rows: Row[]; refused: [number | null, string][] }
    > = {
      insert: {
        counts: { inserted: 1 },
        rows: [
          [1n, 'Rex', 3n],
          [2n, 'Bello', 5n],
          [3n, 'Luna', null],
          [4n, 'Max', null]
        ],
        refused: [
          [2, 'duplicate_key'],
          [3, 'duplicate_key']
        ]
      },
      upsert: {
        counts: { inserted: 1, updated: 1, unchanged: 1 },
        rows: [
          [1n, 'Rex', 3n],
          [2n, 'Bello', 6n],
          [3n, 'Luna', null],
          [4n, 'Max', null]
        ],
        refused: []
      },
      update: {
        counts: { updated: 1, unchanged: 1 },
        rows: [
          [1n, 'Rex', 3n],
          [2n, 'Bello', 6n],
          [3n, 'Luna', null]
        ],
        refused: [[4, 'not_found']]
      },
      replace: {
        counts: { inserted: 1, updated: 1, deleted: 1, unchanged: 1 },
        rows: [
          [1n, 'Rex', 3n],
          [2n, 'Bello', 6n],
          [4n, 'Max', null]
        ],
        refused: []
      },
      mirror: {
        counts: { inserted: 1, updated: 1, deleted: 1, unchanged: 1 },
        rows: [
          [1n, 'Rex', 3n],
          [2n, 'Bello', 6n],
          [4n, 'Max', null]
        ],
        refused: []
      },
      delete: { counts: { deleted: 2 }, rows: [[3n, 'Luna', null]], refused: [[4, 'not_found']] }
    }

    test.each(ALL_MODES)('%s writes what it says and counts it exactly', async (mode) => {
      await begin()
      const rows = mode === 'delete' ? source.map(([id]) => [id as Value]) : source
      const request: Load = { mode, rows, version: 7, tracking }
      if (mode === 'delete') request.columns = ['id']
      const result = await write(table, request)
      expect(result.counts).toEqual(counts(outcome[mode].counts))
      expect(await dogs()).toEqual(outcome[mode].rows)
      expect(result.refused.sort(byLine).map(({ line, code }) => [line, code])).toEqual(outcome[mode].refused)
    })

    test.each(ALL_MODES)('%s calls onChange for what it changes', async (mode) => {
      await begin()
      const rows = mode === 'delete' ? source.map(([id]) => [id as Value]) : source
      const request: Load = { mode, rows, version: 7, tracking }
      if (mode === 'delete') request.columns = ['id']
      const { changes, counts: made } = await write(table, request)
      const kinds = changes.map(({ before, after }) => (!before ? 'inserted' : !after ? 'deleted' : 'updated'))
      expect(kinds.filter((kind) => kind === 'inserted')).toHaveLength(made.inserted)
      expect(kinds.filter((kind) => kind === 'updated')).toHaveLength(made.updated)
      expect(kinds.filter((kind) => kind === 'deleted')).toHaveLength(made.deleted)
      const updated = changes.find(({ before, after }) => before && after)
      if (updated)
        expect([Number(updated.key[0]), updated.before, updated.after]).toEqual([2, [2n, 'Bello', 5n], [2, 'Bello', 6]])
    })

    test('the same source twice changes nothing the second time', async () => {
      await begin()
      await write(table, { mode: 'mirror', rows: source, version: 7, tracking })
      const again = await write(table, { mode: 'mirror', rows: source, version: 8, tracking })
      expect(again.counts).toEqual(counts({ unchanged: 3 }))
      expect(again.changes).toEqual([])
    })

    test.each(['insert', 'upsert', 'mirror', 'replace'] as const)(
      '%s into an empty table inserts all',
      async (mode) => {
        table = await makeDogs()
        tracking = null
        if (tracked) ({ table, tracking } = await track(table))
        const result = await write(table, { mode, rows: source, version: 7, tracking })
        expect(result.counts).toEqual(counts({ inserted: 3 }))
        expect(await engine.countRows('dogs')).toBe(3)
      }
    )

    test.each(['update', 'delete'] as const)('%s of an empty table finds nothing', async (mode) => {
      table = await makeDogs()
      tracking = null
      if (tracked) ({ table, tracking } = await track(table))
      const request: Load = { mode, rows: mode === 'delete' ? [[1], [2]] : source.slice(0, 2), version: 7, tracking }
      if (mode === 'delete') request.columns = ['id']
      const result = await write(table, request)
      expect(result.counts).toEqual(counts({}))
      expect(result.refused.map(({ line, code, column }) => [line, code, column])).toEqual([
        [2, 'not_found', 'id'],
        [3, 'not_found', 'id']
      ])
    })

    test('an empty source: mirror and replace empty the table, the others leave it', async () => {
      await begin()
      for (const mode of ['insert', 'upsert', 'update', 'delete'] as const) {
        expect((await write(table, { mode, rows: [], version: 7, tracking })).counts).toEqual(counts({}))
      }
      const result = await write(table, { mode: 'mirror', rows: [], version: 8, tracking })
      expect(result.counts).toEqual(counts({ deleted: 3 }))
      expect(await dogs()).toEqual([])
    })

    test('columns that the source lacks stay under upsert and are reset under replace', async () => {
      await engine.run(
        "CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), mood VARCHAR(20) DEFAULT 'calm')"
      )
      await engine.run("INSERT INTO cats VALUES (1, 'Tom', 'wild'), (2, 'Mia', 'calm')")
      let cats = await tableOf(engine, 'cats')
      let of: Tracking | null = null
      if (tracked) ({ table: cats, tracking: of } = await track(cats))
      const request = { columns: ['id', 'name'], tracking: of }
      const upserted = await write(cats, { ...request, mode: 'upsert', rows: [[1, 'Tom']], version: 5 })
      expect(upserted.counts).toEqual(counts({ unchanged: 1 }))
      const replaced = await write(cats, {
        ...request,
        mode: 'replace',
        rows: [
          [1, 'Tom'],
          [2, 'Mia'],
          [3, 'Leo']
        ],
        version: 6
      })
      expect(replaced.counts).toEqual(counts({ inserted: 1, updated: 1, unchanged: 1 }))
      expect(await select(engine, 'SELECT id, name, mood FROM cats ORDER BY id')).toEqual([
        [1n, 'Tom', 'calm'],
        [2n, 'Mia', 'calm'],
        [3n, 'Leo', 'calm']
      ])
    })

    test('rows whose own cells failed keep their row under mirror and replace', async () => {
      for (const mode of ['mirror', 'replace'] as const) {
        await begin()
        const result = await write(table, {
          mode,
          rows: [[1, 'Rex', 3]],
          failedKeys: [[2]],
          version: 7,
          tracking
        })
        expect(result.counts).toEqual(counts({ unchanged: 1, deleted: 1 }))
        expect(await dogs()).toEqual([
          [1n, 'Rex', 3n],
          [2n, 'Bello', 5n]
        ])
        await engine.dropTable('dogs')
        if (tracked) await engine.run(`DROP TABLE ${engine.controlTable('history_dogs')}`)
      }
    })

    test('mirror and replace delete nothing when they may not, and ask once', async () => {
      for (const mode of ['mirror', 'replace'] as const) {
        await begin()
        const request = { mode, rows: [[1, 'Rex', 4]], mayDeleteAbsent: false, version: 7, tracking }
        const result = await write(table, request)
        expect([result.counts, result.asked]).toEqual([counts({ updated: 1 }), 1])
        expect(await engine.countRows('dogs')).toBe(3)
        await engine.dropTable('dogs')
        if (tracked) await engine.run(`DROP TABLE ${engine.controlTable('history_dogs')}`)
      }
    })

    test('a row that the database refuses keeps the row that is there under mirror', async () => {
      await engine.run(
        'CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, age INTEGER, CONSTRAINT young CHECK (age < 30))'
      )
      await engine.run('INSERT INTO cats VALUES (1, 2), (2, 3), (3, 4)')
      let cats = await tableOf(engine, 'cats')
      let of: Tracking | null = null
      if (tracked) ({ table: cats, tracking: of } = await track(cats))
      const result = await write(cats, {
        mode: 'mirror',
        rows: [
          [1, 2],
          [2, 99]
        ],
        version: 7,
        tracking: of
      })
      expect(result.counts).toEqual(counts({ unchanged: 1, deleted: 1 }))
      expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[3, 'check']])
      expect(await select(engine, 'SELECT id, age FROM cats ORDER BY id')).toEqual([
        [1n, 2n],
        [2n, 3n]
      ])
    })

    test('a key in the source twice: the first row goes in, the others say where it stands', async () => {
      await begin()
      const result = await write(table, {
        mode: 'upsert',
        rows: [
          [5, 'Ace', 1],
          [1, 'Rex', 9],
          [5, 'Ace again', 2],
          [1, 'Rex again', 10]
        ],
        version: 7,
        tracking,
        batchSize: 2
      })
      expect(result.counts).toEqual(counts({ inserted: 1, updated: 1 }))
      expect(result.refused).toEqual([
        {
          line: 4,
          column: 'id',
          code: 'duplicate_key',
          reason: 'the key id = 5 already stands on line 2 of the source'
        },
        {
          line: 5,
          column: 'id',
          code: 'duplicate_key',
          reason: 'the key id = 1 already stands on line 3 of the source'
        }
      ])
    })

    test('a key in the source twice is refused in an empty table too', async () => {
      table = await makeDogs()
      tracking = null
      if (tracked) ({ table, tracking } = await track(table))
      const result = await write(table, {
        mode: 'upsert',
        rows: [
          [5, 'Ace', 1],
          [5, 'Ace again', 2]
        ],
        version: 7,
        tracking
      })
      expect(result.counts).toEqual(counts({ inserted: 1 }))
      expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([[3, 'id', 'duplicate_key']])
      expect(await dogs()).toEqual([[5n, 'Ace', 1n]])
    })

    test('a row that failed by itself does not take its key from a later good one', async () => {
      await begin()
      const result = await write(table, {
        mode: 'mirror',
        rows: [[2, 'Bello', 8]],
        failedKeys: [[2]],
        version: 7,
        tracking
      })
      expect([result.counts, result.refused]).toEqual([counts({ updated: 1, deleted: 2 }), []])
      expect(await dogs()).toEqual([[2n, 'Bello', 8n]])
    })

    test('a unique value that another row has is duplicate_key, by column', async () => {
      await begin()
      await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
      const bookkeeping = tracking ? [{ table: 'dogs', history: tracking.history, ddl: table.ddl }] : []
      const result = await write(await tableOf(engine, 'dogs', bookkeeping), {
        mode: 'upsert',
        rows: [
          [1, 'Luna', 3],
          [9, 'Bello', 1],
          [8, 'Max', 1]
        ],
        version: 7,
        tracking
      })
      expect(result.counts).toEqual(counts({ inserted: 1 }))
      expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([
        [2, 'name', 'duplicate_key'],
        [3, 'name', 'duplicate_key']
      ])
      expect(await dogs()).toEqual([
        [1n, 'Rex', 3n],
        [2n, 'Bello', 5n],
        [3n, 'Luna', null],
        [8n, 'Max', 1n]
      ])
    })

    test('rows are found by another unique key when it is named', async () => {
      await begin()
      await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
      const result = await write(table, {
        mode: 'update',
        key: ['name'],
        columns: ['name', 'age'],
        rows: [
          ['Luna', 2],
          ['Nobody', 1]
        ],
        version: 7,
        tracking
      })
      expect(result.counts).toEqual(counts({ updated: 1 }))
      expect(result.refused.map(({ line, column, code, reason }) => [line, column, code, reason])).toEqual([
        [3, 'name', 'not_found', 'no row has name = Nobody']
      ])
      expect((await dogs())[2]).toEqual([3n, 'Luna', 2n])
    })

    test('onRefused gets the very row that was sent', async () => {
      await begin()
      const sent = { line: 2, values: [1, 'Rex', 3] as Value[], mark: Symbol('mine') }
      const refused: unknown[] = []
      async function* batches() {
        yield { rows: [sent], failedKeys: [] }
      }
      await engine.transaction(WAIT, () =>
        engine.writeRows({
          table,
          columns: ['id', 'name', 'age'],
          key: ['id'],
          mode: 'insert',
          batches: batches(),
          reread: () => batches(),
          version: 7,
          tracking,
          expectedRows: () => 1,
          mayDeleteAbsent: () => true,
          onRefused: (row) => refused.push(row),
          onKnown: () => {},
          onChange: () => {}
        })
      )
      expect(refused[0]).toBe(sent)
    })
  })

  describe('writeRows without a key', () => {
    async function makeNotes(): Promise<Table> {
      await engine.createTable({
        name: 'notes',
        columns: [
          { name: 'text', type: NAME, nullable: true },
          { name: 'n', type: INTEGER, nullable: true }
        ],
        key: null
      })
      await engine.run(`INSERT INTO ${q('notes')} VALUES ('a', 1), ('a', 1), ('b', NULL)`)
      return tableOf(engine, 'notes')
    }
    const notes = () => select(engine, `SELECT text, n FROM ${q('notes')} ORDER BY text, n`)

    test('insert adds rows, equal ones too', async () => {
      const result = await write(await makeNotes(), {
        mode: 'insert',
        key: null,
        rows: [
          ['a', 1],
          ['c', 2]
        ]
      })
      expect(result.counts).toEqual(counts({ inserted: 2 }))
      expect(await notes()).toEqual([
        ['a', 1n],
        ['a', 1n],
        ['a', 1n],
        ['b', null],
        ['c', 2n]
      ])
    })

    test('replace makes the table what the source says', async () => {
      const result = await write(await makeNotes(), { mode: 'replace', key: null, rows: [['z', 9]] })
      expect(result.counts).toEqual(counts({ inserted: 1, deleted: 3 }))
      expect(await notes()).toEqual([['z', 9n]])
    })

    test('replace of rows that others refer to fails as a whole, saying so', async () => {
      await makeFamily()
      await engine.run("INSERT INTO mother VALUES (1, 'Bella')")
      await engine.run('INSERT INTO puppy VALUES (1, 1)')
      const mother = await tableOf(engine, 'mother')
      const error = await errorOf(write(mother, { mode: 'replace', key: null, columns: ['name'], rows: [['Nora']] }))
      expect(error.code).toMatch(/foreign_key/)
      expect(await select(engine, 'SELECT id, name FROM mother')).toEqual([[1n, 'Bella']])
    })
  })

  describe('what tracking writes', () => {
    const live = () => select(engine, `SELECT id, age, version_id FROM ${q('dogs')} ORDER BY id`)
    const history = () =>
      select(
        engine,
        `SELECT id, age, version_id, superseded_by FROM ${engine.controlTable('history_dogs')} ORDER BY id, version_id`
      )

    test('rows that were there are of version 0 and have no history', async () => {
      await track(await threeDogs())
      expect(await live()).toEqual([
        [1n, 3n, 0n],
        [2n, 5n, 0n],
        [3n, null, 0n]
      ])
      expect(await history()).toEqual([])
    })

    test('`SELECT *` shows the version column only where it cannot be hidden', async () => {
      await track(await threeDogs())
      const { columns } = await engine.query(`SELECT * FROM ${q('dogs')}`)
      const shown = ['id', 'name', 'age']
      expect(columns).toEqual(engine.capabilities.invisibleColumns ? shown : [...shown, 'version_id'])
    })

    test('an update moves the old row to history; an unchanged row keeps its version; an insert has no history', async () => {
      const { table, tracking } = await track(await threeDogs())
      await write(table, {
        mode: 'mirror',
        rows: [
          [1, 'Rex', 3],
          [2, 'Bello', 6],
          [4, 'Max', 1]
        ],
        version: 7,
        tracking
      })
      expect(await live()).toEqual([
        [1n, 3n, 0n],
        [2n, 6n, 7n],
        [4n, 1n, 7n]
      ])
      expect(await history()).toEqual([
        [2n, 5n, 0n, 7n],
        [3n, null, 0n, 7n]
      ])
    })

    test('a row that the database refused leaves nothing in history', async () => {
      const { table, tracking } = await track(await threeDogs())
      await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
      const result = await write(table, { mode: 'upsert', rows: [[1, 'Luna', 4]], version: 7, tracking })
      expect(result.refused.map(({ code }) => code)).toEqual(['duplicate_key'])
      expect(await history()).toEqual([])
      expect((await live())[0]).toEqual([1n, 3n, 0n])
    })

    test('the history knows the version of each state of a row', async () => {
      const { table, tracking } = await track(await threeDogs())
      for (const version of [2, 3, 5]) {
        await write(table, { mode: 'upsert', rows: [[1, 'Rex', version * 10]], version, tracking })
      }
      expect(await history()).toEqual([
        [1n, 3n, 0n, 2n],
        [1n, 20n, 2n, 3n],
        [1n, 30n, 3n, 5n]
      ])
      expect((await live())[0]).toEqual([1n, 50n, 5n])
    })

    test('addVersionColumn alone gives rows version 0', async () => {
      const table = await threeDogs()
      await engine.addVersionColumn(table)
      expect(await live()).toEqual([
        [1n, 3n, 0n],
        [2n, 5n, 0n],
        [3n, null, 0n]
      ])
    })

    test('a generated column is tracked without being stored', async () => {
      await engine.run(
        'CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 2) STORED)'
      )
      await engine.run('INSERT INTO cats (id, n) VALUES (1, 2)')
      const { table, tracking } = await track(await tableOf(engine, 'cats'))
      const result = await write(table, { mode: 'upsert', rows: [[1, 5]], version: 3, tracking })
      expect(result.counts).toEqual(counts({ updated: 1 }))
      expect(await select(engine, 'SELECT id, n, twice FROM cats')).toEqual([[1n, 5n, 10n]])
      const undone = await engine.transaction(WAIT, () => engine.undo(table, tracking, 2, 4))
      expect(undone).toEqual(counts({ updated: 1 }))
      expect(await select(engine, 'SELECT id, n, twice FROM cats')).toEqual([[1n, 2n, 4n]])
    })
  })

  describe('rows that the database refuses', () => {
    test('a value that must be there: required, by column', async () => {
      await engine.run('CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL)')
      const cats = await tableOf(engine, 'cats')
      const result = await write(cats, {
        mode: 'upsert',
        rows: [
          [1, null],
          [2, 'Mia']
        ]
      })
      expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([[2, 'name', 'required']])
      expect(await select(engine, 'SELECT id, name FROM cats')).toEqual([[2n, 'Mia']])
    })

    test('a CHECK: its name stands in the reason and no column is blamed', async () => {
      await engine.run(
        'CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, kg DOUBLE PRECISION, CONSTRAINT light CHECK (kg < 9.5))'
      )
      const cats = await tableOf(engine, 'cats')
      const result = await write(cats, {
        mode: 'upsert',
        rows: [
          [1, 12.5],
          [2, 3.5]
        ]
      })
      expect(result.refused.map(({ line, column, code }) => [line, column, code])).toEqual([[2, null, 'check']])
      expect(result.refused[0]?.reason).toContain('light')
      expect(await select(engine, 'SELECT id FROM cats')).toEqual([[2n]])
    })

    test('a trigger that refuses: its own words are the reason', async () => {
      const table = await makeDogs()
      for (const sql of host.refusingTrigger('dogs', 'name', 'not this dog')) await engine.run(sql)
      const result = await write(table, {
        mode: 'upsert',
        rows: [
          [1, 'Rex', 1],
          [2, 'bad', 2],
          [3, 'Luna', 3]
        ]
      })
      expect(result.counts).toEqual(counts({ inserted: 2 }))
      expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[3, 'trigger']])
      expect(result.refused[0]?.reason).toContain('not this dog')
      expect(await dogs()).toEqual([
        [1n, 'Rex', 1n],
        [3n, 'Luna', 3n]
      ])
    })

    test('a reference to nothing: foreign_key, and the good rows go in', async () => {
      await makeFamily()
      await engine.run("INSERT INTO mother VALUES (1, 'Bella')")
      const puppy = await tableOf(engine, 'puppy')
      const result = await write(puppy, {
        mode: 'upsert',
        rows: [
          [1, 1],
          [2, 77],
          [3, null]
        ]
      })
      expect(result.counts).toEqual(counts({ inserted: 2 }))
      expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[3, 'foreign_key']])
      expect(await select(engine, 'SELECT id, mother_id FROM puppy ORDER BY id')).toEqual([
        [1n, 1n],
        [3n, null]
      ])
    })

    async function makeStaff(): Promise<Table> {
      await engine.run(
        'CREATE TABLE staff (id INTEGER NOT NULL PRIMARY KEY, boss_id INTEGER, FOREIGN KEY (boss_id) REFERENCES staff (id))'
      )
      return tableOf(engine, 'staff')
    }

    test.each([
      ['an empty table', []],
      ['a table with rows', [[9, null]]]
    ])('a child before its parent in one source goes in, into %s', async (_, before) => {
      const staff = await makeStaff()
      for (const [id, boss] of before as Value[][]) {
        await engine.run('INSERT INTO staff VALUES (?, ?)', [BigInt(id as number), boss as Value])
      }
      const rows = [
        [4, 3],
        [3, 2],
        [2, 1],
        [1, null],
        [5, 88],
        [6, 5]
      ]
      const result = await write(staff, { mode: 'upsert', rows, batchSize: 2 })
      expect(result.counts).toEqual(counts({ inserted: 4 }))
      expect(result.refused.sort(byLine).map(({ line, code }) => [line, code])).toEqual([
        [6, 'foreign_key'],
        [7, 'foreign_key']
      ])
      expect(await select(engine, 'SELECT id, boss_id FROM staff WHERE id < 9 ORDER BY id')).toEqual([
        [1n, null],
        [2n, 1n],
        [3n, 2n],
        [4n, 3n]
      ])
    })

    test('mirror keeps a row that another refers to and reports it without a line', async () => {
      await makeFamily()
      await engine.run("INSERT INTO mother VALUES (1, 'Bella'), (2, 'Nora'), (3, 'Ida')")
      await engine.run('INSERT INTO puppy VALUES (1, 2)')
      const mother = await tableOf(engine, 'mother')
      const result = await write(mother, { mode: 'mirror', rows: [[1, 'Bella']] })
      expect(result.counts).toEqual(counts({ unchanged: 1, deleted: 1 }))
      expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[null, 'foreign_key']])
      expect(result.refused[0]?.reason).toMatch(/^id = 2 is not in the source and could not be deleted: /)
      expect(await select(engine, 'SELECT id FROM mother ORDER BY id')).toEqual([[1n], [2n]])
    })

    test('delete of a row that another refers to is refused', async () => {
      await makeFamily()
      await engine.run("INSERT INTO mother VALUES (1, 'Bella'), (2, 'Nora')")
      await engine.run('INSERT INTO puppy VALUES (1, 2)')
      const mother = await tableOf(engine, 'mother')
      const result = await write(mother, { mode: 'delete', columns: ['id'], rows: [[1], [2]] })
      expect(result.counts).toEqual(counts({ deleted: 1 }))
      expect(result.refused.map(({ line, code }) => [line, code])).toEqual([[3, 'foreign_key']])
      expect(await select(engine, 'SELECT id FROM mother')).toEqual([[2n]])
    })

    test('a thousand bad rows among good ones are each reported once', async () => {
      await engine.run('CREATE TABLE cats (id INTEGER NOT NULL PRIMARY KEY, age INTEGER, CHECK (age >= 0))')
      const cats = await tableOf(engine, 'cats')
      const rows = Array.from({ length: 3000 }, (_, i): Value[] => [i, i % 3 === 1 ? -1 : i])
      const result = await write(cats, { mode: 'insert', rows, batchSize: 700 })
      expect(result.counts).toEqual(counts({ inserted: 2000 }))
      expect(result.refused.sort(byLine).map(({ line }) => line)).toEqual(
        rows.flatMap(([, age], i) => (age === -1 ? [i + 2] : []))
      )
      expect(await engine.countRows('cats')).toBe(2000)
    })
  })
}
