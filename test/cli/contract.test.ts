import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { catalog } from '../../src/operations/catalog.ts'
import { Workplace } from '../support/cli.ts'
import { makeShop } from '../support/suite-shop.ts'

const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const HASH = /^[0-9a-f]{64}$/

interface TableJson {
  table: string
  read: number
  inserted: number
  updated: number
  deleted: number
  unchanged: number
  failed: number
  failedRows?: string | null
}

interface VersionJson {
  version: number
  kind: string
  status: string
  author: { given: string; name: string | null; email: string | null; alias: string | null }
  description: string
  tag: string | null
  targetVersion: number | null
  anchor: string | null
  error: string | null
  tables: TableJson[]
  failedRows: string | null
  notes: string[]
}

interface Log {
  versions: VersionJson[]
}

interface RowsJson {
  rows: Record<string, unknown>[]
}

interface QueryJson {
  columns: string[]
  rows: unknown[][]
}

const places: Workplace[] = []

async function emptyPlace(): Promise<Workplace> {
  const place = await Workplace.make()
  places.push(place)
  return place
}

let shop: Workplace

async function shopPlace(): Promise<Workplace> {
  const place = await shop.copy()
  places.push(place)
  return place
}

beforeAll(async () => {
  shop = await makeShop()
  places.push(shop)
})

afterAll(async () => {
  for (const place of places) await place.remove()
})

function counted(table: string, counts: Partial<TableJson>): TableJson {
  return { table, read: 0, inserted: 0, updated: 0, deleted: 0, unchanged: 0, failed: 0, ...counts }
}

/** The counts alone, as INTERFACE.md shows them. */
function countsOf(tables: TableJson[]): TableJson[] {
  return tables.map(({ table, read, inserted, updated, deleted, unchanged, failed }) => ({
    table,
    read,
    inserted,
    updated,
    deleted,
    unchanged,
    failed
  }))
}

describe.concurrent('a first file, without any target', () => {
  test('makes rowback.db and the table, says so, and log and show tell the same version', async () => {
    const place = await emptyPlace()
    await place.write('dogs.csv', 'id,name,born\n1,Rex,2020-02-03\n2,Luna,\n')
    const answer = await place.json<VersionJson & Record<string, unknown>>(
      ['migrate', 'dogs.csv', '-m', 'first dogs', '--remarks', 'from the vet', '--tag', 'start'].concat([
        '--author',
        'Li Lei <lilei@example.com>'
      ]),
      { alone: true }
    )
    expect(answer).toEqual({
      version: 1,
      uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      kind: 'migrate',
      status: 'committed',
      strategy: 'snapshot',
      author: { given: 'Li Lei <lilei@example.com>', name: 'Li Lei', email: 'lilei@example.com', alias: null },
      description: 'first dogs',
      remarks: 'from the vet',
      tag: 'start',
      targetVersion: null,
      source: { name: 'dogs.csv', sha256: '5582ae76045cdd83fe5841ddddb637953dd292799f2e4e076dd9722c59267410' },
      tables: [
        {
          ...counted('dogs', { read: 2, inserted: 2 }),
          mode: 'upsert',
          key: ['id'],
          created: true,
          failedRows: null
        }
      ],
      anchor: expect.stringMatching(/^000001-[0-9a-f]{64}$/),
      leftRecord: expect.stringMatching(/^000001-[0-9a-f]{64}$/),
      error: null,
      startedAt: expect.stringMatching(UTC),
      finishedAt: expect.stringMatching(UTC),
      durationMs: expect.any(Number),
      host: expect.any(String),
      toolVersion: JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')).version,
      previousHash: expect.stringMatching(HASH),
      hash: expect.stringMatching(HASH),
      failedRows: null,
      notes: expect.any(Array)
    })
    expect(place.rows('SELECT id, name, born FROM dogs ORDER BY id', 'rowback.db')).toEqual([
      [1, 'Rex', '2020-02-03'],
      [2, 'Luna', null]
    ])
    const log = await place.json<Log>(['log'])
    expect(log.versions.map(({ version, kind }) => [version, kind])).toEqual([
      [1, 'migrate'],
      [0, 'baseline']
    ])
    const { notes: _notes, failedRows: _files, tables, ...entry } = answer
    expect(log.versions[0]).toMatchObject({ ...entry, tables: countsOf(tables) })
    expect(await place.json(['show', 'start'])).toEqual(log.versions[0])
    expect(answer.notes.join('\n')).toContain('rowback.db')
  })
})

