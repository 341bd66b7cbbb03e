import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { enable } from '../../src/operations/enable.ts'
import { inspect } from '../../src/operations/inspect.ts'
import { BlameBench } from '../support/blame-bench.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { errorOf } from '../support/suite-engine-bench.ts'

const server = inject('mysqlUrl')
const HOSTS: Record<string, (() => Promise<BlameBench>) | null> = {
  sqlite: () => BlameBench.sqlite(),
  mysql: server === null ? null : () => BlameBench.mysql(server)
}
const JOINED = 'SELECT id, author, description FROM dogs JOIN rowback_version USING (version_id) ORDER BY id'

for (const [name, make] of Object.entries(HOSTS)) {
  if (make === null) test.skip(`${name}: ${HOW_TO_PROVIDE}`)
  else describe(`${name}: rows joined with their versions`, () => suite(name, make))
}

function suite(name: string, make: () => Promise<BlameBench>): void {
  let bench: BlameBench
  const rows = async (sql: string) => (await bench.db.query(sql)).rows
  beforeEach(async () => {
    bench = await make()
    await bench.sql(
      'CREATE TABLE dogs (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))',
      "INSERT INTO dogs VALUES (1, 'Rex'), (2, 'Bello')"
    )
    const about = { description: 'new names', remarks: 'by post', tag: 'names' }
    await bench.load('dogs', 'incremental', [{ id: 2, name: 'Bella' }], about)
  })
  afterEach(() => bench.remove())

  test('each row has the version that wrote it; the baseline is one', async () => {
    expect(await rows(JOINED)).toEqual([
      [1, 'tester', 'what was there before the first version'],
      [2, 'tester', 'new names']
    ])
    const shown = 'version_id, kind, status, strategy, author, description, remarks, tag'
    expect(await rows(`SELECT ${shown} FROM rowback_version WHERE version_id = 1`)).toEqual([
      [1, 'migrate', 'committed', 'incremental', 'tester', 'new names', 'by post', 'names']
    ])
    const [[started, finished] = []] = await rows(
      'SELECT started_at, finished_at FROM rowback_version WHERE version_id = 1'
    )
    for (const time of [started, finished]) expect(new Date(String(time)).toISOString()).toBe(time)
  })

  test('that is of rows as they are now: of a past state it is refused, and how it goes is said', async () => {
    await bench.load('dogs', 'incremental', [{ id: 2, name: 'Bello' }])
    const error = await errorOf(bench.db.query(JOINED, { at: 1 }))
    expect([error.code, error.hint]).toEqual(['table.missing', expect.stringContaining('ask without --at')])
  })

  test('a row that is the same already keeps its version', async () => {
    await bench.load('dogs', 'incremental', [
      { id: 1, name: 'Rex' },
      { id: 2, name: 'Bella' },
      { id: 3, name: 'Luna' }
    ])
    expect(await rows('SELECT id, version_id FROM dogs ORDER BY id')).toEqual([
      [1, 0],
      [2, 1],
      [3, 2]
    ])
  })

  test('what programs and people are given has none of it', async () => {
    const { columns } = await bench.db.query('SELECT * FROM dogs')
    // SQLite has no hidden columns.
    expect(columns).toEqual(name === 'sqlite' ? ['id', 'name', 'version_id'] : ['id', 'name'])
    const { tables } = await bench.db.run(inspect, {})
    expect(tables.map((table) => [table.table, table.columns.map((column) => column.name)])).toEqual([
      ['dogs', ['id', 'name']]
    ])
    expect((await bench.db.status()).tables.map(({ table }) => table)).toEqual(['dogs'])
    expect((await bench.db.diff(0)).tables.map(({ table }) => table)).toEqual(['dogs'])
  })

  test('it goes with the last history, and comes again', async () => {
    await bench.load('cats', 'incremental', [{ id: 1 }], { create: true, key: ['id'] })
    await bench.db.run(enable, { strategy: 'snapshot', table: ['dogs'] })
    expect(await rows('SELECT id, description FROM cats JOIN rowback_version USING (version_id)')).toHaveLength(1)
    await bench.db.run(enable, { strategy: 'snapshot' })
    expect((await errorOf(bench.db.query(JOINED))).code).toBe('query.invalid')
    if (name === 'mysql')
      expect((await errorOf(bench.db.query('SELECT * FROM rowback_version'))).code).toBe('query.invalid')
    await bench.db.run(enable, { strategy: 'incremental' })
    expect(await rows(JOINED)).toHaveLength(2)
  })

  if (name !== 'sqlite') {
    test('a view of that name which the user made is left alone', async () => {
      await bench.db.run(enable, { strategy: 'snapshot' })
      await bench.sql('CREATE VIEW rowback_version AS SELECT 42 AS answer')
      await bench.load('dogs', 'incremental', [{ id: 3, name: 'Luna' }])
      expect(await rows('SELECT answer FROM rowback_version')).toEqual([[42]])
      await bench.db.run(enable, { strategy: 'snapshot' })
      expect(await rows('SELECT answer FROM rowback_version')).toEqual([[42]])
    })
  }
}
