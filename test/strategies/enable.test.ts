import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { EnableOutput } from '../../src/operations/enable.ts'
import type { InspectOutput } from '../../src/operations/inspect.ts'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { Workplace } from '../support/cli.ts'
import type { Ground } from '../support/grounds.ts'
import { onMysql as mysqlGround, onSqlite } from '../support/grounds.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')
const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname

const onMysql = () => mysqlGround(server as string)

const TABLES = [
  'CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(20), tier VARCHAR(20))',
  "INSERT INTO customers VALUES (1, 'Ann', 'gold'), (2, 'Bob', 'silver'), (3, 'Cid', NULL)",
  'CREATE TABLE goods (id INTEGER PRIMARY KEY, name VARCHAR(20))',
  "INSERT INTO goods VALUES (1, 'nut')",
  'CREATE TABLE notes (text VARCHAR(20))',
  "INSERT INTO notes VALUES ('x')",
  'CREATE TABLE parents (id INTEGER PRIMARY KEY)',
  `CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER,
     FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE)`
]
interface Refusal {
  code: string
  message: string
  hint: string
  state: string
  drift: unknown
}

const CUSTOMERS = 'SELECT id, name, tier FROM customers ORDER BY id'

function testsOn(open: () => Promise<Ground>): void {
  let ground: Ground
  let place: Workplace

  beforeEach(async () => {
    ground = await open()
    place = ground.place
    await ground.sql(...TABLES)
    await place.write('rowback.yaml', `# ours\ntarget: ${ground.target} # the shop\n`)
  })
  afterEach(() => ground.remove())

  const enable = (strategy: string, ...flags: string[]) => place.json<EnableOutput>(['enable', strategy, ...flags])
  const rollback = (to: number) => place.json<RollbackOutput>(['rollback', String(to)])
  const migrate = async (...lines: string[]) => {
    await place.write('customers.csv', `id,name,tier\n${lines.join('\n')}\n`)
    return place.json<{ version: number; strategy: string }>(['migrate', 'customers.csv', '-m', 'x'])
  }
  const customers = async () => (await ground.rows(CUSTOMERS)).map((row) => row.join())
  const at = async (version: number) => {
    const { rows } = await place.json<{ rows: unknown[][] }>(['query', CUSTOMERS, '--at', String(version)])
    return rows.map((row) => row.join())
  }
  test('one history goes on across both switches: asked, compared and gone back to', async () => {
    const before = await customers()
    await migrate('1,Anna,gold', '4,Dan,basic')
    const first = await customers()
    expect(await enable('incremental', '-m', 'row by row', '--author', 'Li Lei', '--tag', 'switch')).toMatchObject({
      version: 2,
      kind: 'enable',
      status: 'committed',
      strategy: 'incremental',
      description: 'row by row',
      author: { given: 'Li Lei' },
      tag: 'switch',
      anchor: expect.stringMatching(/^0+2-/),
      tables: [
        { table: 'customers', unchanged: 4, tracking: 'begun' },
        { table: 'goods', unchanged: 1, tracking: 'begun' }
      ]
    })
    expect(await customers()).toEqual(first)
    expect(await migrate('2,Bobby,gold', '5,Eve,basic')).toMatchObject({ version: 3, strategy: 'incremental' })
    const third = await customers()
    expect(await enable('snapshot')).toMatchObject({ version: 4, strategy: 'snapshot', description: 'enable snapshot' })
    expect(await migrate('3,Cidney,x', '6,Fay,basic')).toMatchObject({ version: 5, strategy: 'snapshot' })
    const fifth = await customers()
    await enable('incremental')
    await migrate('1,Annabel,gold')
    const seventh = await customers()
    const states = [before, first, first, third, third, fifth, fifth, seventh]
    const askAll = async () => {
      for (const [version, state] of states.entries()) expect(await at(version), `at ${version}`).toEqual(state)
    }
    await askAll()
    const { tables } = await place.json<{ tables: { inserted: number; updated: number }[] }>(['diff', '1', '7'])
    expect(tables).toMatchObject([{ table: 'customers', inserted: 2, updated: 3, deleted: 0 }])
    for (const to of [5, 3, 0, 7, 1, 4, 2, 6]) {
      const { tables } = await rollback(to)
      expect(await customers(), `rollback ${to}`).toEqual(states[to])
      expect(tables.every(({ table }) => table === 'customers')).toBe(true)
    }
    await enable('snapshot')
    for (const to of [7, 0, 3, 5]) {
      await rollback(to)
      expect(await customers(), `rollback ${to} under snapshot`).toEqual(states[to])
    }
    await askAll()
  })

  test('a history is not closed with what others did as the work of versions: they are adopted first', async () => {
    const refused = async (...flags: string[]) =>
      (await place.json<{ error: Refusal }>(['enable', 'snapshot', ...flags], { code: 5 })).error
    await enable('incremental')
    await migrate('1,Anna,gold', '4,Dan,basic')
    const second = await customers()
    await ground.sql("UPDATE customers SET name = 'HAND' WHERE id = 1", 'DELETE FROM customers WHERE id = 4')
    for (const flags of [['--dry-run'], [], ['--table', 'customers']]) {
      expect(await refused(...flags)).toMatchObject({
        code: 'drift',
        message: expect.stringMatching(/^Others changed 2 rows of customers \(id [14], [14]\)/),
        hint: expect.stringContaining('rowback adopt'),
        state: 'Nothing was changed.',
        drift: [{ table: 'customers', inserted: 0, updated: 1, deleted: 1 }]
      })
    }
    expect(await place.json<StatusOutput>(['status'])).toMatchObject({
      head: { version: 2 },
      tables: expect.arrayContaining([expect.objectContaining({ table: 'customers', tracked: true })])
    })
    await enable('snapshot', '--table', 'goods')
    await place.json(['adopt', '-m', 'by hand'])
    const fourth = await customers()
    await enable('snapshot')
    expect(await at(2)).toEqual(second)
    await rollback(2)
    expect(await customers()).toEqual(second)
    await rollback(4)
    expect(await customers()).toEqual(fourth)
  })

  test('rows that others wrote anew as they were are adopted before a history is closed', async () => {
    await enable('incremental')
    await migrate('4,Dan,basic')
    await ground.sql(
      'DELETE FROM customers WHERE id = 4',
      "INSERT INTO customers (id, name, tier) VALUES (4, 'Dan', 'basic')"
    )
    const { error } = await place.json<{ error: Refusal }>(['enable', 'snapshot'], { code: 5 })
    expect(error).toMatchObject({ code: 'drift', message: expect.stringContaining('1 row of customers (id 4)') })
    await place.json(['adopt'])
    await enable('snapshot')
    expect(await at(1)).not.toContain('4,Dan,basic')
    expect(await at(2)).toContain('4,Dan,basic')
  })

  test('where it is not known what others changed, that is said; --yes closes the history all the same', async () => {
    await enable('incremental')
    await migrate('1,Anna,gold')
    await ground.sql("UPDATE customers SET name = 'HAND' WHERE id = 1")
    expect(await enable('snapshot', '--yes')).toMatchObject({ version: 3, status: 'committed' })
    expect(await at(2)).toContain('1,HAND,gold')
    await enable('incremental')
    await migrate('2,Bobby,silver')
    await rm(place.at('.rowback/changesets'), { recursive: true })
    for (const flags of [['--dry-run'], []]) {
      expect((await enable('snapshot', ...flags)).notes).toContainEqual(
        expect.stringMatching(/^customers: what others changed is not known/)
      )
    }
  })

  test('the tables look as before when the columns are taken out again', async () => {
    const shape = () => place.json<{ tables: { columns: unknown; trackedSince: unknown }[] }>(['inspect'])
    const before = await shape()
    await enable('incremental')
    const tracked = await place.json<StatusOutput>(['status'])
    expect(tracked.tables.flatMap(({ table, tracked }) => (tracked ? [table] : []))).toEqual(['customers', 'goods'])
    await enable('snapshot')
    expect(await shape()).toEqual(before)
    await expect(ground.rows('SELECT version_id FROM customers')).rejects.toThrow()
    if (ground.target.startsWith('mysql')) expect(await ground.rows("SHOW TABLES LIKE 'rowback%'")).toEqual([])
  })

  test('tables that cannot be tracked are named with the reason, and stay under snapshot', async () => {
    const { tables } = await place.json<InspectOutput>(['inspect'])
    const { left } = await enable('incremental')
    const unfit = tables.filter(({ fitness }) => fitness.incremental !== 'fit')
    expect(unfit.map(({ table, fitness }) => [table, fitness.incremental]).sort()).toEqual(
      left.map(({ table, reason }) => [table, `no: ${reason}`]).sort()
    )
    expect(left).toEqual([
      {
        table: 'notes',
        reason: 'it has no key that tells its rows apart',
        hint: expect.stringContaining('primary key')
      },
      { table: 'parents', reason: expect.stringContaining('would change children'), hint: expect.any(String) },
      { table: 'children', reason: expect.stringContaining('a cascade of parents'), hint: expect.any(String) }
    ])
    await place.write('notes.csv', 'text\ny\n')
    await place.json(['migrate', 'notes.csv', '--strategy', 'snapshot', '-m', 'still written'])
    await place.write('parents.csv', 'id\n1\n')
    await place.json(['migrate', 'parents.csv', '--mode', 'mirror', '--strategy', 'snapshot', '-m', 'still written'])
    await rollback(1)
    expect(await ground.rows('SELECT * FROM notes')).toEqual([['x']])
    expect(await ground.rows('SELECT * FROM parents')).toEqual([])
  })

  test('--table chooses, and refuses what cannot be', async () => {
    const refused = await place.json<{ error: { code: string; message: string } }>(
      ['enable', 'incremental', '--table', 'goods,Notes'],
      { code: 1 }
    )
    expect(refused.error).toMatchObject({ code: 'strategy.unfit', message: expect.stringContaining('notes') })
    expect(await place.json(['log'])).toEqual({ versions: [] })
    const { tables } = await enable('incremental', '--table', 'GOODS')
    expect(tables.map(({ table }) => table)).toEqual(['goods'])
    expect(readFileSync(place.at('rowback.yaml'), 'utf8')).not.toContain('strategy')
    expect((await enable('snapshot', '--table', 'goods')).tables).toMatchObject([{ table: 'goods', tracking: 'ended' }])
    const unknown = await place.json<{ error: { code: string } }>(['enable', 'snapshot', '--table', 'x'], { code: 1 })
    expect(unknown.error.code).toBe('table.missing')
  })

  test('rowback.yaml says it afterwards, and nothing else of it changes', async () => {
    const says = () => readFileSync(place.at('rowback.yaml'), 'utf8')
    const before = says()
    await enable('incremental')
    expect(says()).toBe(`${before}strategy: incremental\n`)
    await enable('snapshot')
    expect(says()).toBe(`${before}strategy: snapshot\n`)
    await place.write('rowback.yaml', 'target: sqlite:other.db\n')
    const { notes } = await enable('incremental', '--target', ground.target)
    expect(says()).toBe('target: sqlite:other.db\n')
    expect(notes.join()).toContain('strategy: incremental into rowback.yaml')
  })

  test('where no table can be tracked that is an error, which names each', async () => {
    await ground.sql('DROP TABLE customers', 'DROP TABLE goods')
    const { error } = await place.json<{ error: { code: string; message: string } }>(['enable', 'incremental'], {
      code: 1
    })
    expect(error.code).toBe('strategy.unfit')
    for (const table of ['notes: it has no key', 'parents: ', 'children: a cascade of parents'])
      expect(error.message).toContain(table)
    expect(await place.json(['log'])).toEqual({ versions: [] })
  })

  test('--dry-run says what would happen and changes nothing', async () => {
    const planned = await enable('incremental', '--dry-run')
    expect(planned).toMatchObject({ version: null, status: 'dry-run', tables: [{ unchanged: 3 }, { unchanged: 1 }] })
    expect(planned.left).toHaveLength(3)
    expect(await place.json(['log'])).toEqual({ versions: [] })
    const { version: _version, status: _status, ...done } = await enable('incremental')
    expect(done.left).toEqual(planned.left)
    expect(await enable('incremental')).toMatchObject({ version: null, status: 'unchanged', tables: [] })
  })

  test('a table that was made and taken away between the switches comes back without a version column', async () => {
    await enable('incremental')
    await place.write('pets.csv', 'id,name\n1,Rex\n')
    await place.json(['migrate', 'pets.csv', '--create', '--key', 'id', '-m', 'pets'])
    await rollback(1)
    await enable('snapshot')
    const { tables } = await rollback(2)
    expect(tables).toMatchObject([{ table: 'pets', inserted: 1, created: true }])
    expect(await ground.rows('SELECT * FROM pets')).toHaveLength(1)
    await expect(ground.rows('SELECT version_id FROM pets')).rejects.toThrow()
    await rollback(0)
    await rollback(5)
    expect(await ground.rows('SELECT * FROM pets')).toHaveLength(1)
  })

  test('rows that others changed after the switch are not overwritten unasked', async () => {
    await enable('incremental')
    await enable('snapshot')
    await ground.sql("UPDATE customers SET name = 'mine' WHERE id = 1")
    const refused = await place.json<{ error: { code: string } }>(['rollback', '1'], { code: 5 })
    expect(refused.error.code).toBe('drift')
    await place.json(['rollback', '1', '--yes'])
    expect((await customers())[0]).toBe('1,Ann,gold')
    await rollback(2)
  })
}