describe.concurrent('failed rows', () => {
  test('are told with line, column, code, reason and raw row; corrected and submitted again they go in', async () => {
    const place = await emptyPlace()
    await place.write('rowback.yaml', 'target: sqlite:shop.db\nstrategy: incremental\nauthor: lilei\n')
    await place.write('first.csv', 'id,name,born\n1,Rex,2020-01-01\n2,Luna,2021-01-01\n3,Max,2022-01-01\n')
    const env = { ROWBACK_AUTHOR: '' }
    const migrate = ['migrate', 'first.csv', '--table', 'dogs', '--create', '-m', 'one']
    const first = await place.json<VersionJson & { strategy: string }>(migrate, { env })
    expect([first.strategy, first.author]).toEqual([
      'incremental',
      { given: 'lilei', name: null, email: null, alias: 'lilei' }
    ])
    await place.write(
      'second.csv',
      'id,name,born\n1,Rex,2020-01-01\n2,"Lu\nna",2021-01-01\nx,Ace,2023-01-01\n4,Bo,1.2.2023\n5,Cy\n6,Di,2023-01-01,surplus\n7,Ed,2023-02-02\n7,Ed,2023-02-03\n'
    )
    const second = await place.json<VersionJson>(['migrate', 'second.csv', '--table', 'dogs', '-m', 'two'], {
      code: 3,
      alone: true
    })
    expect(countsOf(second.tables)).toEqual([
      counted('dogs', { read: 8, inserted: 1, updated: 1, unchanged: 1, failed: 5 })
    ])
    expect(second.failedRows).toBe('.rowback/failed/2-dogs.csv')
    expect(second.tables[0]?.failedRows).toBe('.rowback/failed/2-dogs.csv')

    const failed = await place.json<RowsJson>(['rows', '2', '--failed'])
    const shape = ['table', 'line', 'column', 'code', 'reason', 'raw']
    expect(failed.rows.map((row) => Object.keys(row).sort())).toEqual(failed.rows.map(() => [...shape].sort()))
    const rows = failed.rows.map(({ reason: _, ...row }) => row)
    expect(rows.sort((a, b) => Number(a.line) - Number(b.line))).toEqual([
      { table: 'dogs', line: 5, column: 'id', code: 'type.integer', raw: { id: 'x', name: 'Ace', born: '2023-01-01' } },
      { table: 'dogs', line: 6, column: 'born', code: 'type.date', raw: { id: '4', name: 'Bo', born: '1.2.2023' } },
      { table: 'dogs', line: 7, column: null, code: 'ragged', raw: expect.objectContaining({ id: '5', name: 'Cy' }) },
      {
        table: 'dogs',
        line: 8,
        column: null,
        code: 'ragged',
        raw: { id: '6', name: 'Di', born: '2023-01-01', _extra: expect.stringContaining('surplus') }
      },
      { table: 'dogs', line: 10, column: 'id', code: 'duplicate_key', raw: { id: '7', name: 'Ed', born: '2023-02-03' } }
    ])
    const csv = await readFile(place.at('.rowback/failed/2-dogs.csv'), 'utf8')
    expect(csv.split('\n')[0]).toBe('id,name,born,_extra,_line,_column,_code,_reason')
    expect(csv.trimEnd().split('\n')).toHaveLength(6)

    const succeeded = await place.json<RowsJson>(['rows', '2', '--succeeded'])
    expect(succeeded.rows).toEqual([
      {
        table: 'dogs',
        op: 'update',
        key: { id: 2 },
        before: { id: 2, name: 'Luna', born: '2021-01-01' },
        after: { id: 2, name: 'Lu\nna', born: '2021-01-01' },
        changed: ['name']
      },
      {
        table: 'dogs',
        op: 'insert',
        key: { id: 7 },
        before: null,
        after: { id: 7, name: 'Ed', born: '2023-02-02' },
        changed: []
      }
    ])

    const corrected = csv
      .replace(/^x,Ace/m, '8,Ace')
      .replace('4,Bo,1.2.2023', '4,Bo,2023-02-01')
      .replace(/^5,Cy,,/m, '5,Cy,2023-05-05,')
      .replace(/^(6,Di,2023-01-01),[^,]*,/m, '$1,,')
      .replace(/^7,Ed/m, '9,Ed')
    await place.write('corrected.csv', corrected)
    const retried = await place.json<VersionJson>(['retry', '2', 'corrected.csv', '-m', 'corrected'])
    expect(countsOf(retried.tables)).toEqual([counted('dogs', { read: 5, inserted: 5 })])
    expect([retried.version, retried.description, retried.failedRows]).toEqual([3, 'corrected', null])
    expect(place.rows('SELECT id, name, born FROM dogs WHERE id > 2 ORDER BY id')).toEqual([
      [3, 'Max', '2022-01-01'],
      [4, 'Bo', '2023-02-01'],
      [5, 'Cy', '2023-05-05'],
      [6, 'Di', '2023-01-01'],
      [7, 'Ed', '2023-02-02'],
      [8, 'Ace', '2023-01-01'],
      [9, 'Ed', '2023-02-03']
    ])
    expect(await place.json(['rows', '3', '--failed'])).toMatchObject({ rows: [] })
  })

  test('log says of a version what migrate said, the file of its failed rows included', async () => {
    const place = await shopPlace()
    const answer = await place.json<VersionJson>(['migrate', 'bad.csv', '--table', 'customers', '-m', 'x'], { code: 3 })
    const log = await place.json<Log>(['log', '--limit', '1'])
    expect(log.versions).toHaveLength(1)
    expect(log.versions[0]?.failedRows).toBe(answer.failedRows)
  })

  test('of a plan are submitted again with the plan’s rules', async () => {
    const place = await emptyPlace()
    await place.write('客户.csv', '客户编号,等级\n1,金\n2,铜\n')
    await place.write(
      'plan.yaml',
      'description: plan\ntables:\n  - table: customers\n    source: 客户.csv\n    create: true\n    key: id\n' +
        '    columns:\n      id: { from: 客户编号 }\n      tier: { from: 等级, map: { 金: gold, 银: silver } }\n'
    )
    const answer = await place.json<VersionJson>(['migrate', 'plan.yaml'], { code: 3 })
    const file = place.at(answer.failedRows ?? '')
    await place.write('fixed.csv', (await readFile(file, 'utf8')).replace('2,铜', '2,银'))
    const retried = await place.json<VersionJson>(['retry', '1', 'fixed.csv'])
    expect(countsOf(retried.tables)).toEqual([counted('customers', { read: 1, inserted: 1 })])
    expect(place.rows('SELECT id, tier FROM customers ORDER BY id', 'rowback.db')).toEqual([
      [1, 'gold'],
      [2, 'silver']
    ])
  })
})

