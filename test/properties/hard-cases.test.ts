import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SucceededRow } from '../../src/operations/rows.ts'
import { rows as rowsOperation } from '../../src/operations/rows.ts'
import type { Rowback } from '../../src/rowback.ts'
import { open } from '../../src/rowback.ts'
import { readState } from '../support/properties-sqlite.ts'
import { show } from '../support/properties-state.ts'

type Strategy = 'snapshot' | 'incremental'
type Mode = 'insert' | 'upsert' | 'update' | 'replace' | 'mirror' | 'delete'

let folder = ''
let db: Rowback
let files = 0

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rowback-case-'))
})

afterEach(async () => {
  await db.close()
  rmSync(folder, { recursive: true, force: true })
})

async function begin(...statements: string[]): Promise<void> {
  sqlite(...statements)
  db = await open({
    target: `sqlite:${join(folder, 'data.db')}`,
    repository: join(folder, 'repository'),
    author: 'a test'
  })
}

/** Works on the database as any other program would. */
function sqlite(...statements: string[]): void {
  const other = new DatabaseSync(join(folder, 'data.db'))
  for (const statement of statements) other.exec(statement)
  other.close()
}

function source(rows: object[]): string {
  const path = join(folder, `source-${++files}.ndjson`)
  writeFileSync(path, `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`)
  return path
}

async function load(table: string, mode: Mode, strategy: Strategy, rows: object[], options: object = {}) {
  const input = { source: source(rows), table, mode, strategy, description: `${mode} ${table}`, ...options }
  return (await db.migrate(input)).json
}

function state(): string[] {
  return show(readState(join(folder, 'data.db')))
}

async function succeeded(version: number): Promise<SucceededRow[]> {
  return (await db.run(rowsOperation, { version, succeeded: true })).rows as SucceededRow[]
}

test('a table that an incremental version made is gone before that version, though a later backup has it', async () => {
  await begin('CREATE TABLE old (id INTEGER PRIMARY KEY, v TEXT)')
  await load('old', 'insert', 'snapshot', [{ id: 1, v: 'a' }])
  const before = state()
  await load('young', 'insert', 'incremental', [{ id: 1, v: 'a' }], { key: ['id'], create: true })
  await load('old', 'insert', 'snapshot', [{ id: 2, v: 'b' }])
  expect((await db.diff(1, 2)).tables).toMatchObject([{ table: 'young', inserted: 1 }])
  expect((await succeeded(2)).map(({ table, op }) => [table, op])).toEqual([['young', 'insert']])
  await db.rollback(1)
  expect(state()).toEqual(before)
})

test('the difference goes by the key, not by the place of a row in the file', async () => {
  await begin('CREATE TABLE codes (code TEXT PRIMARY KEY NOT NULL, v TEXT)')
  await load('codes', 'insert', 'snapshot', [{ code: 'a', v: '1' }])
  await load('codes', 'delete', 'snapshot', [{ code: 'a' }])
  await load('codes', 'insert', 'snapshot', [{ code: 'b', v: '2' }])
  const ops = (await db.diff(1, 3)).tables[0]?.rows.map((row) => [row.op, row.key.code])
  expect(ops?.sort()).toEqual([
    ['delete', 'a'],
    ['insert', 'b']
  ])
  const made = await db.rollback(1)
  expect(made.tables).toMatchObject([{ table: 'codes', inserted: 1, updated: 0, deleted: 1 }])
  expect((await succeeded(4)).map((row) => row.op).sort()).toEqual(['delete', 'insert'])
})

test('rows that only changed places in the file are no difference', async () => {
  await begin('CREATE TABLE codes (code TEXT PRIMARY KEY NOT NULL, v TEXT)')
  const [a, b] = [
    { code: 'a', v: '1' },
    { code: 'b', v: '2' }
  ]
  await load('codes', 'insert', 'snapshot', [a, b])
  await load('codes', 'delete', 'snapshot', [a, b])
  await load('codes', 'insert', 'snapshot', [b, a])
  expect((await db.diff(1, 3)).tables).toEqual([])
})

