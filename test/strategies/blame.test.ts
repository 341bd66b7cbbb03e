import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { BlamedCell, BlameOutput } from '../../src/index.ts'
import { RowbackError } from '../../src/index.ts'
import { backupPrune } from '../../src/operations/backup/prune.ts'
import { enable } from '../../src/operations/enable.ts'
import type { Strategy } from '../support/blame-bench.ts'
import { BlameBench } from '../support/blame-bench.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { errorOf } from '../support/suite-engine-bench.ts'

const server = inject('mysqlUrl')
const HOSTS: Record<string, (() => Promise<BlameBench>) | null> = {
  sqlite: () => BlameBench.sqlite(),
  mysql: server === null ? null : () => BlameBench.mysql(server)
}

/** By column: what is blamed, and what brought the value back. */
function shown({ cells }: BlameOutput): Record<string, unknown> {
  return Object.fromEntries(cells.map((cell) => [cell.column, blamed(cell)]))
}

function blamed({ origin, version, after, upTo, via }: BlamedCell): unknown {
  const who = origin === 'version' ? version : origin === 'baseline' ? origin : `${origin} ${after}-${upTo}`
  return via.length === 0 ? who : [who, ...via.map((one) => one.version)]
}

for (const [name, make] of Object.entries(HOSTS)) {
  if (make === null) test.skip(`${name}: ${HOW_TO_PROVIDE}`)
  else suite(name, make)
}