describe.concurrent('diff and query', () => {
  test('diff: row by row, cell by cell, between any two versions', async () => {
    const place = await shopPlace()
    const table = {
      table: 'customers',
      inserted: 1,
      updated: 1,
      deleted: 0,
      rows: [
        {
          op: 'update',
          key: { id: 1 },
          before: { id: 1, name: 'Ann', tier: 'gold' },
          after: { id: 1, name: 'Anna', tier: 'gold' },
          changed: ['name']
        },
        { op: 'insert', key: { id: 4 }, before: null, after: { id: 4, name: 'Dan', tier: 'basic' }, changed: [] }
      ]
    }
    expect(await place.json(['diff', '1', 'more'])).toEqual({ notes: [], from: 1, to: 2, tables: [table] })
    expect(await place.json(['diff', '1', '--table', 'customers'])).toEqual({
      notes: [],
      from: 1,
      to: 2,
      tables: [table]
    })
    expect(await place.json(['diff', '2', '1'])).toEqual({
      notes: [],
      from: 2,
      to: 1,
      tables: [
        {
          ...table,
          inserted: 0,
          deleted: 1,
          rows: table.rows.map(({ op, key, before, after, changed }) => ({
            op: op === 'insert' ? 'delete' : op,
            key,
            before: after,
            after: before,
            changed
          }))
        }
      ]
    })
  })

  test('query: columns and rows; what JSON numbers cannot hold is text', async () => {
    const place = await shopPlace()
    place.sql(`
      CREATE TABLE held (id INTEGER PRIMARY KEY, big INTEGER, small INTEGER, real REAL, text TEXT, data BLOB);
      INSERT INTO held VALUES (1, 9007199254740993, -9007199254740991, 0.1, 'a''b', x'00ff'), (2, 9223372036854775807, 0, 1e308, '', x''), (3, NULL, NULL, NULL, NULL, NULL);
    `)
    expect(await place.json<QueryJson>(['query', 'SELECT * FROM held ORDER BY id'])).toEqual({
      columns: ['id', 'big', 'small', 'real', 'text', 'data'],
      rows: [
        [1, '9007199254740993', -9007199254740991, 0.1, "a'b", '0x00ff'],
        [2, '9223372036854775807', 0, 1e308, '', '0x'],
        [3, null, null, null, null, null]
      ]
    })
  })

  test('query for people: numbers stand there as they are, to be copied', async () => {
    const place = await shopPlace()
    const { stdout, code } = await place.run(['query', 'SELECT 13800000000 AS phone, 20260102 AS day'])
    expect(code).toBe(0)
    expect(stdout).toBe('      phone       day\n13800000000  20260102\n1 row\n')
  })
})

