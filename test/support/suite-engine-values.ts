import { beforeEach, describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engines/engine.ts'
import type { RowChange } from '../../src/model/change.ts'
import type { Table } from '../../src/model/table.ts'
import { imageColumns } from '../../src/model/table.ts'
import type { Row, Value } from '../../src/model/value.ts'
import { encodeRow } from '../../src/model/value.ts'

import type { Bench, EngineHost } from './suite-engine-bench.ts'
import { BLOB, collect, counts, DOUBLE, INTEGER, readAll, select, TEXT, tableOf, WAIT } from './suite-engine-bench.ts'

/** Values that come back exactly, whichever way they go. */
export function valueTests(host: EngineHost, bench: Bench): void {
  const { another, q, threeDogs, track, write } = bench
  let engine: Engine

  beforeEach(() => {
    engine = bench.engine
  })

  describe('exact values', () => {
    const bytes = new Uint8Array(Array.from({ length: 256 }, (_, i) => i))
    const integers: Value[] = [null, 0n, -1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]
    const doubles: Value[] = [null, 0.1, 1e308, -1e308, 5e-324, 1.7976931348623157e308, 3, -0.5, 2 ** 53]
    const texts: Value[] = [null, '', ' ', 'a\0b', '\0', 'null', '价格', '😀', 'a\r\n\t"\'\\', 'é', 'e\u0301', '\uFFFD']
    const blobs: Value[] = [
      null,
      new Uint8Array(),
      new Uint8Array([0]),
      bytes,
      new Uint8Array([0xff, 0xfe]),
      bytes.slice(128)
    ]

    async function makeValues(): Promise<Table> {
      await engine.createTable({
        name: 'held',
        columns: [
          { name: 'id', type: INTEGER, nullable: false },
          { name: 'i', type: INTEGER, nullable: true },
          { name: 'd', type: DOUBLE, nullable: true },
          { name: 't', type: TEXT, nullable: true },
          { name: 'b', type: BLOB, nullable: true }
        ],
        key: ['id']
      })
      return tableOf(engine, 'held')
    }

    const rows = Array.from(
      { length: 12 },
      (_, i): Row => [BigInt(i), integers[i] ?? null, doubles[i] ?? null, texts[i] ?? null, blobs[i] ?? null]
    )
    const shifted = rows.map((row, i): Row => [row[0] as Value, ...(rows[(i + 5) % rows.length] as Row).slice(1)])

    async function heldRows(table: Table): Promise<string[]> {
      const columns = imageColumns(table)
      const pick = (row: Row) =>
        encodeRow(['id', 'i', 'd', 't', 'b'].map((column) => row[columns.indexOf(column)] ?? null))
      return (await readAll(engine, table)).map(pick).sort()
    }

    test('are written, read and compared as they are', async () => {
      const table = await makeValues()
      expect((await write(table, { mode: 'insert', rows })).counts).toEqual(counts({ inserted: 12 }))
      expect(await heldRows(table)).toEqual(rows.map(encodeRow).sort())
      expect((await write(table, { mode: 'upsert', rows })).counts).toEqual(counts({ unchanged: 12 }))
      const all = await readAll(engine, table)
      expect(new Set(all.map(encodeRow)).size).toBe(12)
    })

    test('a value that looks the same and is not is written', async () => {
      const table = await makeValues()
      await write(table, { mode: 'insert', rows: [[1n, 1n, 0, '', new Uint8Array()]] })
      const result = await write(table, { mode: 'upsert', rows: [[1n, 1n, 0, null, new Uint8Array()]] })
      expect(result.counts).toEqual(counts({ updated: 1 }))
      const again = await write(table, { mode: 'upsert', rows: [[1n, 1n, 0, null, null]] })
      expect(again.counts).toEqual(counts({ updated: 1 }))
      const accents: Value[][] = ['é', 'e\u0301', 'E', 'e', 'e '].map((text) => [1n, 1n, 0, text, null])
      for (const row of accents) {
        expect((await write(table, { mode: 'upsert', rows: [row] })).counts).toEqual(counts({ updated: 1 }))
      }
    })

    test('come back through applyChanges', async () => {
      const table = await makeValues()
      await write(table, { mode: 'insert', rows })
      const before = await readAll(engine, table)
      await write(table, { mode: 'upsert', rows: shifted })
      const now = await readAll(engine, table)
      expect(await heldRows(table)).toEqual(shifted.map(encodeRow).sort())
      async function* changes(): AsyncIterable<RowChange> {
        for (const [i, row] of before.entries()) yield { before: now[i] as Row, after: row }
      }
      await engine.transaction(WAIT, () => engine.applyChanges(table, changes, 2, null))
      expect(await heldRows(table)).toEqual(rows.map(encodeRow).sort())
    })

    test('come back through history, and their changes are exact', async () => {
      const made = await makeValues()
      await write(made, { mode: 'insert', rows })
      const { table, tracking } = await track(made)
      await write(table, { mode: 'upsert', rows: shifted, version: 1, tracking })
      const state = (await collect(engine.readState(table, tracking, 0))).flat()
      expect(state.map(encodeRow).sort()).toEqual(rows.map(encodeRow).sort())
      const changes = await collect(engine.changesBetween(table, tracking, 0, 1))
      const lines = (side: 'before' | 'after') => changes.map((change) => encodeRow(change[side] ?? [])).sort()
      expect(lines('before')).toEqual(rows.map(encodeRow).sort())
      expect(lines('after')).toEqual(shifted.map(encodeRow).sort())
      await engine.transaction(WAIT, () => engine.undo(table, tracking, 0, 2))
      expect(await heldRows(table)).toEqual(rows.map(encodeRow).sort())
    })

    test('safe integers may come as numbers and are the same integers', async () => {
      const table = await makeValues()
      const given: Value[] = [1, 9007199254740991, 0.5, 'x', null]
      await write(table, { mode: 'insert', rows: [given] })
      expect((await write(table, { mode: 'upsert', rows: [given] })).counts).toEqual(counts({ unchanged: 1 }))
      const big = [1n, 9007199254740991n, 0.5, 'x', null]
      expect((await write(table, { mode: 'upsert', rows: [big] })).counts).toEqual(counts({ unchanged: 1 }))
      expect(await heldRows(table)).toEqual([encodeRow(big)])
    })

    test('-0 is held as the engine says, and equal when it comes again', async () => {
      const table = await makeValues()
      const row: Value[] = [1, null, -0, null, null]
      await write(table, { mode: 'insert', rows: [row] })
      const held = (await select(engine, `SELECT d FROM ${q('held')}`))[0]?.[0]
      expect(Object.is(held, host.keepsNegativeZero ? -0 : 0)).toBe(true)
      expect((await write(table, { mode: 'upsert', rows: [row] })).counts).toEqual(counts({ unchanged: 1 }))
    })
  })

  describe('close', () => {
    test('what was committed is there for the next connection, which is not new', async () => {
      await threeDogs()
      const other = await another()
      expect(other.isNew).toBe(false)
      expect(await other.countRows('dogs')).toBe(3)
      expect(other.product).toBe(engine.product)
    })
  })
}
