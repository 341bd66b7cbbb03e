import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Workplace } from '../support/cli.ts'
import { restoreWithSqlite } from '../support/stock-client.ts'

interface ExportJson {
  version: number
  file: string
  stateOf: string
  tables: { table: string; rows: number }[]
  rows: number
  bytes: number
  notes: string[]
}

const TARGET = ['--target', 'sqlite:shop.db']

let place: Workplace

beforeEach(async () => {
  place = await Workplace.make()
  place.sql("CREATE TABLE dogs (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO dogs VALUES (1, 'Rex'), (2, 'Bo')")
  await migrate('id,name\n2,Boris\n3,Ida\n', 'first')
  await migrate('id,name\n4,Max\n', 'second\nline')
})

afterEach(() => place.remove())

async function migrate(csv: string, description: string): Promise<void> {
  await place.write('dogs.csv', csv)
  await place.json(['migrate', 'dogs.csv', '--table', 'dogs', '-m', description, ...TARGET])
}

async function dogsIn(file: string): Promise<unknown[][]> {
  const name = `restored-${Math.random()}.db`
  await restoreWithSqlite(place.at(name), place.at(file))
  return place.rows('SELECT name FROM dogs ORDER BY id', name)
}

async function sqlFiles(): Promise<string[]> {
  return (await readdir(place.path)).filter((name) => name.includes('.sql'))
}

describe('backup export', () => {
  test('writes any state, which sqlite3 restores', async () => {
    for (const [version, names] of [
      [0, ['Rex', 'Bo']],
      [1, ['Rex', 'Boris', 'Ida']],
      [2, ['Rex', 'Boris', 'Ida', 'Max']]
    ] as const) {
      const out = `${version}.sql`
      const json = await place.json<ExportJson>(['backup', 'export', String(version), '--out', out, ...TARGET])
      expect(json).toMatchObject({ version, file: out, tables: [{ table: 'dogs', rows: names.length }], notes: [] })
      expect(json.bytes).toBe((await readFile(place.at(out))).length)
      expect(await dogsIn(out)).toEqual(names.map((name) => [name]))
    }
  })

  test('names the file after the database and the time in UTC at which the state was backed up', async () => {
    const { backups } = await place.json<{ backups: { takenAt: string; state: number }[] }>([
      'backup',
      'list',
      ...TARGET
    ])
    const taken = backups.find(({ state }) => state === 1)?.takenAt as string
    const { file, stateOf } = await place.json<ExportJson>(['backup', 'export', '1', ...TARGET])
    expect(stateOf).toBe(taken)
    expect(file).toBe(`shop_backup_${taken.replace(/\D/g, '').slice(0, 14)}.sql`)
    const head = await place.json<ExportJson>(['backup', 'export', '2', '--out', 'head.sql', ...TARGET])
    expect(Math.abs(Date.parse(head.stateOf) - Date.now())).toBeLessThan(60_000)
  })

  test('says in the file what it is', async () => {
    await place.json(['backup', 'export', '2', '--out', 'two.sql', ...TARGET])
    const text = await readFile(place.at('two.sql'), 'utf8')
    expect(text).toMatch(/^-- Rowback \d+\.\d+\.\d+$/m)
    expect(text).toMatch(/^-- Database shop\.db, SQLite \d/m)
    expect(text).toMatch(/^-- State of version 2: second line$/m)
    expect(text).toMatch(/^-- by tester, \d{4}-/m)
  })

  test('never writes over a file, and leaves no part of one', async () => {
    await place.write('mine.sql', 'mine')
    const refused = await place.run(['backup', 'export', '2', '--out', 'mine.sql', ...TARGET])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('mine.sql is there already')])
    expect(await readFile(place.at('mine.sql'), 'utf8')).toBe('mine')
    const nowhere = await place.run(['backup', 'export', '2', '--out', 'no/such/folder.sql', ...TARGET])
    expect(nowhere.code).toBe(1)
    const chunks = await readdir(place.at('.rowback/objects'), { recursive: true })
    for (const name of chunks.filter((chunk) => chunk.endsWith('.zst')))
      await place.write(`.rowback/objects/${name}`, 'damaged')
    const damaged = await place.run(['backup', 'export', '0', '--out', 'zero.sql', ...TARGET])
    expect(damaged.code).toBe(7)
    expect(await sqlFiles()).toEqual(['mine.sql'])
  })

  test('says what is left out', async () => {
    place.sql("CREATE VIRTUAL TABLE words USING fts5 (text); INSERT INTO words VALUES ('x')")
    const { notes } = await place.json<ExportJson>(['backup', 'export', '2', '--out', 'two.sql', ...TARGET])
    expect(notes).toEqual([expect.stringContaining('words')])
    expect(await readFile(place.at('two.sql'), 'utf8')).toContain(`-- ${notes[0]}`)
  })

  test('an unknown version is said, and no file is made', async () => {
    const { code, stderr } = await place.run(['backup', 'export', '9', ...TARGET])
    expect([code, stderr]).toEqual([expect.any(Number), expect.stringContaining('9')])
    expect(code).not.toBe(0)
    expect(await sqlFiles()).toEqual([])
    expect(existsSync(place.at('shop.db'))).toBe(true)
  })
})

describe('diff --sql', () => {
  test('prints a script that sqlite3 applies, and the same in JSON beside the rest', async () => {
    await place.json(['backup', 'export', '2', '--out', 'two.sql', ...TARGET])
    await restoreWithSqlite(place.at('copy.db'), place.at('two.sql'))
    const printed = await place.run(['diff', '2', '0', '--sql', ...TARGET])
    const json = await place.json<{ sql: string; tables: unknown[] }>(['diff', '2', '0', '--sql', ...TARGET])
    expect(printed).toEqual({ code: 0, stdout: json.sql, stderr: '' })
    expect(json.tables).toHaveLength(1)
    await restoreWithSqlite(place.at('copy.db'), await place.write('back.sql', printed.stdout))
    expect(place.rows('SELECT id, name FROM dogs ORDER BY id', 'copy.db')).toEqual([
      [1, 'Rex'],
      [2, 'Bo']
    ])
  })

  test('is not in the answer unless it is asked for', async () => {
    expect(await place.json(['diff', '0', '2', ...TARGET])).not.toHaveProperty('sql')
  })
})