describe.concurrent('--dry-run', () => {
  test.each(['snapshot', 'incremental'])('%s: changes nothing, and the real run counts the same', async (strategy) => {
    const place = await shopPlace()
    await place.write('mirror.csv', 'id,name,tier\n1,Anna,gold\n2,Bobby,silver\nx,Bad,\n9,Zoe,\n')
    const args = [
      'migrate',
      'mirror.csv',
      '--table',
      'customers',
      '--mode',
      'mirror',
      '--strategy',
      strategy,
      '-m',
      'x'
    ]
    const before = await place.snapshot()
    const dry = await place.json<VersionJson & { sample: unknown }>([...args, '--dry-run'], { code: 3 })
    expect(await place.snapshot()).toEqual(before)
    expect([dry.version, dry.status, dry.failedRows]).toEqual([null, 'dry-run', null])
    expect(dry.sample).toEqual([
      {
        table: 'customers',
        columns: ['id', 'name', 'tier'],
        changes: [
          { key: [2], before: [2, 'Bob', 'silver'], after: [2, 'Bobby', 'silver'] },
          { key: [9], before: null, after: [9, 'Zoe', null] }
        ]
      }
    ])
    const real = await place.json<VersionJson>(args, { code: 3 })
    expect(countsOf(real.tables)).toEqual([
      counted('customers', { read: 4, inserted: 1, updated: 1, unchanged: 1, failed: 1 })
    ])
    expect(countsOf(dry.tables)).toEqual(countsOf(real.tables))
  })

  test('of a table that is to be made, in a folder where nothing is', async () => {
    const place = await emptyPlace()
    await place.write('dogs.csv', 'id,name\n1,Rex\n')
    const dry = await place.json<VersionJson>(['migrate', 'dogs.csv', '-m', 'x', '--dry-run'])
    expect(countsOf(dry.tables)).toEqual([counted('dogs', { read: 1, inserted: 1 })])
    expect(Object.keys(await place.snapshot())).toEqual(['dogs.csv'])
  })

  test('of a rollback', async () => {
    const place = await shopPlace()
    const before = await place.snapshot()
    const dry = await place.json<VersionJson & { route: string[] }>(['rollback', '0', '--dry-run'])
    expect(await place.snapshot()).toEqual(before)
    expect([dry.version, dry.status, dry.targetVersion, dry.route]).toEqual([
      null,
      'dry-run',
      0,
      [
        'notes: restore the rows that differ from the backup',
        'parts: restore the rows that differ from the backup',
        'customers: drop the table, which a later version made'
      ]
    ])
    const real = await place.json<VersionJson>(['rollback', '0', '-m', 'all wrong'])
    expect(countsOf(real.tables)).toEqual([counted('customers', { deleted: 4 })])
    expect(countsOf(dry.tables)).toEqual(countsOf(real.tables))
    expect([real.version, real.kind, real.status, real.targetVersion, real.description]).toEqual([
      4,
      'rollback',
      'committed',
      0,
      'all wrong'
    ])
    expect(place.rows("SELECT name FROM sqlite_schema WHERE name IN ('customers', 'notes')")).toEqual([['notes']])
    const again = await place.json<VersionJson>(['rollback', 'more'])
    expect([again.description, countsOf(again.tables)]).toEqual([
      'rollback to 2',
      [counted('customers', { inserted: 4 })]
    ])
    expect(place.rows('SELECT id, name FROM customers ORDER BY id')).toEqual([
      [1, 'Anna'],
      [2, 'Bob'],
      [3, 'Cid'],
      [4, 'Dan']
    ])
  })
})

describe.concurrent('sources', () => {
  test('standard input and .gz are read like a file', async () => {
    const place = await emptyPlace()
    const text = 'id,name\n1,Rex\n2,Luna\n'
    await place.write('dogs.csv.gz', gzipSync(text))
    const piped = await place.json<VersionJson & { source: unknown }>(
      ['migrate', '-', '--table', 'dogs', '-m', 'piped'],
      { stdin: text, alone: true }
    )
    expect(countsOf(piped.tables)).toEqual([counted('dogs', { read: 2, inserted: 2 })])
    expect(piped.source).toEqual({
      name: '-',
      sha256: '559ee218de5bdaedff20bbbca3ab49c94a759ebcaa7854d2af8b0eedb9513a66'
    })
    const packed = await place.json<VersionJson>([
      'migrate',
      'dogs.csv.gz',
      '--target',
      'sqlite:rowback.db',
      '-m',
      'gz'
    ])
    expect(countsOf(packed.tables)).toEqual([counted('dogs', { read: 2, unchanged: 2 })])
  })
})