function suite(name: string, make: () => Promise<BlameBench>): void {
  let bench: BlameBench
  beforeEach(async () => {
    bench = await make()
  })
  afterEach(() => bench.remove())
  const blame = (table: string, key: Parameters<BlameBench['db']['blame']>[1], at?: number | string) =>
    bench.db.blame(table, key, at === undefined ? {} : { at })

  describe.each(['snapshot', 'incremental'] as const)(`${name}, %s: blame`, (strategy) => {
    const load = (...[table, rows, options]: [string, Record<string, unknown>[], Record<string, unknown>?]) =>
      bench.load(table, strategy, rows, options)

    beforeEach(async () => {
      await bench.sql(
        'CREATE TABLE dogs (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), age INTEGER)',
        "INSERT INTO dogs VALUES (1, 'Rex', 3), (2, 'Bello', 5)"
      )
    })

    test('names the version of each cell, and says who, when and why', async () => {
      await load('dogs', [{ id: 1, name: 'Max' }], {
        author: 'Han Meimei <han@example.com>',
        description: 'renamed',
        remarks: 'by the owner',
        tag: 'max'
      })
      await load('dogs', [{ id: 1, age: 4 }])
      const found = await blame('dogs', 1)
      expect(shown(found)).toEqual({ id: 'baseline', name: 1, age: 2 })
      expect(found).toMatchObject({ table: 'dogs', key: { id: 1 }, at: 2, deleted: null, notes: [] })
      const [log] = (await bench.db.log()).filter(({ version }) => version === 1)
      expect(found.cells[1]).toMatchObject({
        column: 'name',
        value: 'Max',
        author: { name: 'Han Meimei', email: 'han@example.com' },
        description: 'renamed',
        remarks: 'by the owner',
        tag: 'max',
        startedAt: log?.startedAt,
        finishedAt: log?.finishedAt
      })
      expect(shown(await blame('dogs', 1, 'max'))).toEqual({ id: 'baseline', name: 1, age: 'baseline' })
    })

    test('a value that a rollback brought back is blamed on where it came from', async () => {
      await load('dogs', [{ id: 1, name: 'Max' }])
      await load('dogs', [{ id: 1, name: 'Moritz', age: 9 }])
      await bench.db.rollback(1)
      await bench.db.rollback(2)
      await bench.db.rollback(1)
      expect(shown(await blame('dogs', '1'))).toEqual({ id: 'baseline', name: [1, 5], age: ['baseline', 5] })
      expect(shown(await blame('dogs', '1', 4))).toEqual({ id: 'baseline', name: [2, 4], age: [2, 4] })
      await load('dogs', [{ id: 1, name: 'Moritz' }])
      await bench.db.rollback(4)
      expect(shown(await blame('dogs', '1'))).toEqual({ id: 'baseline', name: 6, age: [2, 7, 4] })
    })

    test('so is one that a revert brought back, and what a revert makes anew is its own', async () => {
      await load('dogs', [{ id: 1, name: 'Max', age: 4 }])
      await load('dogs', [
        { id: 1, name: 'Ace', age: 4 },
        { id: 2, name: 'Bello', age: 6 },
        { id: 3, name: 'Luna', age: 1 }
      ])
      await load('dogs', [{ id: 1, age: 5 }])
      await bench.db.revert(2)
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: [1, 4], age: 3 })
      expect(shown(await blame('dogs', 2))).toEqual({ id: 'baseline', name: 'baseline', age: ['baseline', 4] })
      expect((await blame('dogs', 3)).deleted).toMatchObject({ version: 4, description: 'revert of 2' })
      await bench.db.revert(4)
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: [2, 5], age: 3 })
      expect(shown(await blame('dogs', 3))).toEqual({ id: [2, 5], name: [2, 5], age: [2, 5] })
      await bench.db.revert(1, { onConflict: 'take-old' })
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: ['baseline', 6], age: ['baseline', 6] })
      await bench.db.rollback(5)
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: [2, 7, 5], age: [3, 7] })
    })

    test('of a row that is gone it says so, and by which version', async () => {
      await load('dogs', [{ id: 3, name: 'Luna', age: 1 }])
      await load('dogs', [{ id: 3 }, { id: 1 }], { mode: 'delete' })
      await load('dogs', [{ id: 2, age: 6 }])
      const gone = await blame('dogs', 3)
      expect(gone.deleted).toMatchObject({ origin: 'version', version: 2, description: 'load 2' })
      expect(shown(gone)).toEqual({ id: 1, name: 1, age: 1 })
      expect(gone.cells.map(({ value }) => value)).toEqual([3, 'Luna', 1])
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: 'baseline', age: 'baseline' })
      await bench.db.rollback(1)
      expect(shown(await blame('dogs', 3))).toEqual({ id: [1, 4], name: [1, 4], age: [1, 4] })
      expect((await blame('dogs', 3)).deleted).toBeNull()
      await bench.db.rollback(0)
      expect((await blame('dogs', 3)).deleted).toMatchObject({ version: 5 })
    })

    test('a row or a table that never was is an error', async () => {
      await load('dogs', [{ id: 3, name: 'Luna' }])
      expect(await errorOf(blame('dogs', 4))).toMatchObject({ code: 'row.unknown', exit: 1 })
      expect(await errorOf(blame('dogs', 3, 0))).toMatchObject({ code: 'row.unknown', exit: 1 })
      expect(await errorOf(blame('cats', 4))).toMatchObject({ code: 'table.missing', exit: 1 })
      await bench.sql('CREATE TABLE notes (body VARCHAR(20))')
      expect(await errorOf(blame('notes', 4))).toMatchObject({ code: 'table.no_key', exit: 1 })
      expect(await errorOf(blame('dogs', { name: 'Luna' }))).toMatchObject({ code: 'key.invalid', exit: 2 })
      expect(shown(await blame('DOGS', 3))).toEqual({ id: 1, name: 1, age: 1 })
    })

    test('keys of several columns, and keys that are the same in another case', async () => {
      await bench.sql(
        `CREATE TABLE pairs (a ${bench.anyCase} NOT NULL, b DECIMAL(6, 2) NOT NULL, n INTEGER, PRIMARY KEY (a, b))`
      )
      await load('pairs', [
        { a: 'x,b=1', b: '1.50', n: 1 },
        { a: 'Y', b: '2', n: 1 }
      ])
      await load('pairs', [
        { a: 'x,b=1', b: '1.5', n: 2 },
        { a: 'y', b: '2', n: 2 }
      ])
      await load('pairs', [{ a: 'Y', b: '2' }], { mode: 'delete' })
      for (const key of ['b=1.5,a=x,b=1', '{"a":"X,B=1","b":1.5}', { b: '1.50', a: 'x,b=1' }]) {
        expect(shown(await blame('pairs', key)), String(key)).toEqual({ a: 1, b: 1, n: 2 })
      }
      const gone = await blame('pairs', 'a=y,b=2')
      expect(shown(gone)).toEqual({ a: 2, b: 1, n: 2 })
      expect(gone.deleted?.version).toBe(3)
      expect(await errorOf(blame('pairs', 'a=y'))).toMatchObject({ code: 'key.invalid' })
      expect(await errorOf(blame('pairs', 'y'))).toMatchObject({ code: 'key.invalid' })
    })

    test('a table that was dropped and made again', async () => {
      await load('cats', [{ id: 1, name: 'Mia' }], { key: ['id'], create: true })
      await bench.db.rollback(0)
      expect((await blame('cats', 1)).deleted).toMatchObject({ version: 2 })
      await load('cats', [{ id: 1, name: 'Mia' }], { key: ['id'], create: true })
      expect(shown(await blame('cats', 1))).toEqual({ id: 3, name: 3 })
      await bench.db.rollback(1)
      expect(shown(await blame('cats', 1))).toEqual({ id: 3, name: 3 })
    })

    test('every cell of every row at every version, by a model', { timeout: 120_000 }, async () => {
      await bench.sql(
        `CREATE TABLE words (word ${bench.anyCase} NOT NULL PRIMARY KEY, n INTEGER, t VARCHAR(20))`,
        "INSERT INTO words VALUES ('a', 1, 'one'), ('B', 2, NULL)"
      )
      await load('dogs', [{ id: 1, age: 9 }])
      let head = 1
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 6 }), async (steps) => {
          head = await checkWords(bench, steps, strategy, head)
        }),
        { numRuns: Number(process.env.PROPERTY_RUNS ?? 3), seed: 20261125, endOnFailure: true }
      )
    })
  })

  describe(`${name}: blame across strategies, and beyond what rowback did`, () => {
    beforeEach(async () => {
      await bench.sql(
        'CREATE TABLE dogs (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), age INTEGER)',
        "INSERT INTO dogs VALUES (1, 'Rex', 3), (2, 'Bello', 5)",
        'CREATE TABLE other (id INTEGER NOT NULL PRIMARY KEY)'
      )
    })

    test('a table that is tracked later', async () => {
      await bench.load('dogs', 'snapshot', [{ id: 1, name: 'Max' }])
      await bench.load('other', 'snapshot', [{ id: 1 }])
      await bench.load('dogs', 'incremental', [{ id: 2, age: 6 }])
      await bench.load('dogs', 'snapshot', [{ id: 2, name: 'Bella' }])
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: 1, age: 'baseline' })
      expect(shown(await blame('dogs', 2))).toEqual({ id: 'baseline', name: 4, age: 3 })
      await bench.db.rollback(0)
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: ['baseline', 5], age: 'baseline' })
    })

    test('a history that was begun and closed by itself', async () => {
      await bench.load('dogs', 'snapshot', [{ id: 1, name: 'Max' }])
      await bench.db.run(enable, { strategy: 'incremental' })
      await bench.load('dogs', 'incremental', [{ id: 1, age: 4 }])
      await bench.db.run(enable, { strategy: 'snapshot' })
      await bench.sql('DELETE FROM dogs WHERE id = 2')
      await bench.load('dogs', 'snapshot', [{ id: 3, name: 'Luna' }])
      await bench.db.rollback(2)
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: 1, age: ['baseline', 6] })
      expect(shown(await blame('dogs', 1, 5))).toEqual({ id: 'baseline', name: 1, age: 3 })
      expect((await blame('dogs', 2, 4)).deleted).toMatchObject({ origin: 'outside', after: 4, upTo: 5 })
      expect((await blame('dogs', 3)).deleted).toMatchObject({ version: 6 })
    })

    test('accuses no version of what others made of its cells and rows before the next backup', async () => {
      await bench.load('dogs', 'snapshot', [
        { id: 1, name: 'Max', age: 4 },
        { id: 3, name: 'Fido', age: 1 }
      ])
      await bench.sql("UPDATE dogs SET name = 'Maxi' WHERE id = 1", 'DELETE FROM dogs WHERE id = 2')
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: 'outside 1-null', age: 1 })
      await bench.load('dogs', 'snapshot', [{ id: 3, name: 'Fido', age: 9 }])
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: 'outside 1-2', age: 1 })
      expect(shown(await blame('dogs', 3))).toEqual({ id: 1, name: 1, age: 2 })
      expect((await blame('dogs', 2)).deleted).toMatchObject({ origin: 'outside', after: 1, upTo: 2 })
      await bench.db.rollback(1, { yes: true })
      await bench.sql('UPDATE dogs SET age = 7 WHERE id = 3')
      expect(shown(await blame('dogs', 3))).toMatchObject({ name: 1, age: 'outside 3-null' })
    })

    test('what others changed shows where no version can have done it', async () => {
      await bench.load('dogs', 'snapshot', [{ id: 1, name: 'Max' }])
      await bench.load('other', 'snapshot', [{ id: 1 }])
      await bench.sql('UPDATE dogs SET age = 9 WHERE id = 1; ', "INSERT INTO dogs VALUES (5, 'Ida', 1)")
      await bench.load('other', 'snapshot', [{ id: 2 }])
      await bench.sql('UPDATE dogs SET age = 10 WHERE id = 1', 'DELETE FROM dogs WHERE id = 2')
      expect(shown(await blame('dogs', 1))).toEqual({ id: 'baseline', name: 1, age: 'outside 3-null' })
      expect(shown(await blame('dogs', 1, 2))).toEqual({ id: 'baseline', name: 1, age: 'outside 2-3' })
      expect(shown(await blame('dogs', 5))).toEqual({ id: 'outside 2-3', name: 'outside 2-3', age: 'outside 2-3' })
      expect((await blame('dogs', 2)).deleted).toMatchObject({ origin: 'outside', after: 3, upTo: null })
    })

    test('a rollback does not answer for what others changed after it', async () => {
      await bench.load('dogs', 'snapshot', [{ id: 1, name: 'Max', age: 4 }])
      await bench.db.rollback(0)
      await bench.sql("UPDATE dogs SET name = 'Ace' WHERE id = 1")
      expect(shown(await blame('dogs', 1))).toEqual({
        id: 'baseline',
        name: 'outside 2-null',
        age: ['baseline', 2]
      })
    })

    test('rows that others add to a tracked table are not the baseline', async () => {
      await bench.load('dogs', 'incremental', [{ id: 1, name: 'Max' }])
      await bench.sql("INSERT INTO dogs (id, name, age) VALUES (7, 'Ida', 1)")
      expect(shown(await blame('dogs', 7))).toEqual({
        id: 'outside 1-null',
        name: 'outside 1-null',
        age: 'outside 1-null'
      })
      await bench.load('dogs', 'incremental', [{ id: 7, age: 2 }])
      expect(shown(await blame('dogs', 7))).toEqual({ id: 'outside 1-2', name: 'outside 1-2', age: 2 })
    })

    test('a column that others added is named, and the others are answered', async () => {
      await bench.load('dogs', 'incremental', [{ id: 1, name: 'Max' }])
      await bench.load('dogs', 'incremental', [{ id: 1, age: 4 }])
      await bench.sql('ALTER TABLE dogs ADD COLUMN tail INTEGER')
      const found = await blame('dogs', 1)
      expect(shown(found)).toEqual({ id: 'baseline', name: 1, age: 2 })
      expect(found.notes).toEqual([
        'Nothing is known of the column tail of dogs: what was found of the row does not have it.'
      ])
    })

    test('where backups are gone, it says where knowledge ends', async () => {
      await bench.load('dogs', 'snapshot', [{ id: 1, name: 'Max' }])
      await bench.load('dogs', 'snapshot', [{ id: 1, age: 4 }])
      await bench.load('dogs', 'snapshot', [{ id: 1, name: 'Ace' }])
      await bench.load('dogs', 'snapshot', [{ id: 2, name: 'Ben' }])
      await bench.db.run(backupPrune, { keepLast: 1, yes: true })
      const found = await blame('dogs', 1)
      expect(shown(found)).toEqual({ id: 'unknown null-3', name: 'unknown null-3', age: 'unknown null-3' })
      expect(found.notes).toEqual([expect.stringMatching(/^What was before version 3 cannot be told\. .*pruned/)])
      expect(shown(await blame('dogs', 2))).toMatchObject({ name: 4 })
      expect(await errorOf(blame('dogs', 1, 1))).toMatchObject({ code: 'backup.missing', exit: 7 })
    })

    test('of the backups only the chunk that may hold the key is read', { timeout: 60_000 }, async () => {
      await bench.sql(`CREATE TABLE wide (id INTEGER NOT NULL PRIMARY KEY, word VARCHAR(20), body TEXT)`)
      const body = 'so that some hundreds of rows make a chunk; '.repeat(20)
      const rows = Array.from({ length: 6000 }, (_, i) => ({ id: i, word: `w${i}`, body: `${body}${i}` }))
      await bench.load('wide', 'snapshot', rows)
      await bench.load('wide', 'snapshot', [{ id: 3000, word: 'changed' }])
      await bench.load('wide', 'snapshot', [{ id: 3000, word: 'again' }])
      const spoilt = await spoilOtherChunks(bench, '"w3000"', '"changed"')
      expect(spoilt).toBeGreaterThan(2)
      const found = await blame('wide', 3000)
      expect(shown(found)).toEqual({ id: 1, word: 3, body: 1 })
      expect(found.notes).toEqual([])
      const other = await blame('wide', 1)
      expect(shown(other)).toEqual({ id: 'unknown 0-3', word: 'unknown 0-3', body: 'unknown 0-3' })
      expect(other.notes[0]).toMatch(/^The states between versions 0 and 3 are gone.* cannot be unpacked/)
    })
  })
}

