import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Workplace } from '../support/cli.ts'

let place: Workplace
const TARGET = ['--target', 'sqlite:shop.db']

beforeEach(async () => {
  place = await Workplace.make()
  await place.write('one.csv', 'id,name\n1,Ann\n2,Bea\n')
  await place.write('two.csv', 'id,name\n2,Bee\n3,Cleo\n')
  for (const [source, tag] of [
    ['one.csv', 'first'],
    ['two.csv', 'second']
  ] as const) {
    await place.json([
      'migrate',
      source,
      '--table',
      'customers',
      '--key',
      'id',
      '--create',
      '-m',
      source,
      '--tag',
      tag,
      ...TARGET
    ])
  }
})

afterEach(() => place.remove())

describe.each(['checkout', 'backup restore'])('rowback %s', (command) => {
  const words = command.split(' ')

  test('writes a state into a file, by a path or a URL, and says so', async () => {
    expect(await place.json([...words, '1', '--to', 'at-1.db', ...TARGET])).toEqual({
      from: 1,
      to: 'at-1.db',
      tables: [{ table: 'customers', rows: 2 }],
      notes: []
    })
    expect(place.rows('SELECT * FROM customers ORDER BY id', 'at-1.db')).toEqual([
      [1, 'Ann'],
      [2, 'Bea']
    ])
    const told = await place.run([...words, 'second', '--to', 'sqlite:at-2.db', ...TARGET])
    expect(told).toEqual({
      code: 0,
      stdout: 'Version 2 is in at-2.db, read back and compared.\n\ntable      rows\ncustomers     3\n',
      stderr: ''
    })
  })

  test('refuses a database that has such a table, a table that was not there, and no target', async () => {
    place.sql('CREATE TABLE customers (x)', 'full.db')
    const full = await place.json<{ error: object }>([...words, '1', '--to', 'full.db', ...TARGET], { code: 1 })
    expect(full.error).toEqual({
      code: 'table.exists',
      message: 'full.db has customers already; nothing is ever overwritten.',
      state: 'Nothing was changed.',
      hint: 'Name a new or empty database with --to, or leave tables out with --table.'
    })
    const unknown = await place.json<{ error: object }>([...words, '1', '--to', 'x.db', '--table', 'dogs', ...TARGET], {
      code: 2
    })
    expect(unknown.error).toMatchObject({ code: 'table.missing', message: 'There was no table dogs at version 1.' })
    expect(existsSync(place.at('x.db'))).toBe(false)
    expect((await place.run([...words, '1', ...TARGET])).code).toBe(2)
  })
})

describe('rowback query --at', () => {
  const SQL = 'SELECT count(*), max(name) FROM customers'

  test('asks what a version left: by number, tag and time', async () => {
    for (const [at, row] of [
      ['1', [2, 'Bea']],
      ['first', [2, 'Bea']],
      ['2', [3, 'Cleo']],
      ['2999-01-01T12:00Z', [3, 'Cleo']]
    ] as const) {
      expect((await place.json<{ rows: unknown[] }>(['query', SQL, '--at', at, ...TARGET])).rows).toEqual([row])
    }
  })

  test('says that a table was not there', async () => {
    const { error } = await place.json<{ error: object }>(['query', SQL, '--at', '0', ...TARGET], { code: 1 })
    expect(error).toEqual({
      code: 'table.missing',
      message: 'There was no table customers at version 0.',
      state: 'Nothing was changed.',
      hint: 'There were no tables.'
    })
  })
})