test('two tables of one name whose columns are the same can be compared, whatever orders their rows', async () => {
  await begin()
  await load('made', 'insert', 'snapshot', [{ id: 'a', v: 'x' }], { key: ['id'], create: true })
  await db.rollback(0)
  await load('made', 'insert', 'snapshot', [{ id: 1, v: 'x' }], { key: ['id'], create: true })
  expect((await db.diff(1, 3)).tables).toMatchObject([{ table: 'made', inserted: 1, deleted: 1 }])
})

for (const strategy of ['snapshot', 'incremental'] as const) {
  test(`a rollback counts only the rows that it changed: ${strategy}`, async () => {
    await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
    await load('t', 'insert', strategy, [
      { id: 1, v: 'a' },
      { id: 2, v: 'b' }
    ])
    await load('t', 'upsert', strategy, [{ id: 1, v: 'x' }])
    await load('t', 'upsert', strategy, [{ id: 1, v: 'a' }])
    const made = await db.rollback(1)
    for (const table of made.tables) expect(table).toMatchObject({ inserted: 0, updated: 0, deleted: 0 })
    expect(await succeeded(4)).toEqual([])
  })

  test(`a unique value that another row of the source gives up is free for the row before it: ${strategy}`, async () => {
    await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT UNIQUE)')
    await load('t', 'insert', strategy, [
      { id: 1, email: 'a' },
      { id: 2, email: 'b' }
    ])
    const made = await load('t', 'upsert', strategy, [
      { id: 1, email: 'b' },
      { id: 2, email: 'c' }
    ])
    expect(made.tables[0]).toMatchObject({ updated: 2, failed: 0 })
  })

  test(`unique values that change places fail with the reason, and nothing of them is written: ${strategy}`, async () => {
    await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT UNIQUE)')
    await load('t', 'insert', strategy, [
      { id: 1, email: 'a' },
      { id: 2, email: 'b' }
    ])
    const before = state()
    const made = await load('t', 'upsert', strategy, [
      { id: 1, email: 'b' },
      { id: 2, email: 'a' }
    ])
    expect(made.tables[0]).toMatchObject({ updated: 0, failed: 2 })
    expect(state()).toEqual(before)
  })

  test(`a unique value goes from a row that mirror takes away to one that it brings: ${strategy}`, async () => {
    await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT UNIQUE)')
    await load('t', 'insert', strategy, [{ id: 1, email: 'a' }])
    const made = await load('t', 'mirror', strategy, [{ id: 2, email: 'a' }])
    expect(made.tables[0]).toMatchObject({ inserted: 1, deleted: 1, failed: 0 })
  })

  test(`rows without a key value are taken away one and all, and come back: ${strategy}`, async () => {
    await begin(
      'CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)',
      "INSERT INTO t VALUES (NULL, 'a'), (NULL, 'b'), (NULL, 'b'), ('k', 'c')"
    )
    const before = state()
    const made = await load('t', 'mirror', strategy, [{ k: 'k', v: 'c' }])
    expect(made.tables[0]).toMatchObject({ deleted: 3, unchanged: 1 })
    const after = state()
    expect(after).toHaveLength(2)
    expect((await succeeded(1)).map((row) => row.op)).toEqual(['delete', 'delete', 'delete'])
    await db.rollback(0)
    expect(state()).toEqual(before)
    await db.rollback(1)
    expect(state()).toEqual(after)
  })

  test(`a plan that loads a table three times is one version, told once: ${strategy}`, async () => {
    await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
    await load('t', 'insert', strategy, [{ id: 9, v: 'old' }])
    const before = state()
    const steps = ['a', 'b', 'c'].map((v) => ({
      table: 't',
      source: source([
        { id: 1, v },
        { id: 9, v }
      ]),
      key: 'id'
    }))
    const plan = join(folder, 'plan.yaml')
    writeFileSync(plan, JSON.stringify({ description: 'three times', tables: steps }))
    const { json } = await db.migrate({ source: plan, strategy })
    expect(json.tables.map((table) => table.failed)).toEqual([0, 0, 0])
    const wrote = (await succeeded(2)).map(({ op, after }) => [op, after?.id, after?.v])
    expect(wrote.sort()).toEqual([
      ['insert', 1, 'c'],
      ['update', 9, 'c']
    ])
    const after = state()
    await db.rollback(1)
    expect(state()).toEqual(before)
    await db.rollback(2)
    expect(state()).toEqual(after)
  })

  test(`a column of type ANY keeps text that looks like a number: ${strategy}`, async () => {
    await begin(
      'CREATE TABLE t (id INTEGER PRIMARY KEY, v ANY, n TEXT) STRICT',
      "INSERT INTO t VALUES (1, '007', 'a'), (2, 7, 'a'), (3, 7.0, 'a'), (4, '1e5', 'a')"
    )
    const before = state()
    await load(
      't',
      'update',
      strategy,
      [1, 2, 3, 4].map((id) => ({ id, n: 'b' }))
    )
    await db.rollback(0)
    expect(state()).toEqual(before)
  })

  test(`text that is no UTF-8 comes back, and the difference does not hide it: ${strategy}`, async () => {
    await begin(
      'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n INTEGER)',
      "INSERT INTO t VALUES (1, CAST(x'61ff62' AS TEXT), 1), (2, CAST(x'61fe62' AS TEXT), 1)"
    )
    const before = state()
    await load('t', 'upsert', strategy, [
      { id: 1, v: 'a\ufffdb', n: 1 },
      { id: 2, v: 'whole', n: 1 }
    ])
    expect((await db.diff(0, 1)).tables[0]?.rows.map((row) => row.before?.v)).toEqual(['0x61ff62', '0x61fe62'])
    await db.rollback(0)
    expect(state()).toEqual(before)
  })
}