/** Damages the chunks of all backups of `wide` whose rows have none of these words. @returns how many */
async function spoilOtherChunks(bench: BlameBench, ...words: string[]): Promise<number> {
  const { Repository } = await import('../../src/store/repository.ts')
  const repository = await Repository.openForReading(bench.place.at('.rowback'), null)
  const objects = new Map<string, boolean>()
  for (const { manifest } of await repository.backups()) {
    for (const chunk of manifest.tables.find((table) => table.name === 'wide')?.chunks ?? []) {
      const text = (await repository.bytes(chunk.object)).toString()
      objects.set(chunk.object, chunk.rows > 0 && !words.some((word) => text.includes(word)))
    }
  }
  repository.close()
  const spoilt = [...objects].filter(([, isOther]) => isOther).map(([object]) => object)
  for (const object of spoilt) {
    const folder = join(bench.place.at('.rowback'), 'objects', object.slice(0, 2))
    for (const file of await readdir(folder)) {
      if (file.startsWith(object)) await writeFile(join(folder, file), 'nothing of the kind')
    }
  }
  return spoilt.length
}

type Step =
  | { kind: 'load'; mode: 'upsert' | 'delete' | 'mirror'; rows: Word[]; mixed: boolean }
  | { kind: 'back'; to: number }
  | { kind: 'revert'; of: number; onConflict: 'keep-current' | 'take-old' }