describe.concurrent('a plan file', () => {
  test('with all rules of columns and Chinese headers: two tables, one version', async () => {
    const place = await emptyPlace()
    await place.write(
      'data/客户.csv',
      '客户编号,姓名,加入日期,等级,余额,电话,备注\n' +
        '1, 李雷 ,2026/01/02,金,10.50,13800000000,a\n' +
        '2,韩梅梅,2026-01-03,银,3.25,,b\n' +
        '3,  ,2026/01/04,金,4,13800000001,c\n' +
        '4,Tom,04.01.2026,金,4,13800000001,c\n' +
        '5,Ann,2026/01/05,铜,99,13800000002,\n' +
        '6,Eve,2026/01/05,铜,5,110,\n' +
        '7,Lang,2026/01/05,,5.12,13800000003,\n' +
        `8,${'长'.repeat(65)},2026/01/05,金,5,13800000003,\n` +
        '9,Neo,2026/01/06,铜,50,13800000004,\n'
    )
    await place.write('data/cities.json', '[{"code": "bj", "name": "北京"}, {"code": "sh", "name": "上海"}]')
    await place.write(
      'plan.yaml',
      `description: Q3 customers
author: Han Meimei <hmm@example.com>
remarks: from finance
tag: q3
tables:
  - table: customers
    source: ./data/客户.csv
    key: customer_id
    mode: upsert
    create: true
    columns:
      customer_id: { from: 客户编号, type: integer }
      name:        { from: 姓名, trim: true, required: true, maxLength: 64 }
      joined_on:   { from: 加入日期, type: date, formats: [yyyy/MM/dd, yyyy-MM-dd] }
      tier:        { from: 等级, map: { 金: gold, 银: silver }, default: basic }
      balance:     { from: 余额, type: "decimal(10,2)", min: 2, max: 50 }
      phone:       { from: 电话, type: text(11), pattern: "^1[0-9]{10}$" }
      origin:      { default: finance }
  - table: cities
    source: data/cities.json
    key: [code]
    create: true
`
    )
    const answer = await place.json<VersionJson & { remarks: string; source: { name: string } }>(
      ['migrate', 'plan.yaml'],
      {
        code: 3
      }
    )
    expect(answer).toMatchObject({
      version: 1,
      description: 'Q3 customers',
      author: { name: 'Han Meimei', email: 'hmm@example.com' },
      remarks: 'from finance',
      tag: 'q3'
    })
    expect(answer.source.name).toBe('客户.csv, cities.json')
    expect(countsOf(answer.tables)).toEqual([
      counted('customers', { read: 9, inserted: 4, failed: 5 }),
      counted('cities', { read: 2, inserted: 2 })
    ])
    expect(answer.notes).toContain('Columns that the plan does not load: 备注.')
    expect(place.rows('SELECT * FROM customers ORDER BY customer_id', 'rowback.db')).toEqual([
      [1, '李雷', '2026-01-02', 'gold', 10.5, '13800000000', 'finance'],
      [2, '韩梅梅', '2026-01-03', 'silver', 3.25, null, 'finance'],
      [7, 'Lang', '2026-01-05', 'basic', 5.12, '13800000003', 'finance'],
      [9, 'Neo', '2026-01-06', 'basic', 50, '13800000004', 'finance']
    ])
    expect(place.rows('SELECT * FROM cities ORDER BY code', 'rowback.db')).toEqual([
      ['bj', '北京'],
      ['sh', '上海']
    ])
    const { rows } = await place.json<RowsJson>(['rows', 'q3', '--table', 'customers'])
    expect(rows.map(({ line, column, code }) => [line, column, code])).toEqual([
      [4, 'name', 'required'],
      [5, 'joined_on', 'type.date'],
      [6, 'balance', 'out_of_range'],
      [7, 'phone', 'check'],
      [9, 'name', 'too_long']
    ])
    expect((await place.json<Log>(['log'])).versions).toHaveLength(2)
  })

  test('both tables or none: with abort a bad row in the second takes back the first', async () => {
    const place = await shopPlace()
    await place.write('parts.csv', 'id,name\n3,gear\nx,cog\n')
    await place.write(
      'plan.yaml',
      'description: x\ntables:\n  - {table: customers, source: good.csv}\n  - {table: parts, source: parts.csv}\n'
    )
    const data = () => [place.rows('SELECT * FROM customers'), place.rows('SELECT * FROM parts')]
    const before = data()
    await place.json(['migrate', 'plan.yaml', '--on-failure', 'abort'], { code: 1 })
    expect(data()).toEqual(before)
  })
})

describe.concurrent('a plan with one table twice', () => {
  async function twicePlace(): Promise<{ place: Workplace; answer: VersionJson }> {
    const place = await shopPlace()
    await place.write('bad2.csv', 'id,name,tier\nw,Joe,gold\n7,Kim,basic\n')
    const sources = ['bad.csv', 'bad2.csv'].map((source) => `  - {table: customers, source: ${source}}\n`)
    await place.write('plan.yaml', `description: x\ntables:\n${sources.join('')}`)
    return { place, answer: await place.json<VersionJson>(['migrate', 'plan.yaml'], { code: 3 }) }
  }

  test('counts the failed rows of each source once', async () => {
    const { answer } = await twicePlace()
    expect(countsOf(answer.tables)).toEqual([
      counted('customers', { read: 4, inserted: 1, failed: 3 }),
      counted('customers', { read: 2, inserted: 1, failed: 1 })
    ])
  })

  test('can be retried', async () => {
    const { place } = await twicePlace()
    const csv = await readFile(place.at('.rowback/failed/4-customers.csv'), 'utf8')
    expect(csv.trimEnd().split('\n')).toHaveLength(5)
    const corrected = csv.replace(/^x,/m, '21,').replace(/^y,/m, '22,').replace(/^z,/m, '23,').replace(/^w,/m, '24,')
    await place.write('fixed.csv', corrected)
    const retried = await place.json<VersionJson>(['retry', '4', 'fixed.csv'])
    expect(countsOf(retried.tables)).toEqual([counted('customers', { read: 4, inserted: 4 })])
  })
})