test('rows of a tracked table that a snapshot version takes away by cascade come back', async () => {
  await begin(
    'CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT)',
    'CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES owners (id) ON DELETE CASCADE)',
    "INSERT INTO owners VALUES (1, 'a')"
  )
  await load('pets', 'insert', 'incremental', [{ id: 1, owner: 1 }])
  const before = state()
  try {
    await load('owners', 'delete', 'snapshot', [{ id: 1 }])
  } catch (error) {
    // To refuse is as good as to bring back.
    expect(error).toMatchObject({ code: 'strategy.unfit' })
    expect(state()).toEqual(before)
    return
  }
  expect((await db.diff(1, 2)).tables.map(({ table, deleted }) => [table, deleted])).toEqual([
    ['owners', 1],
    ['pets', 1]
  ])
  await db.rollback(1)
  expect(state()).toEqual(before)
})

test('rows of a tracked table that a trigger writes in a snapshot version are taken back', async () => {
  await begin(
    'CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)',
    'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)',
    'CREATE TRIGGER t_logged AFTER INSERT ON t BEGIN UPDATE log SET what = what || new.v; INSERT INTO log (what) VALUES (new.v); END'
  )
  await load('log', 'insert', 'incremental', [{ id: 1, what: 'first' }])
  const before = state()
  try {
    await load('t', 'insert', 'snapshot', [{ id: 1, v: 'x' }])
  } catch (error) {
    expect(error).toMatchObject({ code: 'strategy.unfit' })
    expect(state()).toEqual(before)
    return
  }
  const after = state()
  await db.rollback(1)
  expect(state()).toEqual(before)
  await db.rollback(2)
  expect(state()).toEqual(after)
})

test('rows that a trigger writes elsewhere in a snapshot version are taken back', async () => {
  await begin(
    'CREATE TABLE log (what TEXT)',
    'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)',
    'CREATE TRIGGER t_logged AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.v); END'
  )
  const before = state()
  await load('t', 'insert', 'snapshot', [{ id: 1, v: 'x' }])
  const after = state()
  expect(after).toContain('log: "x"')
  await db.rollback(0)
  expect(state()).toEqual(before)
  await db.rollback(1)
  expect(state()).toEqual(after)
})

