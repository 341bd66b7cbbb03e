import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Rowback } from '../../src/rowback.ts'
import { open } from '../../src/rowback.ts'
import { readState } from '../support/properties-sqlite.ts'
import type { ExactCell } from '../support/properties-state.ts'
import { sortRows, textCell } from '../support/properties-state.ts'

const ROWS = 30_000
/** About 300 bytes a row: some nine chunks of one MiB. */
const FILLER = 'wide text that makes a chunk of a few thousand rows; '.repeat(4)

/** A table of wide rows, found by a key of one or two columns. */
interface Shape {
  name: string
  ddl: string
  key: (n: number) => Record<string, string | number>
}

const SHAPES: Shape[] = [
  {
    name: 'an INTEGER PRIMARY KEY',
    ddl: 'CREATE TABLE wide (id INTEGER PRIMARY KEY, body TEXT, n INTEGER, u TEXT UNIQUE)',
    key: (n) => ({ id: n * 10 })
  },
  {
    name: 'a TEXT PRIMARY KEY beside the rowid',
    ddl: 'CREATE TABLE wide (id TEXT PRIMARY KEY NOT NULL, body TEXT, n INTEGER, u TEXT UNIQUE)',
    key: (n) => ({ id: `key ${scatter(n)}` })
  },
  {
    name: 'a NOCASE key WITHOUT ROWID',
    ddl: 'CREATE TABLE wide (id TEXT COLLATE NOCASE PRIMARY KEY, body TEXT, n INTEGER, u TEXT UNIQUE) WITHOUT ROWID',
    key: (n) => ({ id: n % 2 === 0 ? `key ${scatter(n)} É` : `KEY ${scatter(n)} é` })
  },
  {
    name: 'a key of two columns WITHOUT ROWID',
    ddl: 'CREATE TABLE wide (a INTEGER, b TEXT, body TEXT, n INTEGER, u TEXT UNIQUE, PRIMARY KEY (b, a)) WITHOUT ROWID',
    key: (n) => ({ a: scatter(n), b: `group ${n % 7}` })
  }
]

/** Spreads numbers over the key space, each to a place of its own. */
function scatter(n: number): number {
  return (n * 7919) % 1_000_003
}

type Edit =
  | { kind: 'change'; scattered: boolean; at: number; rows: number }
  | { kind: 'insert'; scattered: boolean; at: number; rows: number }
  | { kind: 'delete'; scattered: boolean; at: number; rows: number }
  | { kind: 'swap'; at: number; rows: number }
  | { kind: 'mirror'; at: number; rows: number }

const edit: fc.Arbitrary<Edit> = fc.oneof(
  ...(['change', 'insert', 'delete'] as const).map((kind) =>
    fc.record({
      kind: fc.constant(kind),
      scattered: fc.boolean(),
      at: fc.nat(999),
      rows: fc.constantFrom(1, 40, 700, 9000)
    })
  ),
  fc.record({ kind: fc.constant('swap' as const), at: fc.nat(999), rows: fc.constantFrom(2, 300) }),
  fc.record({ kind: fc.constant('mirror' as const), at: fc.nat(999), rows: fc.constantFrom(100, 5000) })
)

interface WideRow {
  body: string
  n: number
  u: string | null
}

/** The table as it should be, and the sources that bring it there. */
class Wide {
  readonly folder = mkdtempSync(join(tmpdir(), 'rowback-large-'))
  readonly path = join(this.folder, 'data.db')
  readonly repository = join(this.folder, 'repository')
  readonly rows = new Map<number, WideRow>()
  readonly #shape: Shape
  #stamp = 0
  #next = ROWS

  constructor(shape: Shape) {
    this.#shape = shape
    const db = new DatabaseSync(this.path)
    db.exec(shape.ddl)
    db.close()
    // Every third place in the key space is free.
    for (let n = 0; n < ROWS; n++) this.rows.set(n * 3, this.#row(n * 3))
  }

  #row(n: number): WideRow {
    const stamp = ++this.#stamp
    return { body: `${FILLER}${n} ${stamp}`, n: stamp, u: n % 5 === 0 ? null : `u${n}` }
  }