interface Word {
  word: string
  n: number | null
  t: string | null
}

const word: fc.Arbitrary<Word> = fc.record({
  word: fc.constantFrom('a', 'A', 'b', 'B', 'c'),
  n: fc.constantFrom(1, 2, null),
  t: fc.constantFrom('one', 'One', null)
})
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('load' as const),
      mode: fc.constantFrom('upsert', 'delete', 'mirror'),
      rows: fc.uniqueArray(word, { minLength: 1, maxLength: 3, selector: (row) => row.word.toLowerCase() }),
      mixed: fc.boolean()
    })
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('back' as const), to: fc.nat(99) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('revert' as const),
      of: fc.nat(99),
      onConflict: fc.constantFrom('keep-current', 'take-old')
    })
  }
)

type Origins = Map<string, { cells: Word; of: Record<keyof Word, unknown[]> }>

/** Goes on from the state that the steps before left, as one history. */
async function checkWords(bench: BlameBench, steps: Step[], strategy: Strategy, base: number): Promise<number> {
  const { db } = bench
  const models = new Map<number, Origins>()
  models.set(base, next(new Map(), await words(bench), 'start', undefined))
  for (const one of steps) {
    const numbers = [...models.keys()].filter((number) => number >= base)
    const head = numbers.at(-1) as number
    let version: number
    let source: Origins | undefined
    if (one.kind === 'load') {
      const other = strategy === 'snapshot' ? 'incremental' : 'snapshot'
      version = await bench.load('words', one.mixed ? other : strategy, one.rows.map(given(one.mode)), {
        mode: one.mode
      })
    } else if (one.kind === 'revert') {
      const of = numbers[Math.floor((one.of * numbers.length) / 100)] ?? head
      if (of === base) continue
      source = models.get(numbers.findLast((number) => number < of) as number)
      const made = await db.revert(of, { onConflict: one.onConflict }).catch((error: unknown) => {
        if (error instanceof RowbackError && error.code === 'revert.nothing') return null
        throw error
      })
      if (made === null) continue
      version = made.version as number
    } else {
      const to = numbers[Math.floor((one.to * numbers.length) / 100)] ?? head
      if (to === head) continue
      source = models.get(to)
      version = (await db.rollback(to)).version as number
    }
    models.set(version, next(models.get(head) as Origins, await words(bench), version, source))
  }
  for (const [version, model] of models) if (version >= base) await checkModel(bench, version, model, base)
  return Math.max(...models.keys())
}

