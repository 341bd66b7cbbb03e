import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Engine, Tracking } from '../../src/engines/engine.ts'
import type { RowChange } from '../../src/model/change.ts'
import type { Table } from '../../src/model/table.ts'
import { imageColumns } from '../../src/model/table.ts'
import type { Row, Value } from '../../src/model/value.ts'
import { encodeRow } from '../../src/model/value.ts'

import type { Bench, EngineHost } from './suite-engine-bench.ts'
import { collect, counts, readAll, select, tableOf, WAIT } from './suite-engine-bench.ts'

/** Changes made and undone: restoring rows, history and the states that versions left. */
export function stateTests(host: EngineHost, bench: Bench): void {
  const { q, threeDogs, dogs, makeFamily, makeLogged, track, write } = bench
  let engine: Engine

  beforeEach(() => {
    engine = bench.engine
  })

  /** Where DDL cannot be part of a transaction, triggers are lifted around it. */
  async function withoutTriggers(table: Table, work: () => Promise<void> | Promise<unknown>): Promise<void> {
    const back = await engine.liftTriggers(table)
    await work()
    for (const sql of back) await engine.run(sql)
  }

  describe('findRows', () => {
    const names = (table: Table, rows: (Row | null)[]) => {
      const at = imageColumns(table).indexOf('name')
      return rows.map((row) => (row ? row[at] : null))
    }

    test('finds rows by the cells of a unique key, in the order that was asked for', async () => {
      await threeDogs()
      await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
      const table = await tableOf(engine, 'dogs')
      const byId = await engine.findRows(table, ['id'], [[3n], [77n], [1n]])
      expect(names(table, byId)).toEqual(['Luna', null, 'Rex'])
      expect(byId[2]).toEqual((await readAll(engine, table))[0])
      expect(names(table, await engine.findRows(table, ['name'], [['Bello'], ['Nobody']]))).toEqual(['Bello', null])
      expect(await engine.findRows(table, ['id'], [])).toEqual([])
    })

    test('of thousands, by a key of two columns', async () => {
      await engine.run(`CREATE TABLE ${q('pairs')} (a INTEGER NOT NULL, b VARCHAR(20) NOT NULL, PRIMARY KEY (a, b))`)
      const keys: Row[] = Array.from({ length: 2500 }, (_, i) => [BigInt(i % 50), `b${i}`])
      const table = await tableOf(engine, 'pairs')
      await engine.transaction(WAIT, () =>
        engine.fill(
          table,
          (async function* () {
            yield keys.filter((_, i) => i % 2 === 0)
          })()
        )
      )
      const at = ['a', 'b'].map((name) => imageColumns(table).indexOf(name))
      const found = (await engine.findRows(table, ['a', 'b'], keys)).map((row) => row && at.map((i) => row[i]))
      expect(found).toEqual(keys.map((key, i) => (i % 2 === 0 ? key : null)))
    })
  })

  describe('applyChanges', () => {
    function imageRow(table: Table, row: Row, place: bigint): Row {
      return table.hiddenOrder ? [place, ...row] : row
    }

    /** The image rows as they are, by id. */
    async function images(table: Table): Promise<Map<bigint, Row>> {
      const at = imageColumns(table).indexOf('id')
      return new Map((await readAll(engine, table)).map((row) => [row[at] as bigint, row]))
    }

    async function* stream(changes: RowChange[]): AsyncIterable<RowChange> {
      for (const change of changes) yield change
    }

    test('inserts, updates and deletes exactly', async () => {
      const table = await threeDogs()
      const now = await images(table)
      const changes: RowChange[] = [
        { before: now.get(1n) as Row, after: null },
        { before: now.get(2n) as Row, after: [...(now.get(2n) as Row).slice(0, -1), 50n] },
        { before: null, after: imageRow(table, [7n, 'Neo', null], 70n) }
      ]
      await engine.transaction(WAIT, () => engine.applyChanges(table, () => stream(changes), 4, null))
      expect(await dogs()).toEqual([
        [2n, 'Bello', 50n],
        [3n, 'Luna', null],
        [7n, 'Neo', null]
      ])
    })

    test('unique values may move between rows', async () => {
      await threeDogs()
      await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
      const table = await tableOf(engine, 'dogs')
      const now = await images(table)
      const at = imageColumns(table).indexOf('name')
      const swap = (id: bigint, name: string): RowChange => ({
        before: now.get(id) as Row,
        after: (now.get(id) as Row).map((value, i) => (i === at ? name : value))
      })
      const changes = [swap(1n, 'Bello'), swap(2n, 'Luna'), swap(3n, 'Rex')]
      await engine.transaction(WAIT, () => engine.applyChanges(table, () => stream(changes), 4, null))
      expect(await dogs()).toEqual([
        [1n, 'Bello', 3n],
        [2n, 'Luna', 5n],
        [3n, 'Rex', null]
      ])
    })

    test('triggers do not fire, and are there again afterwards', async () => {
      const table = await makeLogged()
      const now = await images(table)
      const changes: RowChange[] = [
        { before: now.get(1n) as Row, after: null },
        { before: now.get(2n) as Row, after: [...(now.get(2n) as Row).slice(0, -1), 50n] },
        { before: null, after: imageRow(table, [7n, 'Neo', null], 70n) }
      ]
      await withoutTriggers(table, () =>
        engine.transaction(WAIT, () => engine.applyChanges(table, () => stream(changes), 4, null))
      )
      expect(await select(engine, 'SELECT what FROM log')).toEqual([])
      expect((await tableOf(engine, 'dogs')).triggers).toEqual(table.triggers)
      await engine.run(`DELETE FROM ${q('dogs')} WHERE id = 7`)
      expect(await select(engine, 'SELECT what FROM log')).toEqual([['delete']])
    })

    test('triggers are there again when it is aborted half-way', async () => {
      const table = await makeLogged()
      async function* broken(): AsyncIterable<RowChange> {
        yield { before: null, after: imageRow(table, [7n, 'Neo', null], 70n) }
        throw new Error('the disk is gone')
      }
      await expect(engine.transaction(WAIT, () => engine.applyChanges(table, broken, 4, null))).rejects.toThrow(
        'the disk is gone'
      )
      expect((await tableOf(engine, 'dogs')).triggers).toEqual(table.triggers)
      expect(await engine.countRows('dogs')).toBe(3)
    })

    test('with tracking the superseded rows go to history and the written ones get the version', async () => {
      const { table, tracking } = await track(await threeDogs())
      const now = await images(table)
      const changes: RowChange[] = [
        { before: now.get(1n) as Row, after: null },
        { before: now.get(2n) as Row, after: [...(now.get(2n) as Row).slice(0, -1), 50n] },
        { before: null, after: imageRow(table, [7n, 'Neo', null], 70n) }
      ]
      await engine.transaction(WAIT, () => engine.applyChanges(table, () => stream(changes), 4, tracking))
      expect(await select(engine, `SELECT id, age, version_id FROM ${q('dogs')} ORDER BY id`)).toEqual([
        [2n, 50n, 4n],
        [3n, null, 0n],
        [7n, null, 4n]
      ])
      expect(
        await select(
          engine,
          `SELECT id, age, version_id, superseded_by FROM ${engine.controlTable('history_dogs')} ORDER BY id`
        )
      ).toEqual([
        [1n, 3n, 0n, 4n],
        [2n, 5n, 0n, 4n]
      ])
    })

    test('cascades do not fire when foreign keys are off', async () => {
      await engine.run('CREATE TABLE mother (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(60))')
      await engine.run(
        'CREATE TABLE puppy (id INTEGER NOT NULL PRIMARY KEY, mother_id INTEGER, ' +
          'FOREIGN KEY (mother_id) REFERENCES mother (id) ON DELETE CASCADE)'
      )
      await engine.run("INSERT INTO mother VALUES (1, 'Bella')")
      await engine.run('INSERT INTO puppy VALUES (5, 1)')
      const mother = await tableOf(engine, 'mother')
      const now = (await images(mother)).get(1n) as Row
      const changes = [{ before: now, after: [...now.slice(0, -1), 'Nora'] }]
      await engine.transaction({ wait: 100, foreignKeys: false }, () =>
        engine.applyChanges(mother, () => stream(changes), 4, null)
      )
      expect(await select(engine, 'SELECT id, mother_id FROM puppy')).toEqual([[5n, 1n]])
      expect(await select(engine, 'SELECT id, name FROM mother')).toEqual([[1n, 'Nora']])
    })
  })

  describe('foreignKeyViolations', () => {
    test('is empty when all is well and a sentence for each row that is not', async () => {
      await makeFamily()
      await engine.run("INSERT INTO mother VALUES (1, 'Bella')")
      await engine.run('INSERT INTO puppy VALUES (1, 1)')
      expect(await engine.foreignKeyViolations()).toEqual([])
      await engine.transaction({ wait: 100, foreignKeys: false }, async () => {
        await engine.run('DELETE FROM mother')
        await engine.run('INSERT INTO puppy VALUES (2, 44)')
      })
      const violations = await engine.foreignKeyViolations()
      expect(violations).toHaveLength(2)
      expect(violations.every((sentence) => sentence.includes('puppy') && sentence.includes('mother'))).toBe(true)
      await engine.run('DELETE FROM puppy')
      expect(await engine.foreignKeyViolations()).toEqual([])
    })
  })

  describe('states', () => {
    let table: Table
    let tracking: Tracking

    /**
     * The states that versions left, by number; 2 wrote another table.
     * 1: Bello 6, Max new. 3: Luna gone, Rex 4. 4: Max 2, Luna back as Lua. 5: all gone but Rex.
     */
    const states: Record<number, Row[]> = {
      0: [
        [1n, 'Rex', 3n],
        [2n, 'Bello', 5n],
        [3n, 'Luna', null]
      ],
      1: [
        [1n, 'Rex', 3n],
        [2n, 'Bello', 6n],
        [3n, 'Luna', null],
        [4n, 'Max', 1n]
      ],
      2: [
        [1n, 'Rex', 3n],
        [2n, 'Bello', 6n],
        [3n, 'Luna', null],
        [4n, 'Max', 1n]
      ],
      3: [
        [1n, 'Rex', 4n],
        [2n, 'Bello', 6n],
        [4n, 'Max', 1n]
      ],
      4: [
        [1n, 'Rex', 4n],
        [2n, 'Bello', 6n],
        [3n, 'Lua', 1n],
        [4n, 'Max', 2n]
      ],
      5: [[1n, 'Rex', 4n]]
    }

    beforeEach(async () => {
      ;({ table, tracking } = await track(await threeDogs()))
      for (const version of [1, 3, 4, 5]) {
        await write(table, { mode: 'mirror', rows: states[version] as Row[], version, tracking })
      }
    })

    async function stateAt(version: number, live = true): Promise<Row[]> {
      const rows = (await collect(engine.readState(table, { ...tracking, live }, version))).flat()
      return rows.sort((a, b) => Number(a[0]) - Number(b[0]))
    }

    /** What leads from one list of rows to another, by id. */
    function difference(from: number, to: number): RowChange[] {
      const ids = [1n, 2n, 3n, 4n]
      const at = (version: number, id: bigint) => states[version]?.find(([own]) => own === id) ?? null
      return ids
        .map((id) => ({ before: at(from, id), after: at(to, id) }))
        .filter(({ before, after }) => encodeRow(before ?? []) !== encodeRow(after ?? []))
    }

    test.each([0, 1, 2, 3, 4, 5])('readState gives the rows of version %i', async (version) => {
      expect(await stateAt(version)).toEqual(states[version])
    })

    const pairs = [0, 1, 2, 3, 4, 5].flatMap((from) => [0, 1, 2, 3, 4, 5].map((to): [number, number] => [from, to]))

    test.each(pairs)('changesBetween %i and %i has one change per key', async (from, to) => {
      const changes = await collect(engine.changesBetween(table, tracking, from, to))
      const id = ({ before, after }: RowChange) => Number((before ?? after)?.[0])
      expect(changes.sort((a, b) => id(a) - id(b))).toEqual(difference(from, to))
    })

    test.each([0, 1, 2, 3, 4])('undo to version %i writes what differs and no more', async (to) => {
      const done = await engine.transaction(WAIT, () => engine.undo(table, tracking, to, 6))
      const changes = difference(5, to)
      expect(done).toEqual(
        counts({
          inserted: changes.filter(({ before }) => !before).length,
          updated: changes.filter(({ before, after }) => before && after).length,
          deleted: changes.filter(({ after }) => !after).length
        })
      )
      expect(await dogs()).toEqual(states[to])
    })

    test('an undo can be undone: back, forward and back again', async () => {
      const undo = (to: number, as: number) => engine.transaction(WAIT, () => engine.undo(table, tracking, to, as))
      await undo(1, 6)
      expect(await dogs()).toEqual(states[1])
      await undo(4, 7)
      expect(await dogs()).toEqual(states[4])
      await undo(6, 8)
      expect(await dogs()).toEqual(states[1])
      await undo(5, 9)
      expect(await dogs()).toEqual(states[5])
      await undo(0, 10)
      expect(await dogs()).toEqual(states[0])
      for (const version of [0, 1, 2, 3, 4, 5]) expect(await stateAt(version)).toEqual(states[version])
      expect(await stateAt(6)).toEqual(states[1])
      expect(await stateAt(7)).toEqual(states[4])
      expect(await stateAt(8)).toEqual(states[1])
      expect(await stateAt(9)).toEqual(states[5])
    })

    test('a version after an undo goes on from there', async () => {
      await engine.transaction(WAIT, () => engine.undo(table, tracking, 1, 6))
      const result = await write(table, { mode: 'upsert', rows: [[2, 'Bello', 7]], version: 7, tracking })
      expect(result.counts).toEqual(counts({ updated: 1 }))
      await engine.transaction(WAIT, () => engine.undo(table, tracking, 6, 8))
      expect(await dogs()).toEqual(states[1])
    })

    test('an undo to the present state changes nothing', async () => {
      expect(await engine.transaction(WAIT, () => engine.undo(table, tracking, 5, 6))).toEqual(counts({}))
      expect(await dogs()).toEqual(states[5])
    })

    test('undo fires no trigger', async () => {
      await engine.run('CREATE TABLE log (what VARCHAR(20))')
      for (const sql of host.loggingTriggers('dogs', 'log')) await engine.run(sql)
      const logged = await tableOf(engine, 'dogs')
      await withoutTriggers(logged, () => engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 6)))
      expect(await select(engine, 'SELECT what FROM log')).toEqual([])
      expect((await tableOf(engine, 'dogs')).triggers).toHaveLength(3)
    })

    test('undo moves unique values back between rows', async () => {
      await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 6))
      await engine.run(`CREATE UNIQUE INDEX dogs_name ON ${q('dogs')} (name)`)
      await engine.run(`DELETE FROM ${q('dogs')} WHERE id = 3`)
      await write(table, { mode: 'upsert', rows: [[1, 'x', 3]], version: 7, tracking })
      await write(table, { mode: 'upsert', rows: [[2, 'Rex', 5]], version: 8, tracking })
      await write(table, { mode: 'upsert', rows: [[1, 'Bello', 3]], version: 9, tracking })
      const unique = { ...table, uniqueKeys: [...table.uniqueKeys, ['name']] }
      const done = await engine.transaction(WAIT, () => engine.undo(unique, tracking, 6, 10))
      expect(done).toEqual(counts({ updated: 2 }))
      expect(await dogs()).toEqual([
        [1n, 'Rex', 3n],
        [2n, 'Bello', 5n]
      ])
    })

    test('supersedeAll moves every live row to history', async () => {
      await engine.transaction(WAIT, () => engine.undo(table, tracking, 4, 6))
      expect(await engine.transaction(WAIT, () => engine.supersedeAll(table, tracking, 7))).toBe(4)
      expect(
        await select(
          engine,
          `SELECT id, superseded_by FROM ${engine.controlTable('history_dogs')} WHERE superseded_by = 7 ORDER BY id`
        )
      ).toEqual([
        [1n, 7n],
        [2n, 7n],
        [3n, 7n],
        [4n, 7n]
      ])
      expect(await engine.countRows('dogs')).toBe(0)
    })

    test('one row with all its versions, by its key', async () => {
      const of = async (id: bigint, live = tracking) =>
        (await engine.rowVersions(table, live, [id])).sort((a, b) => Number(a.since) - Number(b.since))
      expect(await of(1n)).toEqual([
        { row: [1n, 'Rex', 3n], since: 0, until: 3 },
        { row: [1n, 'Rex', 4n], since: 3, until: null }
      ])
      expect(await of(3n)).toEqual([
        { row: [3n, 'Luna', null], since: 0, until: 3 },
        { row: [3n, 'Lua', 1n], since: 4, until: 5 }
      ])
      expect(await of(9n)).toEqual([])
      expect(await engine.rowVersions(table, null, [1n])).toEqual([{ row: [1n, 'Rex', 4n], since: null, until: null }])
      expect(await of(1n, { ...tracking, live: false })).toEqual([{ row: [1n, 'Rex', 3n], since: 0, until: 3 }])
    })

    test('keys compare as the table orders them', async () => {
      const others: Row[] = [[1n], [2n], [10n], [-1n]]
      expect(await engine.compareKeys(table, ['id'], [2n], others)).toEqual([-1, 0, 1, -1])
      const pairs: Row[] = [
        [3n, 'a'],
        [2n, 'c'],
        [2n, 'b'],
        [2n, 'a']
      ]
      expect(await engine.compareKeys(table, ['id', 'name'], [2n, 'b'], pairs)).toEqual([1, 1, 0, -1])
      expect(await engine.compareKeys(table, ['id'], [2n], [])).toEqual([])
    })

    test('the history of a table that is gone still gives its states and changes', async () => {
      await engine.transaction(WAIT, () => engine.supersedeAll(table, tracking, 6))
      await engine.dropTable('dogs')
      for (const version of [0, 1, 2, 3, 4, 5]) expect(await stateAt(version, false)).toEqual(states[version])
      expect(await stateAt(6, false)).toEqual([])
      const gone = { ...tracking, live: false }
      expect(await collect(engine.changesBetween(table, gone, 5, 6))).toEqual([
        { before: [1n, 'Rex', 4n], after: null }
      ])
      const changes = await collect(engine.changesBetween(table, gone, 0, 3))
      expect(changes.sort((a, b) => Number((a.before ?? a.after)?.[0]) - Number((b.before ?? b.after)?.[0]))).toEqual(
        difference(0, 3)
      )
    })
  })

  describe('random histories', () => {
    test('every version can be read, compared and returned to', async () => {
      const step = fc.dictionary(
        fc.constantFrom('1', '2', '3', '4', '5'),
        fc.tuple(fc.constantFrom('a', 'b', ''), fc.option(fc.integer({ min: 0, max: 2 }), { nil: null })),
        { noNullPrototype: true }
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), fc.nat(), async (steps, chosen) => {
          const { table, tracking } = await track(await threeDogs())
          const states: Row[][] = [await dogs()]
          for (const [i, wanted] of steps.entries()) {
            const rows = Object.entries(wanted).map(([id, [name, age]]): Value[] => [Number(id), name, age])
            await write(table, { mode: 'mirror', rows, version: i + 1, tracking })
            states.push(await dogs())
          }
          const to = chosen % states.length
          await engine.transaction(WAIT, () => engine.undo(table, tracking, to, states.length))
          expect(await dogs()).toEqual(states[to])
          for (const [version, rows] of states.entries()) {
            const state = (await collect(engine.readState(table, tracking, version))).flat()
            expect(state.map(encodeRow).sort()).toEqual(rows.map(encodeRow).sort())
          }
          const back = await collect(engine.changesBetween(table, tracking, to, states.length))
          expect(back).toEqual([])
          await engine.dropTable('dogs')
          await engine.run(`DROP TABLE ${engine.controlTable('history_dogs')}`)
        }),
        { numRuns: 20 }
      )
    })
  })
}