describe.concurrent('names of tables', () => {
  test('are found whatever their case, by every command alike', async () => {
    const place = await shopPlace()
    await place.json(['migrate', 'bad.csv', '--table', 'CUSTOMERS', '-m', 'x'], { code: 3 })
    await place.write('fixed.csv', 'id,name,tier\n11,Fay,gold\n')
    expect((await place.json<RowsJson>(['rows', '4', '--table', 'Customers'])).rows).toHaveLength(3)
    expect(await place.json(['diff', '3', '--table', 'CUSTOMERS'])).toMatchObject({ tables: [{ table: 'customers' }] })
    expect(await place.json(['inspect', 'CUSTOMERS'])).toMatchObject({ tables: [{ table: 'customers', rows: 5 }] })
    const retried = await place.json<VersionJson>(['retry', '4', 'fixed.csv', '--table', 'CUSTOMERS'])
    expect(countsOf(retried.tables)).toEqual([counted('customers', { read: 1, inserted: 1 })])
  })
})

describe.concurrent('who', () => {
  test('the author is read from the flag, ROWBACK_AUTHOR, rowback.yaml and git, in this order', async () => {
    const place = await emptyPlace()
    await place.write('dogs.csv', 'id,name\n1,Rex\n')
    await place.write('rowback.yaml', 'target: sqlite:dogs.db\nauthor: from-yaml\n')
    await place.write('.gitconfig', '[user]\n\tname = Gina Git\n\temail = gina@example.com\n')
    const migrate = ['migrate', 'dogs.csv', '--create', '-m', 'x']
    const env = { ROWBACK_AUTHOR: '' }
    const author = async (args: string[], more: NodeJS.ProcessEnv) =>
      (await place.json<VersionJson>([...migrate, ...args], { env: more })).author
    expect(await author(['--author', 'lilei@example.com'], { ROWBACK_AUTHOR: 'from-env' })).toEqual({
      given: 'lilei@example.com',
      name: null,
      email: 'lilei@example.com',
      alias: null
    })
    expect(await author([], { ROWBACK_AUTHOR: 'from-env' })).toMatchObject({ alias: 'from-env' })
    expect(await author([], env)).toMatchObject({ alias: 'from-yaml' })
    await place.write('rowback.yaml', 'target: sqlite:dogs.db\n')
    expect(await author([], env)).toEqual({
      given: 'Gina Git <gina@example.com>',
      name: 'Gina Git',
      email: 'gina@example.com',
      alias: null
    })
  })
})