test('a rehearsed rollback promises what the rollback then does, where strategies are mixed', async () => {
  await begin(
    'CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT)',
    'CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id))'
  )
  await load('parents', 'insert', 'snapshot', [{ id: 1, name: 'a' }])
  await load('children', 'insert', 'incremental', [{ id: 1, parent: 1 }])
  const there = state()
  await db.rollback(0)
  const before = state()
  const rehearsed = await db.rollback(2, { dryRun: true })
  expect(state()).toEqual(before)
  const made = await db.rollback(2)
  expect(rehearsed.tables).toEqual(made.tables)
  expect(state()).toEqual(there)
})

test('what others changed after a snapshot version belongs to its state', async () => {
  await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
  await load('t', 'insert', 'snapshot', [{ id: 1, v: 'a' }])
  sqlite("UPDATE t SET v = 'by hand'", "INSERT INTO t VALUES (2, 'by hand')")
  const between = state()
  await load('t', 'replace', 'snapshot', [{ id: 3, v: 'c' }])
  await db.rollback(1)
  expect(state()).toEqual(between)
})

test('a ledger entry that is turned back to pending shows as altered', async () => {
  await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
  await load('t', 'insert', 'snapshot', [{ id: 1, v: 'a' }])
  sqlite("UPDATE rowback_version SET status = 'pending' WHERE version_id = 1")
  expect((await db.status()).alteredVersions).toContain(1)
})

test('a mirror of many integer keys takes time in proportion to the rows', { timeout: 120_000 }, async () => {
  await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
  const rows = (count: number, v: string) => Array.from({ length: count }, (_, id) => ({ id, v }))
  await load('t', 'insert', 'snapshot', rows(20_000, 'a'))
  const timed = async (mode: Mode, v: string) => {
    const started = performance.now()
    await load('t', mode, 'snapshot', rows(20_000, v))
    return performance.now() - started
  }
  const upsert = await timed('upsert', 'b')
  expect(await timed('mirror', 'c'), 'against an upsert of the same rows').toBeLessThan(4 * upsert + 1000)
})

test('a column of type ANY keeps text that looks like a number in its history', async () => {
  await begin('CREATE TABLE t (id INTEGER PRIMARY KEY, v ANY) STRICT', "INSERT INTO t VALUES (1, '007'), (2, 7)")
  await load('t', 'update', 'incremental', [{ id: 1, v: 'a' }])
  const after = state()
  await load('t', 'delete', 'incremental', [{ id: 1 }])
  await db.rollback(1)
  expect(state()).toEqual(after)
  await load('t', 'upsert', 'incremental', [{ id: 2, v: 'b' }])
  sqlite("UPDATE t SET v = '007' WHERE id = 1")
  const byHand = state()
  await load('t', 'update', 'incremental', [{ id: 1, v: 'c' }])
  await db.rollback(4)
  expect(state()).toEqual(byHand)
})

for (const rowid of ['', 'WITHOUT ROWID']) {
  test(`a key told apart without regard to case has one change, not two: ${rowid || 'rowid'}`, async () => {
    await begin(`CREATE TABLE tags (tag TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, n INTEGER) ${rowid}`)
    await load('tags', 'insert', 'snapshot', [{ tag: 'abc', n: 1 }])
    const made = await load('tags', 'upsert', 'snapshot', [{ tag: 'ABC', n: 1 }])
    expect(made.tables[0]).toMatchObject({ inserted: 0, updated: 1, deleted: 0 })
    expect((await db.diff(1, 2)).tables[0]).toMatchObject({ inserted: 0, updated: 1, deleted: 0 })
  })
}

test('blame finds a row in a backup by a number that no load may bring', async () => {
  await begin(
    'CREATE TABLE sizes (size NUMERIC PRIMARY KEY, v TEXT)',
    'CREATE TABLE t (id INTEGER PRIMARY KEY)',
    "INSERT INTO sizes VALUES (1e300, 'a'), ('x', 'b')"
  )
  await load('t', 'insert', 'snapshot', [{ id: 1 }], { scope: 'database' })
  for (const key of ['1e300', '1e+300', 'x']) {
    const { cells } = await db.blame('sizes', { size: key })
    expect(cells.map(({ version }) => version)).toEqual([0, 0])
  }
})