  /** Makes the edit in memory. @returns the modes and sources that make it in the database */
  apply(edit: Edit): { mode: 'upsert' | 'delete' | 'mirror'; path: string }[] {
    const chosen = this.#choose(edit)
    switch (edit.kind) {
      case 'change':
        for (const n of chosen) this.rows.set(n, { ...this.#row(n), u: this.rows.get(n)?.u ?? null })
        return [{ mode: 'upsert', path: this.#write(chosen) }]
      case 'insert':
        return [{ mode: 'upsert', path: this.#write(this.#insert(chosen)) }]
      case 'delete': {
        const path = this.#write(chosen)
        for (const n of chosen) this.rows.delete(n)
        return [{ mode: 'delete', path }]
      }
      case 'swap':
        return this.#swap(chosen)
      case 'mirror': {
        for (const n of chosen) this.rows.delete(n)
        this.#insert(chosen.slice(0, chosen.length / 2))
        return [{ mode: 'mirror', path: this.#write([...this.rows.keys()]) }]
      }
    }
  }

  #choose({ at, rows, ...edit }: Edit): number[] {
    const all = [...this.rows.keys()]
    const step = 'scattered' in edit && edit.scattered ? Math.max(Math.floor(all.length / rows), 1) : 1
    const start = Math.floor((at * all.length) / 1000)
    return Array.from(
      { length: Math.min(rows, all.length - 1) },
      (_, i) => all[(start + i * step) % all.length] as number
    )
  }

  /** New rows in free places beside the given ones, or after all others. */
  #insert(beside: number[]): number[] {
    return [...new Set(beside)].map((n) => {
      const free = this.rows.has(n + 1) ? ++this.#next * 3 : n + 1
      this.rows.set(free, this.#row(free))
      return free
    })
  }

  /** Unique values change places: taken away from all first, then given out in another order. */
  #swap(chosen: number[]): { mode: 'upsert'; path: string }[] {
    const values = chosen.map((n) => this.rows.get(n)?.u ?? null)
    const give = (u: (i: number) => string | null): string => {
      for (const [i, n] of chosen.entries()) this.rows.set(n, { ...(this.rows.get(n) as WideRow), u: u(i) })
      return this.#write(chosen)
    }
    return [
      { mode: 'upsert', path: give(() => null) },
      { mode: 'upsert', path: give((i) => values.at(i - 1) ?? null) }
    ]
  }

  writeAll(): string {
    return this.#write([...this.rows.keys()])
  }

  #write(numbers: number[]): string {
    const path = join(this.folder, `source-${this.#stamp}-${numbers.length}-${Math.random()}.ndjson`)
    const lines = [...new Set(numbers)].map((n) => JSON.stringify({ ...this.#shape.key(n), ...this.rows.get(n) }))
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }

  expected(): string {
    const columns = [...this.rows].map(([n, row]) => ({ ...this.#shape.key(n), ...row }))
    return sortRows(columns.map((row) => Object.values(row).map(cell))).join('\n')
  }

  actual(): string {
    return readState(this.path).get('wide')?.rows.join('\n') ?? ''
  }

  objects(): number {
    const root = join(this.repository, 'objects')
    return readdirSync(root).reduce((sum, folder) => sum + readdirSync(join(root, folder)).length, 0)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function cell(value: string | number | null): ExactCell {
  if (value === null) return 'null'
  return typeof value === 'string' ? textCell(value) : `integer:${value}`
}

async function play(shape: Shape, edits: Edit[], picks: number[], strategies: ('snapshot' | 'incremental')[]) {
  const wide = new Wide(shape)
  const db = await open({ target: `sqlite:${wide.path}`, repository: wide.repository, author: 'a property' })
  try {
    const states = new Map<number, string>([[0, wide.actual()]])
    const load = async (source: { mode: string; path: string }) => {
      const input = {
        source: source.path,
        table: 'wide',
        mode: source.mode,
        strategy: strategies[states.size % strategies.length]
      }
      const made = await db.migrate({ ...input, description: 'a load' } as Parameters<Rowback['migrate']>[0])
      expect(made.tables[0]?.failed, 'rows that failed').toBe(0)
      states.set(made.number as number, wide.actual())
    }
    await load({ mode: 'insert', path: wide.writeAll() })
    for (const edit of edits) {
      for (const source of wide.apply(edit)) await load(source)
      expectSame(wide.actual(), wide.expected(), `after ${JSON.stringify(edit)}`)
    }
    for (const pick of picks) {
      const numbers = [...states.keys()]
      const head = numbers.at(-1) as number
      const to = numbers[Math.floor((pick * (numbers.length - 1)) / 100)] as number
      const made = await db.rollback(to)
      states.set(made.version as number, wide.actual())
      expectSame(wide.actual(), states.get(to) ?? '', `rollback to ${to}`)
      const back = await db.rollback(head)
      states.set(back.version as number, wide.actual())
      expectSame(wide.actual(), states.get(head) ?? '', `back to ${head}`)
    }
    expect((await db.status()).alteredVersions).toEqual([])
    return wide.objects()
  } finally {
    await db.close()
    wide.remove()
  }
}

/** Shows the first rows that differ instead of megabytes. */
function expectSame(actual: string, expected: string, where: string): void {
  if (actual === expected) return
  const [is, shouldBe] = [new Set(actual.split('\n')), new Set(expected.split('\n'))]
  const tooMany = [...is].filter((row) => !shouldBe.has(row))
  const missing = [...shouldBe].filter((row) => !is.has(row))
  expect({ tooMany: tooMany.length, missing: missing.length, rows: [tooMany[0], missing[0]] }, where).toEqual({})
}

for (const shape of SHAPES) {
  test(`many chunks are restored exactly: ${shape.name}`, { timeout: 180_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { minLength: 3, maxLength: 5 }),
        fc.array(fc.nat(99), { minLength: 2, maxLength: 2 }),
        async (edits, picks) => {
          expect(await play(shape, edits, picks, ['snapshot']), 'several chunks').toBeGreaterThan(7)
        }
      ),
      { numRuns: Number(process.env.PROPERTY_RUNS ?? 1), endOnFailure: true }
    )
  })
}

test('many chunks are restored exactly where strategies are mixed', { timeout: 180_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SHAPES),
      fc.array(edit, { minLength: 3, maxLength: 5 }),
      fc.array(fc.nat(99), { minLength: 2, maxLength: 2 }),
      async (shape, edits, picks) => {
        expect(await play(shape, edits, picks, ['snapshot', 'incremental'])).toBeGreaterThan(0)
      }
    ),
    { numRuns: Number(process.env.PROPERTY_RUNS ?? 1), endOnFailure: true }
  )
})

test('a local edit stores the chunks that it touched, and no others', { timeout: 60_000 }, async () => {
  for (const shape of SHAPES) {
    const wide = new Wide(shape)
    const db = await open({ target: `sqlite:${wide.path}`, repository: wide.repository, author: 'a property' })
    try {
      const load = (mode: 'upsert' | 'insert', source: string) =>
        db.migrate({ source, table: 'wide', mode, description: 'a load' })
      await load('insert', wide.writeAll())
      const change = async () => {
        const [source] = wide.apply({ kind: 'change', scattered: false, at: 500, rows: 1 })
        await load('upsert', source?.path ?? '')
      }
      await change()
      const before = wide.objects()
      await change()
      expect(wide.objects() - before, shape.name).toBe(1)
    } finally {
      await db.close()
      wide.remove()
    }
  }
})