const given = (mode: string) => (row: Word) => (mode === 'delete' ? { word: row.word } : { ...row })

async function words({ db }: BlameBench): Promise<Word[]> {
  const { rows } = await db.query('SELECT word, n, t FROM words')
  return rows.map(([one, n, t]) => ({ word: String(one), n: n as number | null, t: t as string | null }))
}

function next(last: Origins, rows: Word[], version: unknown, source: Origins | undefined): Origins {
  return new Map(
    rows.map((cells) => {
      const id = cells.word.toLowerCase()
      const of = (name: keyof Word) => {
        const before = last.get(id)
        if (before?.cells[name] === cells[name]) return before?.of[name] as unknown[]
        const then = source?.get(id)
        const brought = then?.cells[name] === cells[name] ? then.of[name] : undefined
        return brought ? [brought[0], version, ...brought.slice(1)] : [version]
      }
      return [id, { cells, of: { word: of('word'), n: of('n'), t: of('t') } }]
    })
  )
}

async function checkModel({ db }: BlameBench, version: number, model: Origins, base: number): Promise<void> {
  for (const { cells, of } of model.values()) {
    for (const key of [cells.word.toUpperCase(), cells.word.toLowerCase()]) {
      const found = await db.blame('words', key, { at: version })
      for (const cell of found.cells) {
        const where = `${key}.${cell.column} at version ${version}`
        const expected = of[cell.column as keyof Word]
        expect(cell.value, where).toBe(cells[cell.column as keyof Word])
        const origin = cell.version ?? cell.origin
        const via = cell.via.map((one) => one.version).filter((one) => one > base)
        // What was there when these steps began came from earlier ones.
        if (expected[0] === 'start') expect(origin, where).toBeLessThanOrEqual(base)
        else expect(origin, where).toBe(expected[0])
        expect(via, where).toEqual(expected.slice(1))
      }
    }
  }
}