describe.concurrent('init, inspect and status', () => {
  test('init writes rowback.yaml and the baseline; inspect and status look', async () => {
    const place = await emptyPlace()
    place.sql(`
      CREATE TABLE mother (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL);
      CREATE TABLE puppy (id INTEGER PRIMARY KEY, mother_id INTEGER REFERENCES mother (id) ON DELETE CASCADE,
        shout TEXT GENERATED ALWAYS AS ('woof' || id) STORED);
      CREATE TRIGGER named AFTER UPDATE ON mother BEGIN SELECT 1; END;
      CREATE TABLE notes (text TEXT);
      INSERT INTO mother VALUES (1, 'Bella');
    `)
    const data = place.rows('SELECT sql FROM sqlite_schema')
    expect(await place.json(['init', '--target', 'sqlite:shop.db', '--strategy', 'incremental'])).toEqual({
      configuration: 'rowback.yaml',
      database: 'shop.db',
      tables: ['mother', 'notes', 'puppy'],
      notes: []
    })
    expect(await readFile(place.at('rowback.yaml'), 'utf8')).toBe(
      'target: sqlite:shop.db\nrepository: .rowback\nstrategy: incremental\n'
    )
    expect(place.rows("SELECT sql FROM sqlite_schema WHERE name NOT LIKE '%rowback%'")).toEqual(data)
    const [mother, notes, puppy] = (await place.json<{ tables: Record<string, unknown>[] }>(['inspect'])).tables
    expect(mother).toEqual({
      table: 'mother',
      rows: 1,
      columns: [
        { name: 'id', type: 'INTEGER', nullable: true, generated: false },
        { name: 'name', type: 'VARCHAR(20)', nullable: false, generated: false }
      ],
      key: ['id'],
      storage: null,
      atomic: true,
      foreignKeys: [],
      referencedBy: ['puppy (mother_id)'],
      triggers: ['named'],
      trackedSince: null,
      fitness: { snapshot: 'fit', incremental: 'no: its trigger named may change rows that are not captured' },
      advice: expect.any(String)
    })
    expect(notes).toMatchObject({
      key: null,
      storage: null,
      atomic: true,
      fitness: { snapshot: 'fit', incremental: 'no: it has no key that tells its rows apart' }
    })
    expect(puppy).toMatchObject({
      rows: 0,
      columns: [{ name: 'id' }, { name: 'mother_id' }, { name: 'shout', type: 'TEXT', generated: true }],
      foreignKeys: ['(mother_id) -> mother (id)'],
      fitness: {
        snapshot: 'fit',
        incremental: 'no: a cascade of mother, which stays under snapshot, would change it'
      }
    })
    const status = await place.json<{ head: VersionJson }>(['status'])
    expect(status).toEqual({
      database: 'shop.db',
      engine: expect.stringMatching(/^SQLite 3\./),
      head: expect.objectContaining({ version: 0, kind: 'baseline', status: 'committed' }),
      versions: 1,
      tables: [
        { table: 'mother', rows: 1, tracked: false },
        { table: 'notes', rows: 0, tracked: false },
        { table: 'puppy', rows: 0, tracked: false }
      ],
      interrupted: [],
      unsettled: [],
      missing: { repository: place.at('.rowback'), backups: [], versions: [] },
      changedColumns: [],
      madeAgain: [],
      lostHistories: [],
      alteredVersions: [],
      drift: null
    })
  })

  test('status names the versions whose entry was altered', async () => {
    const place = await shopPlace()
    place.sql("UPDATE rowback_version SET description = 'nothing happened' WHERE version_id = 1")
    expect(await place.json(['status'])).toMatchObject({ alteredVersions: [1], versions: 4 })
  })
})

describe.concurrent('an interrupted run', () => {
  async function interruptedPlace(): Promise<Workplace> {
    const place = await shopPlace()
    place.sql(`
      CREATE TEMP TABLE one AS SELECT * FROM rowback_version WHERE version_id = 2;
      UPDATE one SET version_id = 4, uuid = 'x', status = 'pending', tables = '[]', tag = NULL, anchor = NULL,
        finished_at = NULL, previous_hash = NULL, hash = NULL;
      INSERT INTO rowback_version SELECT * FROM one;
    `)
    return place
  }

  test('status says so with exit code 6, and recover marks it as failed', async () => {
    const place = await interruptedPlace()
    const status = await place.json<{ interrupted: VersionJson[]; head: VersionJson }>(['status'], {
      code: 6,
      alone: true
    })
    expect([status.interrupted.map(({ version }) => version), status.head.version]).toEqual([[4], 2])
    expect(await place.json(['recover'])).toEqual({ recovered: [4] })
    expect(await place.json(['recover'])).toEqual({ recovered: [] })
    const log = await place.json<Log>(['log'])
    expect(log.versions[0]).toMatchObject({
      version: 4,
      status: 'failed',
      error: 'interrupted; nothing of it was written'
    })
    expect(await place.json(['status'])).toMatchObject({ interrupted: [], alteredVersions: [] })
  })

  test('the next migration marks it and goes on', async () => {
    const place = await interruptedPlace()
    const answer = await place.json<VersionJson>(['migrate', 'good.csv', '--table', 'customers', '-m', 'on'])
    expect(answer.version).toBe(5)
    expect(answer.notes).toContain('Version 4 had been interrupted; nothing of it was written. It is marked as failed.')
    expect(await place.json(['status'])).toMatchObject({ interrupted: [], alteredVersions: [] })
  })

  test('Ctrl-C: exit code 130, nothing is changed and no copy of the input is left', async () => {
    const place = await shopPlace()
    await mkdir(place.at('tmp'))
    const before = await place.snapshot()
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
    const args = [main, 'migrate', '-', '--table', 'customers', '-m', 'x', '--json']
    const child = spawn(process.execPath, args, {
      cwd: place.path,
      env: { PATH: process.env.PATH, ROWBACK_AUTHOR: 'tester', TMPDIR: place.at('tmp') }
    })
    const out: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    child.stdin.write('id,name,tier\n9,Zed,gold\n')
    while ((await readdir(place.at('tmp'))).length === 0) await sleep(20)
    child.kill('SIGINT')
    expect(await ended).toBe(130)
    expect(JSON.parse(Buffer.concat(out).toString()).error.code).toBe('interrupted')
    expect(await place.snapshot()).toEqual(before)
  })
})