describe('enable on SQLite', () => {
  testsOn(onSqlite)

  test('a view that uses the version column is named, and nothing changes', async () => {
    const { place, sql, rows, target, remove } = await onSqlite()
    await sql(...TABLES)
    await place.json(['enable', 'incremental', '--target', target])
    await sql('CREATE VIEW seen AS SELECT version_id FROM customers')
    const { error } = await place.json<{ error: { code: string; message: string } }>(
      ['enable', 'snapshot', '--target', target],
      { code: 1 }
    )
    expect([error.code, error.message]).toEqual(['strategy.version_column', expect.stringContaining('view seen')])
    expect(await rows('SELECT count(*) FROM history_customers')).toEqual([[0]])
    await sql('DROP VIEW seen')
    await place.json(['enable', 'snapshot', '--target', target])
    await remove()
  })
})

const killed = () => {
  let ground: Ground & { shop: MysqlShop }
  let place: Workplace

  beforeEach(async () => {
    ground = await onMysql()
    place = ground.place
    await ground.sql(...TABLES)
    await place.write('rowback.yaml', `target: ${ground.target}\n`)
  })
  afterEach(() => ground.remove())

  /** Starts a switch that has to wait for the table goods, and kills it there. */
  async function killAtGoods(strategy: string, statement: string): Promise<void> {
    await ground.sql('START TRANSACTION', 'SELECT * FROM goods')
    const child = spawn(process.execPath, [MAIN, 'enable', strategy, '--wait', '60'], {
      cwd: place.path,
      stdio: 'ignore',
      env: { ...process.env, ROWBACK_AUTHOR: 'killed' }
    })
    const waiting = `SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE '${statement}%' AND STATE LIKE '%lock%'`
    while ((await ground.rows(waiting)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    await ground.sql('ROLLBACK')
    // The server may still make the change that it was waiting with.
    while (
      (await ground.rows(`SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE '${statement}%'`)).length > 0
    )
      await new Promise((resolve) => setTimeout(resolve, 50))
  }

  const marked = async () =>
    (
      await ground.rows(
        "SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'version_id' AND TABLE_NAME <> 'rowback_version' ORDER BY 1"
      )
    ).flat()
  const customers = () => ground.rows(CUSTOMERS)
  const ALTER = 'ALTER TABLE `goods`'

  test.each(['the same command', 'recover', 'a migration'])('enable incremental, killed: %s', async (next) => {
    const before = await customers()
    await killAtGoods('incremental', ALTER)
    expect(await marked()).toContain('customers')
    const status = await place.json<StatusOutput>(['status'], { code: 6 })
    expect(status.interrupted).toMatchObject([{ kind: 'enable', status: 'pending' }])
    const inspected = await place.json<{ tables: { columns: { name: string }[] }[] }>(['inspect'])
    expect(inspected.tables.flatMap(({ columns }) => columns.map(({ name }) => name))).not.toContain('version_id')
    if (next === 'recover') await place.json(['recover', '--wait', '60'])
    else if (next === 'a migration') {
      await place.write('customers.csv', 'id,name,tier\n1,Ann,gold\n')
      await place.json(['migrate', 'customers.csv', '-m', 'x', '--wait', '60'])
    }
    if (next !== 'the same command') {
      expect(await marked()).toEqual([])
      expect(await ground.rows(`SHOW TABLES FROM ${ground.shop.database.name}_rowback LIKE 'history%'`)).toEqual([])
      expect((await place.json<StatusOutput>(['status'])).unsettled).toEqual([])
    }
    const { tables } = await place.json<EnableOutput>(['enable', 'incremental', '--wait', '60'])
    expect(tables.map(({ table }) => table)).toEqual(['customers', 'goods'])
    expect(await marked()).toEqual(['customers', 'goods'])
    expect(await customers()).toEqual(before)
  })

  test.each(['the same command', 'recover', 'a migration'])('enable snapshot, killed: %s', async (next) => {
    await place.json(['enable', 'incremental'])
    await place.write('customers.csv', 'id,name,tier\n1,Anna,gold\n')
    await place.json(['migrate', 'customers.csv', '-m', 'x'])
    const before = await customers()
    await killAtGoods('snapshot', ALTER)
    expect(await marked()).toContain('goods')
    const status = await place.json<StatusOutput>(['status'], { code: 6 })
    expect([status.head?.kind, status.unsettled.length]).toEqual(['enable', expect.any(Number)])
    const { tables } = await place.json<{ tables: unknown[] }>(['diff', '2', '3'])
    expect(tables).toEqual([])
    if (next === 'the same command') await place.json(['enable', 'snapshot', '--wait', '60'])
    else if (next === 'recover') await place.json(['recover', '--wait', '60'])
    else await place.json(['migrate', 'customers.csv', '-m', 'again', '--wait', '60'])
    expect(await marked()).toEqual([])
    expect(await customers()).toEqual(before)
    expect((await place.json<StatusOutput>(['status'])).unsettled).toEqual([])
    await place.json(['rollback', '1'])
    expect((await customers())[0]).toEqual(['1', 'Ann', 'gold'])
  })
}

if (server === null) test.skip(`enable on MySQL: ${HOW_TO_PROVIDE}`)
else {
  describe('enable on MySQL', () => testsOn(onMysql))
  describe('enable on MySQL, killed while a table is locked', killed)
}
