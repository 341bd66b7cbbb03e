import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FailedRow, Rowback } from '../../src/index.ts'
import { ExitCode, MigratedVersion, open } from '../../src/index.ts'
import { Workplace } from '../support/cli.ts'
import { errorOf } from '../support/suite-engine-bench.ts'

let place: Workplace
let db: Rowback
const opened: Rowback[] = []

beforeEach(async () => {
  place = await Workplace.make('rowback-library-')
  db = await openShop()
})

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
  await place.remove()
})

async function openShop(more: Parameters<typeof open>[0] = {}): Promise<Rowback> {
  const target = `sqlite:${place.at('shop.db')}`
  const one = await open({ target, repository: place.at('.rowback'), author: 'lilei', ...more })
  opened.push(one)
  return one
}

async function dogs(text: string): Promise<string> {
  return place.write('dogs.csv', text)
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const create = { table: 'dogs', key: ['id'], create: true, description: 'Dogs of 2026' }

describe('the example of the interface', () => {
  test('migrate, failed rows, rollback, close', async () => {
    const source = await dogs('id,name\n1,Rex\n2,Luna\n')
    await db.migrate({ ...create, source })
    await dogs('id,name\n1,Rexi\nx,Bad\n3,Max\n')
    const v = await db.migrate({ source, table: 'dogs', key: ['id'], description: 'Dogs of 2026', author: 'lilei' })
    expect(v).toBeInstanceOf(MigratedVersion)
    expect([v.number, v.tables[0]?.inserted, v.tables[0]?.updated, v.tables[0]?.failed]).toEqual([2, 1, 1, 1])
    const told: [number | null, string][] = []
    for await (const row of v.failedRows()) told.push([row.line, row.reason])
    expect(told).toEqual([[3, '"x" is not an integer']])
    const back = await db.rollback((v.number ?? 0) - 1, { description: 'wrong file' })
    expect([back.version, back.kind, back.targetVersion, back.description]).toEqual([3, 'rollback', 1, 'wrong file'])
    expect(place.rows('SELECT id, name FROM dogs ORDER BY id')).toEqual([
      [1, 'Rex'],
      [2, 'Luna']
    ])
  })
})

describe('a version', () => {
  test.each(['snapshot', 'incremental'] as const)('%s: gives its failed and its succeeded rows', async (strategy) => {
    const source = await dogs('id,name\n1,Rex\n2,Luna\n3,Max\n')
    const first = await db.migrate({ ...create, source, strategy })
    expect((await collect(first.succeededRows())).map(({ op, key }) => [op, key])).toEqual([
      ['insert', { id: 1 }],
      ['insert', { id: 2 }],
      ['insert', { id: 3 }]
    ])
    expect(await collect(first.failedRows())).toEqual([])
    await dogs('id,name\n1,Rex\n2,Luna B\n4,\ny,Bad\n')
    const second = await db.migrate({ source, table: 'dogs', mode: 'mirror', strategy, description: 'two' })
    const failed: FailedRow[] = await collect(second.failedRows())
    expect(failed).toEqual([
      {
        table: 'dogs',
        line: 5,
        column: 'id',
        code: 'type.integer',
        reason: '"y" is not an integer',
        raw: { id: 'y', name: 'Bad' }
      }
    ])
    const succeeded = (await collect(second.succeededRows())).sort((a, b) => Number(a.key.id) - Number(b.key.id))
    expect(succeeded).toEqual([
      {
        table: 'dogs',
        op: 'update',
        key: { id: 2 },
        before: { id: 2, name: 'Luna' },
        after: { id: 2, name: 'Luna B' },
        changed: ['name']
      },
      {
        table: 'dogs',
        op: 'insert',
        key: { id: 4 },
        before: null,
        after: { id: 4, name: null },
        changed: []
      }
    ])
    expect(second.json.notes).toContain(
      '1 failed row of dogs has no readable key, so rows that the source does not have were left alone.'
    )
    // What a version wrote stays what it was, whatever comes after.
    await db.rollback(0)
    expect((await collect(second.succeededRows())).sort((a, b) => Number(a.key.id) - Number(b.key.id))).toEqual(
      succeeded
    )
    expect(await collect(second.failedRows())).toEqual(failed)
  })

  test('a rehearsal has no number and no rows, and its sample says what would be', async () => {
    const source = await dogs('id,name\n1,Rex\n')
    const rehearsal = await db.migrate({ ...create, source, dryRun: true })
    expect([rehearsal.number, rehearsal.tables[0]?.inserted, rehearsal.json.status]).toEqual([null, 1, 'dry-run'])
    expect([await collect(rehearsal.failedRows()), await collect(rehearsal.succeededRows())]).toEqual([[], []])
    expect(existsSync(place.at('.rowback'))).toBe(false)
  })

  test('log, show, diff, query and status say what the command line says', async () => {
    const source = await dogs('id,name\n1,Rex\n')
    const version = await db.migrate({ ...create, source, tag: 'start' })
    const log = await db.log()
    expect(log.map(({ version: number }) => number)).toEqual([1, 0])
    expect(await db.show('start')).toEqual(log[0])
    expect(log[0]?.hash).toBe(version.json.hash)
    expect(await db.diff(0)).toEqual({
      notes: [],
      from: 0,
      to: 1,
      tables: [
        {
          table: 'dogs',
          inserted: 1,
          updated: 0,
          deleted: 0,
          rows: [{ op: 'insert', key: { id: 1 }, before: null, after: { id: 1, name: 'Rex' }, changed: [] }]
        }
      ]
    })
    expect(await db.query('SELECT id, name FROM dogs')).toEqual({ columns: ['id', 'name'], rows: [[1, 'Rex']] })
    expect(await db.status()).toMatchObject({ database: 'shop.db', versions: 2, interrupted: [], alteredVersions: [] })
  })

  test('progress is told as rows move', async () => {
    const told: number[] = []
    const watched = await openShop({ onProgress: ({ rows }) => told.push(rows) })
    const source = await dogs(`id,name\n${Array.from({ length: 3000 }, (_, i) => `${i},d${i}`).join('\n')}\n`)
    await watched.migrate({ ...create, source })
    expect(told.length).toBeGreaterThan(1)
    expect(told.at(-1)).toBe(3000)
    expect(told).toEqual([...told].sort((a, b) => a - b))
  })
})

describe('errors', () => {
  test('are RowbackErrors that say what failed, in what state, and what to do', async () => {
    const error = await errorOf(db.migrate({ source: place.at('gone.csv'), table: 'dogs', description: 'x' }))
    expect({ ...error, message: error.message }).toMatchObject({
      name: 'RowbackError',
      code: 'source.unreadable',
      message: `There is no file ${place.at('gone.csv')}.`,
      state: 'Nothing was changed.',
      hint: 'Check the path for typing errors.',
      exit: ExitCode.failed
    })
    expect(existsSync(place.at('.rowback'))).toBe(false)
  })

  test('input that does not fit is a usage error that names the field', async () => {
    const source = await dogs('id,name\n1,Rex\n')
    const error = await errorOf(db.migrate({ source, description: 'x', mode: 'append' as never }))
    expect([error.code, error.exit]).toEqual(['input.invalid', ExitCode.usage])
    expect(error.message).toContain('mode')
  })

  test('too many failed rows throw, and the failed rows can be read', async () => {
    const source = await dogs('id,name\n1,Rex\n')
    await db.migrate({ ...create, source })
    await dogs('id,name\n2,Luna\nx,Bad\n')
    const error = await errorOf(db.migrate({ source, table: 'dogs', description: 'all', onFailure: 'abort' }))
    expect([error.code, error.hint]).toEqual(['rows.failed', 'See them with: rowback rows 2 --failed'])
    const failed = await db.show(2)
    expect([failed.status, failed.tables[0]?.failed, failed.error]).toEqual(['failed', 1, error.message])
    expect(place.rows('SELECT id FROM dogs')).toEqual([[1]])
  })

  test('one that is thrown while a database is opened leaves nothing open and nothing behind', async () => {
    await expect(open({ target: 'oracle:shop' })).rejects.toMatchObject({ code: 'target.scheme', exit: ExitCode.usage })
    await place.write('letter.txt', 'no database at all, only a letter to a friend who waits for one')
    await expect(open({ target: `sqlite:${place.at('letter.txt')}` })).rejects.toMatchObject({
      code: 'target.not_database'
    })
    expect(await readFile(place.at('letter.txt'), 'utf8')).toMatch(/^no database at all/)
  })

  test('a look at a database that is not there makes none', async () => {
    const error = await errorOf(db.log())
    expect([error.code, error.message]).toEqual(['target.missing', 'There is no database shop.db.'])
    await opened.pop()?.close()
    expect(existsSync(place.at('shop.db'))).toBe(false)
  })
})

describe('what is easy to get wrong', () => {
  test('two connections: the second sees the versions of the first and goes on from them', async () => {
    const source = await dogs('id,name\n1,Rex\n')
    const other = await openShop()
    await db.migrate({ ...create, source })
    await dogs('id,name\n2,Luna\n')
    const second = await other.migrate({ source, table: 'dogs', description: 'two' })
    expect(second.number).toBe(2)
    expect((await db.log()).map(({ version }) => version)).toEqual([2, 1, 0])
    expect((await db.status()).alteredVersions).toEqual([])
  })

  test('two migrations at once: one version each, or one is told that it is locked', async () => {
    const source = await dogs('id,name\n1,Rex\n')
    await db.migrate({ ...create, source })
    const other = await openShop()
    const more = await place.write('more.csv', 'id,name\n2,Luna\n')
    const evenMore = await place.write('even-more.csv', 'id,name\n3,Max\n')
    const results = await Promise.allSettled([
      db.migrate({ source: more, table: 'dogs', description: 'a', wait: 1 }),
      other.migrate({ source: evenMore, table: 'dogs', description: 'b', wait: 1 })
    ])
    const done = results.filter(({ status }) => status === 'fulfilled')
    for (const result of results) if (result.status === 'rejected') expect(result.reason.code).toBe('locked')
    expect(done.length).toBeGreaterThan(0)
    expect(place.rows('SELECT count(*) FROM dogs')).toEqual([[1 + done.length]])
    const log = await db.log()
    expect(log.filter(({ status }) => status === 'committed')).toHaveLength(2 + done.length)
    expect(log.filter(({ status }) => status === 'pending')).toEqual([])
  })

  test('the decimals that a plan asks for are held to', async () => {
    await place.write('prices.csv', 'id,price\n1,5.25\n2,5.125\n')
    const plan = await place.write(
      'plan.yaml',
      'description: x\ntables:\n  - table: prices\n    source: prices.csv\n    key: id\n    create: true\n' +
        '    columns:\n      id: {}\n      price: { type: "decimal(10,2)" }\n'
    )
    const version = await db.migrate({ source: plan })
    expect((await collect(version.failedRows())).map(({ line, column, code }) => [line, column, code])).toEqual([
      [3, 'price', 'out_of_range']
    ])
  })

  test('rollback by tag, forward again, and each is a version of its own', async () => {
    const source = await dogs('id,name\n1,Rex\n')
    await db.migrate({ ...create, source, tag: 'one' })
    await dogs('id,name\n1,Rexi\n')
    await db.migrate({ source, table: 'dogs', description: 'two', tag: 'two' })
    await db.rollback('one')
    expect(place.rows('SELECT name FROM dogs')).toEqual([['Rex']])
    await db.rollback('two')
    expect(place.rows('SELECT name FROM dogs')).toEqual([['Rexi']])
    await db.rollback(0)
    expect(place.rows("SELECT count(*) FROM sqlite_schema WHERE name = 'dogs'")).toEqual([[0]])
    await db.rollback('two')
    expect(place.rows('SELECT id, name FROM dogs')).toEqual([[1, 'Rexi']])
    expect((await db.log()).map(({ kind, targetVersion }) => [kind, targetVersion])).toEqual([
      ['rollback', 2],
      ['rollback', 0],
      ['rollback', 2],
      ['rollback', 1],
      ['migrate', null],
      ['migrate', null],
      ['baseline', null]
    ])
  })
})