describe.concurrent('drift', () => {
  test('rows that others changed in a table that no version wrote are overwritten only with --yes', async () => {
    const place = await shopPlace()
    place.sql("UPDATE parts SET name = 'BOLT' WHERE id = 1; INSERT INTO parts VALUES (3, 'gear')")
    const parts = () => place.rows('SELECT id, name FROM parts ORDER BY id')
    const drifted = parts()
    const customers = place.rows('SELECT * FROM customers')
    const before = await place.json<Log>(['log'])
    const refused = await place.json<{ error: { code: string; message: string; hint: string } }>(['rollback', '1'], {
      code: 5,
      alone: true
    })
    expect(refused.error.code).toBe('drift')
    expect(refused.error.message).toBe('Others changed 2 rows of parts (id 1, 3) since version 1, which would be lost.')
    expect(refused.error.hint).toBe(
      'To overwrite them, add --yes; a backup or the history keeps them. To see them, among what versions changed since: rowback diff 1 --table parts'
    )
    expect([parts(), place.rows('SELECT * FROM customers')]).toEqual([drifted, customers])
    const done = await place.json<VersionJson>(['rollback', '1', '--yes'])
    expect(countsOf(done.tables)).toEqual([
      counted('customers', { updated: 1, deleted: 1 }),
      counted('parts', { updated: 1, deleted: 1 })
    ])
    expect(parts()).toEqual([
      [1, 'bolt'],
      [2, 'nut']
    ])
    await place.json(['rollback', '2', '--yes'])
    expect([parts(), place.rows('SELECT * FROM customers')]).toEqual([drifted, customers])
    const after = await place.json<Log>(['log'])
    expect(after.versions.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
      'rollback committed',
      'rollback committed',
      ...before.versions.map(({ kind, status }) => `${kind} ${status}`)
    ])
  })
})

describe.concurrent('drift of several tables', () => {
  test('is shown by a comparison of all of them', async () => {
    const place = await shopPlace()
    place.sql("UPDATE parts SET name = 'BOLT' WHERE id = 1; UPDATE customers SET name = 'Changed'")
    const { error } = await place.json<{ error: { code: string; hint: string } }>(['rollback', '1'], { code: 5 })
    expect(error.code).toBe('drift')
    expect(error.hint).toMatch(/To see them, among what versions changed since: rowback diff 1$/)
  })
})

describe.concurrent('flags of every command', () => {
  test('--target, ROWBACK_TARGET, --repository and --quiet', async () => {
    const place = await emptyPlace()
    await place.write('dogs.csv', 'id,name\n1,Rex\n')
    await place.write('rowback.yaml', 'target: sqlite:yaml.db\n')
    const migrate = ['migrate', 'dogs.csv', '--create', '-m', 'x', '--quiet', '--repository', 'backups']
    const env = { ROWBACK_TARGET: 'sqlite:env.db' }
    expect(await place.run(migrate, { env, alone: true })).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(existsSync(place.at('env.db'))).toBe(true)
    await rm(place.at('backups'), { recursive: true })
    expect(await place.run([...migrate, '--target', 'sqlite:flag.db'], { env })).toMatchObject({ code: 0, stderr: '' })
    expect((await readdir(place.path)).filter((name) => !name.startsWith('dogs')).sort()).toEqual([
      'backups',
      'env.db',
      'flag.db',
      'rowback.yaml'
    ])
    expect(await readdir(place.at('backups/manifests'))).toHaveLength(1)
  })

  test('every command has an example of itself', () => {
    expect(catalog.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        ...['init', 'inspect', 'migrate', 'log', 'show', 'rows', 'retry', 'diff', 'query', 'rollback', 'status'],
        'recover'
      ])
    )
    for (const { name, example, summary } of catalog) {
      expect([example === `rowback ${name}` || example.startsWith(`rowback ${name} `), summary !== '']).toEqual([
        true,
        true
      ])
    }
  })

  test('people see the version, the counts and the reasons', async () => {
    const place = await shopPlace()
    const [log, diff, rows, status] = await Promise.all([
      place.run(['log']),
      place.run(['diff', '1', '2']),
      place.run(['rows', '3', '--failed']),
      place.run(['status'])
    ])
    expect([log, diff, rows, status].map(({ code, stderr }) => [code, stderr])).toEqual(Array(4).fill([0, '']))
    expect(log.stdout.split('\n')[1]).toMatch(
      /^ {6}3 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}tester {2}all or nothing \(failed\)$/
    )
    expect(log.stdout.split('\n')[2]).toMatch(/^ {6}2 {2}.* {2}tester {2}more customers .* \+1 ~1 .*more$/)
    expect(diff.stdout).toBe(
      'customers  +1 ~1 -0  from version 1 to 2\n  ~ id=1\n      name: Ann -> Anna\n  + id=4  name=Dan tier=basic\n'
    )
    expect(rows.stdout).toContain('"x" is not an integer')
    expect(status.stdout).toContain('Head: version 2, more customers')
  })
})
