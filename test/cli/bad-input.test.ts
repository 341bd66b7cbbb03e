import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Workplace } from '../support/cli.ts'
import { onlyJson } from '../support/cli.ts'
import { flipByte, makeShop, manifestOf, objectOf } from '../support/suite-shop.ts'

interface ErrorJson {
  error: { code: string; message: string; state: string; hint: string }
}

interface Case {
  name: string
  args: string[]
  exit: number
  code: string
  /** What the message must name for a person to find the fault. */
  says: string | RegExp
  /** What it must say to type next, where that is tested. */
  next?: string
  /** Asked in a process of its own too. */
  alone?: true
  /** Puts the fault in place. */
  prepare?: (shop: Workplace) => unknown
  /** Another program writes to this database meanwhile. */
  lock?: string
  stdin?: string
  /** A file that must not have come into being. */
  absent?: string
}

const load = (file: string, ...more: string[]) => ['migrate', file, '--table', 'customers', '-m', 'x', ...more]

const sources: Case[] = [
  {
    name: 'a file that is not there',
    alone: true,
    args: load('gone.csv'),
    exit: 1,
    code: 'source.unreadable',
    says: 'There is no file gone.csv.'
  },
  {
    name: 'a folder',
    args: load('folder.csv'),
    exit: 1,
    code: 'source.unreadable',
    says: 'folder.csv is a folder, not a file.',
    prepare: (shop) => mkdir(shop.at('folder.csv'))
  },
  {
    name: 'an empty file',
    alone: true,
    args: load('empty.csv'),
    exit: 1,
    code: 'source.empty',
    says: 'empty.csv is empty.',
    prepare: (shop) => shop.write('empty.csv', '')
  },
  {
    name: 'an empty standard input',
    args: load('-'),
    exit: 1,
    code: 'source.empty',
    says: 'is empty.',
    stdin: ''
  },
  {
    name: 'a header without rows',
    alone: true,
    args: load('header.csv'),
    exit: 1,
    code: 'source.no_rows',
    says: 'header.csv has a header but no rows.',
    prepare: (shop) => shop.write('header.csv', 'id,name,tier\n')
  },
  {
    name: 'a picture',
    args: load('photo.csv'),
    exit: 1,
    code: 'source.binary',
    says: 'photo.csv looks like',
    prepare: (shop) => shop.write('photo.csv', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'))
  },
  {
    name: 'a column that the table does not have',
    args: load('extra.csv'),
    exit: 1,
    code: 'column.unknown',
    says: 'customers has no column shoe_size; its columns are id, name, tier.',
    prepare: (shop) => shop.write('extra.csv', 'id,name,shoe_size\n1,a,42\n')
  }
]

const tables: Case[] = [
  {
    name: 'a table that is not there',
    alone: true,
    args: ['migrate', 'good.csv', '--table', 'clients', '-m', 'x'],
    exit: 1,
    code: 'table.missing',
    says: 'There is no table clients; there are customers, notes, parts.'
  },
  {
    name: 'a key that is not one, on --create',
    args: ['migrate', 'twins.csv', '--create', '--key', 'id', '-m', 'x'],
    exit: 1,
    code: 'key.duplicate',
    says: 'lines 2 and 4 both have 1',
    prepare: (shop) => shop.write('twins.csv', 'id,name\n1,a\n2,b\n1,c\n')
  },
  {
    name: 'a key that nothing makes unique',
    args: load('good.csv', '--key', 'name'),
    exit: 1,
    code: 'key.not_unique',
    says: 'Nothing makes (name) unique in customers'
  },
  {
    name: 'a key that the source lacks',
    args: ['migrate', 'nokey.csv', '--table', 'customers', '--key', 'id', '-m', 'x'],
    exit: 1,
    code: 'key.missing',
    says: 'The source has no column id, which is part of the key.',
    prepare: (shop) => shop.write('nokey.csv', 'name\na\n')
  },
  ...['upsert', 'update', 'mirror', 'delete'].map(
    (mode): Case => ({
      name: `${mode} without a key`,
      args: ['migrate', 'note.csv', '--table', 'notes', '--mode', mode, '-m', 'x'],
      exit: 1,
      code: 'key.missing',
      says: `${mode} needs one to find rows`,
      prepare: (shop) => shop.write('note.csv', 'text\nthird\n')
    })
  ),
  {
    name: 'a strategy that cannot take the write back',
    args: ['migrate', 'note.csv', '--table', 'notes', '--strategy', 'incremental', '-m', 'x'],
    exit: 1,
    code: 'strategy.unfit',
    says: 'it has no key that tells its rows apart',
    prepare: (shop) => shop.write('note.csv', 'text\nthird\n')
  },
  {
    name: 'a tag that names another version',
    args: load('good.csv', '--tag', 'more'),
    exit: 1,
    code: 'tag.taken',
    says: 'The tag "more" already names version 2.'
  }
]

const targets: Case[] = [
  {
    name: 'a scheme that no engine serves',
    alone: true,
    args: load('good.csv', '--target', 'oracle://shop'),
    exit: 2,
    code: 'target.scheme',
    says: 'No engine serves targets that begin with "oracle:".'
  },
  {
    name: 'a target without a scheme',
    args: load('good.csv', '--target', 'shop.db'),
    exit: 2,
    code: 'target.scheme',
    says: 'The target does not say what kind of database it is.'
  },
  {
    name: 'a database file marked read-only',
    alone: true,
    args: load('good.csv'),
    exit: 1,
    code: 'target.read_only',
    says: 'shop.db is marked read-only.',
    prepare: (shop) => chmod(shop.at('shop.db'), 0o444)
  },
  {
    name: 'a rollback in a database file marked read-only',
    args: ['rollback', '1'],
    exit: 1,
    code: 'target.read_only',
    says: 'shop.db is marked read-only.',
    prepare: (shop) => chmod(shop.at('shop.db'), 0o444)
  },
  {
    name: 'a file that is no SQLite database',
    alone: true,
    args: load('good.csv', '--target', 'sqlite:customers.csv'),
    exit: 1,
    code: 'target.not_database',
    says: 'customers.csv: This file is not a SQLite database.'
  },
  {
    name: 'a folder that is not there',
    args: load('good.csv', '--target', 'sqlite:no/such/shop.db'),
    exit: 1,
    code: 'target.unreachable',
    says: 'shop.db: The database file cannot be opened.',
    absent: 'no'
  },
  {
    name: 'a look at a database that is not there',
    args: ['log', '--target', 'sqlite:other.db'],
    exit: 1,
    code: 'target.missing',
    says: 'There is no database other.db.',
    absent: 'other.db'
  },
  {
    name: 'a source that is not there for a database that is not there',
    args: ['migrate', 'gone.csv', '--create', '-m', 'x', '--target', 'sqlite:other.db', '--repository', 'other'],
    exit: 1,
    code: 'source.unreadable',
    says: 'gone.csv',
    absent: 'other.db'
  },
  {
    name: 'control tables of a newer version',
    alone: true,
    args: load('good.csv'),
    exit: 2,
    code: 'control.newer',
    says: 'were made by a newer rowback (format 999, this one knows 2).',
    prepare: (shop) => shop.sql("UPDATE rowback_meta SET value = '999' WHERE name = 'format'")
  },
  {
    name: 'another writer that holds the lock',
    alone: true,
    args: load('good.csv', '--wait', '0.1'),
    exit: 4,
    code: 'locked',
    says: 'Another migration or program is writing to this database.',
    lock: 'shop.db'
  },
  {
    name: 'a rollback while another writer holds the lock',
    args: ['rollback', '1', '--wait', '0.1'],
    exit: 4,
    code: 'locked',
    says: 'Another migration or program is writing to this database.',
    lock: 'shop.db'
  }
]

const backups: Case[] = [
  {
    name: 'the repository of another database',
    alone: true,
    args: load('good.csv'),
    exit: 2,
    code: 'repository.other_database',
    says: 'belongs to another database',
    prepare: foreignRepository
  },
  {
    name: 'the repository of another database, for a database that is not there yet',
    args: ['migrate', 'good.csv', '--create', '-m', 'x', '--target', 'sqlite:fresh.db'],
    exit: 2,
    code: 'repository.other_database',
    says: 'belongs to another database',
    absent: 'fresh.db'
  },
  {
    name: 'a repository of a newer version',
    args: load('good.csv'),
    exit: 2,
    code: 'repository.newer',
    says: '(format 9, this one knows 1)',
    prepare: async (shop) => {
      const format = JSON.parse(await readFile(shop.at('.rowback/format.json'), 'utf8'))
      await shop.write('.rowback/format.json', JSON.stringify({ ...format, format: 9 }))
    }
  },
  {
    name: 'a rollback with a damaged object',
    alone: true,
    args: ['rollback', '1'],
    exit: 7,
    code: 'backup.damaged',
    says: /The backup file \S+\.zst (cannot be unpacked|does not hold what its name says)\./,
    prepare: async (shop) => flipByte(await objectOf(shop, 2, 'customers'))
  },
  {
    name: 'a rollback with an object missing',
    args: ['rollback', '1'],
    exit: 7,
    code: 'backup.damaged',
    says: /The backup file \S+\.zst is missing\./,
    prepare: async (shop) => unlink(await objectOf(shop, 2, 'customers'))
  },
  {
    name: 'a rollback with the manifest missing',
    alone: true,
    args: ['rollback', '1'],
    exit: 7,
    code: 'backup.missing',
    says: 'is not in the repository',
    prepare: async (shop) => unlink((await manifestOf(shop, 2)).path)
  },
  {
    name: 'a rollback with the manifest altered',
    args: ['rollback', '1'],
    exit: 7,
    code: 'backup.damaged',
    says: 'was altered.',
    prepare: async (shop) => {
      const { path } = await manifestOf(shop, 2)
      await writeFile(path, (await readFile(path, 'utf8')).replace('"rows":3', '"rows":2'))
    }
  },
  {
    name: 'a rollback with the whole repository missing',
    args: ['rollback', '1'],
    exit: 7,
    code: 'backup.missing',
    says: 'is not in the repository',
    prepare: (shop) => rm(shop.at('.rowback'), { recursive: true })
  }
]

async function foreignRepository(shop: Workplace): Promise<void> {
  const format = JSON.parse(await readFile(shop.at('.rowback/format.json'), 'utf8'))
  await shop.write(
    '.rowback/format.json',
    JSON.stringify({ ...format, database: '00000000-0000-4000-8000-000000000000' })
  )
}

const versions: Case[] = [
  {
    name: 'a rollback to a version that does not exist',
    alone: true,
    args: ['rollback', '99'],
    exit: 1,
    code: 'version.unknown',
    says: 'There is no version 99.'
  },
  {
    name: 'a rollback to a tag that does not exist',
    args: ['rollback', 'nowhere'],
    exit: 1,
    code: 'version.unknown',
    says: 'There is no version "nowhere".'
  },
  {
    name: 'a rollback to the head',
    args: ['rollback', '2'],
    exit: 1,
    code: 'rollback.head',
    says: 'Version 2 is the head'
  },
  {
    name: 'a rollback to a version that failed',
    alone: true,
    args: ['rollback', '3'],
    exit: 1,
    code: 'version.failed',
    says: 'Version 3 left nothing: it is failed.'
  },
  {
    name: 'a retry of a version that loaded nothing',
    args: ['retry', '0', 'good.csv'],
    exit: 1,
    code: 'retry.nothing',
    says: 'Version 0 did not load a file.'
  },
  {
    name: 'a diff of a table that never was',
    args: ['diff', '1', '2', '--table', 'clients'],
    exit: 1,
    code: 'table.missing',
    says: 'There was no table clients, neither at version 1 nor at 2.'
  }
]

const usage: Case[] = [
  {
    name: 'a --max-failed that is no number',
    alone: true,
    args: load('bad.csv', '--max-failed', 'a few'),
    exit: 2,
    code: 'input.invalid',
    says: '--max-failed: write a number of rows, or a percentage such as 5%'
  },
  {
    name: 'a --max-failed of more than 100%',
    args: load('bad.csv', '--max-failed', '101%'),
    exit: 2,
    code: 'input.invalid',
    says: 'write a number of rows, or a percentage such as 5%'
  },
  {
    name: 'an unknown command',
    alone: true,
    args: ['frobnicate'],
    exit: 2,
    code: 'usage',
    says: "unknown command 'frobnicate'"
  },
  {
    name: 'an unknown option',
    alone: true,
    args: load('good.csv', '--frob'),
    exit: 2,
    code: 'usage',
    says: "unknown option '--frob'",
    next: 'rowback migrate --help'
  },
  {
    name: 'an unknown option of a command of two words',
    alone: true,
    args: ['backup', 'prune', '--keep-lats', '1'],
    exit: 2,
    code: 'usage',
    says: "unknown option '--keep-lats'",
    next: 'rowback backup prune --help'
  },
  {
    name: 'an unknown command of backup',
    args: ['backup', 'prun'],
    exit: 2,
    code: 'usage',
    says: "unknown command 'prun'",
    next: 'rowback backup --help'
  },
  {
    name: 'a number that is none',
    args: ['backup', 'prune', '--keep-last', 'ten'],
    exit: 2,
    code: 'input.invalid',
    says: /^--keep-last: write a whole number from 0 on, such as 10\.$/,
    next: 'rowback backup prune --help'
  },
  {
    name: 'a number below 0',
    args: ['diff', '1', '--limit', '-1'],
    exit: 2,
    code: 'input.invalid',
    says: /^--limit: write a whole number from 0 on, such as 10\.$/
  },
  {
    name: 'hours that are none',
    args: ['backup', 'prune', '--keep-last', '1', '--grace', '1d'],
    exit: 2,
    code: 'input.invalid',
    says: /^--grace: write a number of hours from 0 on, such as 48\.$/
  },
  {
    name: 'an empty argument',
    args: ['query', ''],
    exit: 2,
    code: 'input.invalid',
    says: /^SQL: it is empty\.$/
  },
  {
    name: 'an empty version',
    args: ['show', ''],
    exit: 2,
    code: 'input.invalid',
    says: /^VERSION: write a version by its number or its tag, such as 3\.$/
  },
  {
    name: 'an empty name among others',
    args: load('good.csv', '--key', 'id,'),
    exit: 2,
    code: 'input.invalid',
    says: /^--key: write names with commas between them, such as id or country,town\.$/
  },
  {
    name: 'a description without quotes',
    args: ['migrate', 'good.csv', '-m', 'Q3', 'customers'],
    exit: 2,
    code: 'usage',
    says: 'too many arguments'
  },
  {
    name: 'no source',
    args: ['migrate', '-m', 'x'],
    exit: 2,
    code: 'usage',
    says: 'SOURCE'
  },
  {
    name: 'no description',
    alone: true,
    args: ['migrate', 'good.csv', '--table', 'customers'],
    exit: 2,
    code: 'description.missing',
    says: 'A migration needs a description.'
  },
  {
    name: 'an unknown mode',
    args: load('good.csv', '--mode', 'append'),
    exit: 2,
    code: 'input.invalid',
    says: /^--mode: write one of: insert, upsert, update, replace, mirror, delete\.$/,
    next: 'rowback migrate --help'
  },
  {
    name: 'a tag that is a number',
    args: load('good.csv', '--tag', '7'),
    exit: 2,
    code: 'input.invalid',
    says: 'a tag has no blanks and is not a number'
  },
  {
    name: 'standard input without a table',
    args: ['migrate', '-', '-m', 'x'],
    exit: 2,
    code: 'table.unnamed',
    says: 'Standard input has no name that could name the table.',
    stdin: 'id\n1\n'
  },
  {
    name: 'a wait that is no number',
    args: load('good.csv', '--wait', 'long'),
    exit: 2,
    code: 'input.invalid',
    says: /^--wait: write a number of seconds from 0 on, such as 30\.$/
  },
  {
    name: 'rows that failed and succeeded at once',
    args: ['rows', '2', '--failed', '--succeeded'],
    exit: 2,
    code: 'rows.both',
    says: /failed.*succeeded/
  }
]

const plan = (text: string) => (shop: Workplace) => shop.write('plan.yaml', text)
const onePlan = (columns: string) =>
  plan(`description: x\ntables:\n  - table: customers\n    source: good.csv\n    columns:\n${columns}`)

const files: Case[] = [
  {
    name: 'a plan that is no YAML',
    alone: true,
    args: ['migrate', 'plan.yaml'],
    exit: 2,
    code: 'plan.invalid',
    says: 'The plan plan.yaml cannot be used:',
    prepare: plan('tables: [ {')
  },
  {
    name: 'a plan that is not there',
    args: ['migrate', 'plan.yaml', '-m', 'x'],
    exit: 2,
    code: 'plan.invalid',
    says: 'plan.yaml'
  },
  {
    name: 'a plan with a word that is unknown',
    args: ['migrate', 'plan.yaml'],
    exit: 2,
    code: 'plan.invalid',
    says: 'colour',
    prepare: onePlan('      id: { colour: red }\n')
  },
  {
    name: 'a plan with a pattern that is none',
    args: ['migrate', 'plan.yaml'],
    exit: 2,
    code: 'plan.pattern',
    says: 'cannot be used',
    prepare: onePlan('      id: {}\n      name: { pattern: "(" }\n')
  },
  {
    name: 'a plan with a date format that is none',
    args: ['migrate', 'plan.yaml'],
    exit: 2,
    code: 'plan.format',
    says: 'sometimes',
    prepare: onePlan('      id: {}\n      name: { formats: [sometimes] }\n')
  },
  {
    name: 'a plan that wants a column which the source lacks',
    args: ['migrate', 'plan.yaml'],
    exit: 1,
    code: 'column.unknown',
    says: 'The source has no column "城市", which the plan wants for name.',
    prepare: onePlan('      id: {}\n      name: { from: 城市 }\n')
  },
  {
    name: 'a plan whose second table is not there',
    args: ['migrate', 'plan.yaml'],
    exit: 1,
    code: 'table.missing',
    says: 'There is no table clients',
    prepare: plan(
      'description: x\ntables:\n  - {table: customers, source: good.csv}\n  - {table: clients, source: good.csv}\n'
    )
  },
  {
    name: 'a plan with two sources for one new table that do not fit together',
    args: ['migrate', 'plan.yaml'],
    exit: 1,
    code: 'column.unknown',
    says: 'shoe_size',
    prepare: async (shop) => {
      await shop.write('wider.csv', 'id,name,tier,shoe_size\n8,a,b,42\n')
      const sources = ['good.csv', 'wider.csv'].map(
        (source) => `  - {table: clients, source: ${source}, create: true}\n`
      )
      await shop.write('plan.yaml', `description: x\ntables:\n${sources.join('')}`)
    }
  },
  {
    name: 'a rowback.yaml that is no YAML',
    alone: true,
    args: load('good.csv'),
    exit: 2,
    code: 'config.invalid',
    says: 'rowback.yaml cannot be used:',
    prepare: (shop) => shop.write('rowback.yaml', 'target: [')
  },
  {
    name: 'a rowback.yaml with a word that is unknown',
    args: ['log'],
    exit: 2,
    code: 'config.invalid',
    says: 'targte',
    prepare: (shop) => shop.write('rowback.yaml', 'targte: sqlite:shop.db\n')
  },
  {
    name: 'an init where there is a rowback.yaml',
    args: ['init'],
    exit: 2,
    code: 'config.exists',
    says: 'There is a rowback.yaml here already.'
  },
  {
    name: 'an init of a database that is locked',
    args: ['init', '--target', 'sqlite:plain.db', '--wait', '0.1'],
    exit: 4,
    code: 'locked',
    says: 'Another migration or program is writing to this database.',
    prepare: plainDatabase,
    lock: 'plain.db',
    absent: 'rowback.yaml'
  },
  {
    name: 'an init of a database marked read-only',
    args: ['init', '--target', 'sqlite:plain.db'],
    exit: 1,
    code: 'target.read_only',
    says: 'plain.db is marked read-only.',
    prepare: async (shop) => {
      await plainDatabase(shop)
      await chmod(shop.at('plain.db'), 0o444)
    },
    absent: 'rowback.yaml'
  }
]

/** A database without rowback, and nothing of rowback beside it. */
async function plainDatabase(shop: Workplace): Promise<void> {
  await rm(shop.at('rowback.yaml'))
  await rm(shop.at('.rowback'), { recursive: true })
  shop.sql('CREATE TABLE t (id INTEGER PRIMARY KEY)', 'plain.db')
}

let shop: Workplace

beforeAll(async () => {
  shop = await makeShop()
})

const places: Workplace[] = []

afterAll(async () => {
  for (const place of [shop, ...places]) await place.remove()
})

async function copyOfShop(): Promise<Workplace> {
  const place = await shop.copy()
  places.push(place)
  return place
}

/** Runs the case and looks at all that must have stayed as it was. */
async function check({ args, exit, code, says, alone, prepare, lock, stdin, absent, next }: Case): Promise<void> {
  const place = await copyOfShop()
  await prepare?.(place)
  const before = await place.snapshot()
  const options = stdin === undefined ? {} : { stdin }
  // Reading a file in this process would take the lock away: POSIX gives it up with the first file closed.
  const release = lock === undefined ? () => {} : hold(place, lock)
  const machine = await place.run([...args, '--json'], options)
  const people = await place.run(args, { ...options, ...(alone && { alone }) })
  release()
  const { error, ...rest } = onlyJson<ErrorJson>(machine)
  expect({ exit: machine.code, code: error?.code, keys: Object.keys(error ?? {}), rest }).toEqual({
    exit,
    code,
    keys: ['code', 'message', 'state', 'hint'],
    rest: {}
  })
  if (typeof says === 'string') expect(error.message).toContain(says)
  else expect(error.message).toMatch(says)
  const hint = error.hint === '' ? '' : `  Next: ${error.hint}\n`
  const stderr = `Error: ${error.message}\n  ${error.state}\n${hint}`
  expect(people).toEqual({ code: exit, stdout: '', stderr })
  expect(await place.snapshot()).toEqual(before)
  expect(error.state).toBe('Nothing was changed.')
  expect(error.hint).not.toBe('')
  if (next !== undefined) expect(error.hint).toContain(next)
  if (absent) expect(existsSync(place.at(absent))).toBe(false)
}

/** Another program writes, until it is released. */
function hold(place: Workplace, name: string): () => void {
  const other = new DatabaseSync(place.at(name))
  other.exec('BEGIN IMMEDIATE')
  return () => {
    other.exec('ROLLBACK')
    other.close()
  }
}

describe.concurrent('refused, and nothing is changed', () => {
  test.each(sources)('source: $name', check)
  test.each(tables)('table: $name', check)
  test.each(targets)('target: $name', check)
  test.each(backups)('backup: $name', check)
  test.each(versions)('version: $name', check)
  test.each(usage)('usage: $name', check)
  test.each(files)('file: $name', check)
})

describe.concurrent('more refusals', () => {
  test('a file that the user may not read', async () => {
    const place = await copyOfShop()
    await place.write('private.csv', 'id,name,tier\n1,a,b\n')
    const before = await place.snapshot()
    await chmod(place.at('private.csv'), 0o000)
    await chmod(place.path, 0o755)
    const result = await place.run([...load('private.csv'), '--json'], process.getuid?.() === 0 ? { uid: 65534 } : {})
    await chmod(place.at('private.csv'), 0o644)
    const { error } = onlyJson<ErrorJson>(result)
    expect([result.code, error.code, error.message]).toEqual([
      1,
      'source.unreadable',
      'private.csv cannot be read: permission denied.'
    ])
    expect(await place.snapshot()).toEqual(before)
  })

  test('no command: the help, told as JSON where JSON is asked for', async () => {
    const result = await shop.run(['--json'], { alone: true })
    expect(result.code).toBe(2)
    expect(onlyJson<ErrorJson>(result).error).toEqual({
      code: 'usage',
      message: 'No command was given.',
      state: 'Nothing was changed.',
      hint: 'See the commands with: rowback --help'
    })
  })

  test('a query with a mistake is told as the mistake it is', async () => {
    const result = await shop.run(['query', 'SELECT * FROM customer', '--json'])
    const { error } = onlyJson<ErrorJson>(result)
    expect(result.code).toBe(1)
    expect(error.message).toContain('no such table: customer')
    expect([error.code, error.message]).not.toEqual(['unexpected', expect.stringContaining('unexpected')])
    expect(error.state).toBe('Nothing was changed.')
  })

  test('a query that would write is told that it may only read', async () => {
    const place = await copyOfShop()
    const before = await place.snapshot()
    const result = await place.run(['query', 'DELETE FROM customers', '--json'])
    const { error } = onlyJson<ErrorJson>(result)
    expect(await place.snapshot()).toEqual(before)
    expect(result.code).toBe(1)
    expect([error.code, error.hint]).not.toEqual(['target.read_only', expect.stringContaining('Make the file')])
  })

  test('the help for a broken plan shows an example of a plan, as its hint promises', async () => {
    const { stdout, code } = await shop.run(['migrate', '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('tables:')
    expect(stdout).toContain('columns:')
  })
})

interface Failed {
  rows: { table: string; line: number; column: string; code: string; reason: string; raw: Record<string, string> }[]
}

describe.concurrent('rows that fail', () => {
  const failed = [
    { table: 'customers', line: 2, column: 'id', code: 'type.integer', raw: { id: 'x', name: 'Fay', tier: 'gold' } },
    { table: 'customers', line: 4, column: 'id', code: 'type.integer', raw: { id: 'y', name: 'Hal', tier: 'gold' } },
    { table: 'customers', line: 5, column: 'id', code: 'type.integer', raw: { id: 'z', name: 'Ina', tier: 'gold' } }
  ]
  const withoutReason = (answer: Failed) => answer.rows.map(({ reason: _, ...row }) => row)

  const policies: [string, string[], string][] = [
    ['--on-failure abort', ['--on-failure', 'abort'], '3 of 4 rows failed, and --on-failure abort allows none.'],
    ['--max-failed 2', ['--max-failed', '2'], '3 of 4 rows failed, more than the 2 that --max-failed allows.'],
    ['--max-failed 50%', ['--max-failed', '50%'], '3 of 4 rows failed, more than the 50% that --max-failed allows.']
  ]

  test.each(policies)(
    '%s: exit code 1, no row is written, and the failed rows are shown',
    async (_, flags, message) => {
      const place = await copyOfShop()
      const data = () => ['customers', 'notes', 'parts'].map((table) => place.rows(`SELECT rowid, * FROM ${table}`))
      const versions = () => place.rows('SELECT version_id, status, hash FROM rowback_version ORDER BY version_id')
      const [rowsBefore, versionsBefore, filesBefore] = [data(), versions(), await place.snapshot('.rowback')]
      const result = await place.run([...load('bad.csv'), ...flags, '--json'])
      const { error } = onlyJson<ErrorJson>(result)
      expect([result.code, error]).toEqual([
        1,
        {
          code: 'rows.failed',
          message,
          state: 'Nothing was changed.',
          hint: 'See them with: rowback rows 4 --failed'
        }
      ])
      expect(data()).toEqual(rowsBefore)
      expect(versions().slice(0, -1)).toEqual(versionsBefore)
      expect(versions().at(-1)?.slice(0, 2)).toEqual([4, 'failed'])
      expect(await place.snapshot('.rowback')).toMatchObject(filesBefore)
      const shown = await place.json<Failed>(['rows', '4', '--failed'])
      expect(withoutReason(shown)).toEqual(failed)
      const log = await place.json<{ versions: { version: number; tables: unknown[]; error: string }[] }>(['log'])
      expect(log.versions[0]).toMatchObject({
        version: 4,
        status: 'failed',
        error: message,
        tables: [{ table: 'customers', failed: 3 }]
      })
    }
  )

  test('as many as are allowed: the good rows go in, exit code 3', async () => {
    for (const limit of ['3', '75%']) {
      const place = await copyOfShop()
      const answer = await place.json<{ tables: object[]; failedRows: string }>(
        [...load('bad.csv'), '--max-failed', limit],
        {
          code: 3
        }
      )
      expect(answer.tables).toMatchObject([{ table: 'customers', read: 4, inserted: 1, failed: 3 }])
      expect(answer.failedRows).toBe('.rowback/failed/4-customers.csv')
      expect(place.rows('SELECT id, name FROM customers WHERE id > 4')).toEqual([[6, 'Gus']])
    }
  })

  test('a key twice in the source, into a table that is there: the later row fails, exit code 3', async () => {
    const place = await copyOfShop()
    await place.write('twins.csv', 'id,name,tier\n7,Kim,gold\n1,Anna,gold\n7,Leo,gold\n')
    const answer = await place.json<{ tables: object[] }>(load('twins.csv'), { code: 3 })
    expect(answer.tables).toMatchObject([{ read: 3, inserted: 1, updated: 0, unchanged: 1, failed: 1 }])
    const shown = await place.json<Failed>(['rows', '4'])
    expect(shown.rows).toEqual([
      {
        table: 'customers',
        line: 4,
        column: 'id',
        code: 'duplicate_key',
        reason: 'the key id = 7 already stands on line 2 of the source',
        raw: { id: '7', name: 'Leo', tier: 'gold' }
      }
    ])
    expect(place.rows('SELECT name FROM customers WHERE id = 7')).toEqual([['Kim']])
  })

  test('people are told where to look and what to do', async () => {
    const place = await copyOfShop()
    const result = await place.run(load('bad.csv'), { alone: true })
    expect([result.code, result.stderr]).toEqual([3, ''])
    expect(result.stdout.split('\n').slice(-5)).toEqual([
      '3 rows of customers failed.',
      '  See why:  rowback rows 4 --failed',
      '  Correct:  .rowback/failed/4-customers.csv',
      '  Resubmit: rowback retry 4 .rowback/failed/4-customers.csv',
      ''
    ])
    const why = await place.run(['rows', '4', '--failed'])
    expect(why.stdout).toContain('"x" is not an integer')
  })
})
