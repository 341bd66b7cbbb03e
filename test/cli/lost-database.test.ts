import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BackupListOutput } from '../../src/operations/backup/list.ts'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import { ledgerStays } from '../../src/operations/lost-database.ts'
import type { WrittenState } from '../../src/operations/write-state.ts'
import { Workplace } from '../support/cli.ts'
import { flipByte } from '../support/suite-shop.ts'

interface Failure {
  error: { code: string; message: string; state: string; hint: string }
}

const ALL = 'SELECT * FROM customers ORDER BY id'
const FIRST = [
  [1, 'Ann'],
  [2, 'Bea']
]
const SECOND = [
  [1, 'Ann'],
  [2, 'Bee'],
  [3, 'Cleo']
]

let place: Workplace

beforeEach(async () => {
  place = await Workplace.make()
  await place.write('one.csv', 'id,name\n1,Ann\n2,Bea\n')
  await place.write('two.csv', 'id,name\n2,Bee\n3,Cleo\n')
  await place.write('rowback.yaml', 'target: sqlite:shop.db\n')
})

afterEach(() => place.remove())

const migrate = (source: string, ...more: string[]) =>
  place.json(['migrate', source, '--table', 'customers', '--key', 'id', '-m', source, ...more])

/** Version 1, a backup of it, version 2, and a backup of that; then the file is deleted. */
async function loseShop(...flags: string[]): Promise<void> {
  await migrate('one.csv', '--create', ...flags)
  place.sql('CREATE VIEW names AS SELECT name FROM customers')
  if (flags.includes('incremental')) await place.json(['backup', 'create'])
  await migrate('two.csv', ...flags)
  await place.json(['backup', 'create'])
  await rm(place.at('shop.db'))
}

async function backupNames(): Promise<string[]> {
  return (await place.json<BackupListOutput>(['backup', 'list'])).backups.map(({ backup }) => backup).reverse()
}

/** The repository gets a second backup with the number of its newest. */
async function doubleNewest(): Promise<string[]> {
  const [name = ''] = (await readdir(place.at('.rowback/manifests'))).sort().slice(-1)
  const manifest = JSON.parse(await readFile(place.at(`.rowback/manifests/${name}`), 'utf8'))
  const text = JSON.stringify({ ...manifest, takenAt: '2030-01-01T00:00:00.000Z' })
  const hash = createHash('sha256').update(text).digest('hex')
  const twin = `${name.slice(0, 7)}${hash}.json`
  await writeFile(place.at(`.rowback/manifests/${twin}`), text)
  return [name, twin].sort().map((file) => file.replace('.json', ''))
}

describe.each(['snapshot', 'incremental'])('when the SQLite file is deleted, under %s', (strategy) => {
  beforeEach(() => loseShop('--strategy', strategy))

  test('the backups are listed, each with its state, and what is not known is said', async () => {
    const list = await place.json<BackupListOutput>(['backup', 'list'])
    const newest = list.backups[0]
    expect(newest).toMatchObject({ state: 2, version: null, rows: 3, neededBy: null, tags: [] })
    expect(list.disk.total).toBeGreaterThan(0)
    expect(list.notes).toEqual([
      'There is no database shop.db. Without its ledger it is not known which versions need which backup.',
      'Write what a backup holds into another database with: rowback backup restore BACKUP --to URL',
      'The newest state that can be restored is that of version 2, which a backup has: rowback backup restore latest --to URL'
    ])
    const command = 'rowback backup restore latest --to URL'
    expect(list.newest).toEqual({ version: 2, backup: newest?.backup, command })
    const told = await place.run(['backup', 'list', '--target', 'sqlite:shop.db'])
    expect(told.code).toBe(0)
    expect(told.stdout).toContain('not known')
    expect(told.stdout).toContain('rowback backup restore --target sqlite:shop.db BACKUP --to URL')
    expect(existsSync(place.at('shop.db'))).toBe(false)
  })

  test('latest is written: every row of every table and the view, with a word on how old it is', async () => {
    const newest = (await place.json<BackupListOutput>(['backup', 'list'])).backups[0]
    const written = await place.json<WrittenState>(['backup', 'restore', 'latest', '--to', 'back.db'])
    expect(written).toEqual({
      from: 2,
      backup: newest?.backup,
      to: 'back.db',
      tables: [{ table: 'customers', rows: 3 }],
      notes: [
        `The backup holds the state of version 2, taken at ${newest?.takenAt}; changes made after that are not in it.`,
        ledgerStays('back.db')
      ]
    })
    expect(place.rows(ALL, 'back.db')).toEqual(SECOND)
    expect(place.rows('SELECT * FROM names ORDER BY 1', 'back.db')).toEqual([['Ann'], ['Bee'], ['Cleo']])
    expect(place.rows("SELECT name FROM sqlite_schema WHERE type = 'table'", 'back.db')).toEqual([['customers']])
  })

  test('an older one is written by a beginning of its name, and by its whole name', async () => {
    const names = await backupNames()
    const ofFirst = names.at(-2) as string
    for (const [i, name] of [ofFirst.slice(0, 6), ofFirst.slice(0, 15), ofFirst].entries()) {
      const told = await place.run(['backup', 'restore', name, '--to', `back-${i}.db`])
      expect(told.stderr).toBe('')
      expect(told.stdout).toMatch(`Backup ${ofFirst.slice(0, 15)} is in back-${i}.db, read back and compared.`)
      expect(place.rows(ALL, `back-${i}.db`)).toEqual(FIRST)
    }
  })

  test('it is written to where the database was', async () => {
    await place.json(['backup', 'restore', 'latest', '--to', 'shop.db'])
    expect(place.rows(ALL)).toEqual(SECOND)
    // It has no ledger, so its backups are listed and written as before.
    const [note] = (await place.json<BackupListOutput>(['backup', 'list'])).notes
    expect(note).toMatch(/^shop\.db has no versions\. Without its ledger/)
    await place.json(['backup', 'restore', 'latest', '--to', 'again.db'])
    expect(place.rows(ALL, 'again.db')).toEqual(SECOND)
    // Change sets say what each version left, or a backup says that it has just that state.
    await place.json(['backup', 'restore', '1', '--to', 'x.db'])
    expect(place.rows(ALL, 'x.db')).toEqual(FIRST)
  })

  test('a version that never was is refused, with the newest that was', async () => {
    const { error } = await place.json<Failure>(['backup', 'restore', '3', '--to', 'x.db'], { code: 1 })
    expect(error).toMatchObject({
      code: 'version.unknown',
      message: `The repository ${place.at('.rowback')} knows of no version 3: the newest whose state it has is 2.`
    })
    expect(error.hint).toContain('rowback backup restore 2 --to URL')
    expect(existsSync(place.at('x.db'))).toBe(false)
  })

  test('every other command says that the repository has it, and the way back leads on', async () => {
    for (const command of [['status'], ['log'], ['rollback', '1'], ['diff', '1', '2']]) {
      const { error } = await place.json<Failure>(command, { code: 1 })
      expect(error.code).toBe('target.missing')
      expect(error.message).toContain(`There is no database shop.db. The repository ${place.at('.rowback')} has `)
      expect(error.hint).toContain('rowback backup restore latest --to URL')
      expect(error.hint).not.toContain('load a first file')
    }
    const { notes } = await place.json<WrittenState>(['backup', 'restore', 'latest', '--to', 'shop.db'])
    expect(notes).toContain(ledgerStays('shop.db'))
    const { error } = await place.json<Failure>(
      ['migrate', 'one.csv', '--table', 'customers', '--key', 'id', '-m', 'x'],
      { code: 2 }
    )
    expect(error.code).toBe('repository.other_database')
    expect(error.hint).toContain('--repository DIR')
    await migrate('one.csv', '--repository', 'new')
    await place.json(['rollback', '0', '--yes', '--repository', 'new'])
    expect(place.rows(ALL)).toEqual(SECOND)
    // What was before stays in the old folder.
    await place.json(['backup', 'restore', 'latest', '--to', 'old.db'])
    expect(place.rows(ALL, 'old.db')).toEqual(SECOND)
  })

  test('one that is damaged is named, and keeps nobody from the others', async () => {
    const names = await backupNames()
    await flipByte(place.at(`.rowback/manifests/${names.at(-1)}.json`))
    const list = await place.json<BackupListOutput>(['backup', 'list'], { code: 7 })
    expect(list.backups.map(({ backup }) => backup).reverse()).toEqual(names.slice(0, -1))
    expect(list.damaged).toEqual([expect.objectContaining({ backup: names.at(-1), neededBy: null })])
    expect(list.notes.at(-1)).toContain('rowback backup verify')
    const { notes } = await place.json<WrittenState>([
      ...['backup', 'restore', strategy === 'incremental' ? '1' : (names.at(-2) as string), '--to', 'back.db']
    ])
    expect(place.rows(ALL, 'back.db')).toEqual(FIRST)
    const leftOut = `What cannot be read was left out, also where it is nearer to that version: backup ${names.at(-1)?.slice(0, 15)}.`
    expect(notes.includes(leftOut)).toBe(strategy === 'incremental')
  })

  test('the backups are checked, to the last row', async () => {
    const found = await place.json<BackupVerifyOutput>(['backup', 'verify', '--level', 'rows'])
    expect(found).toMatchObject({ backups: (await backupNames()).length, problems: [], rehearsal: null })
    expect(found.notes).toEqual([
      'There is no database shop.db. Without its ledger it is not known whether any backup is missing.'
    ])
    for (const more of [['1'], ['--rehearse']]) {
      const { error } = await place.json<Failure>(['backup', 'verify', ...more], { code: 1 })
      expect(error.message).toMatch(/^There is no database shop\.db\. Without it/)
      expect(error.hint).toContain('rowback backup restore BACKUP --to URL')
    }
  })
})

describe('a version of a lost database', () => {
  test.each([
    ['backup restore', 'april'],
    ['checkout', '1']
  ])('%s %s says that the ledger is needed, and shows the way', async (command, version) => {
    await loseShop()
    const words = [...command.split(' '), version, '--to', 'x.db', '--repository', '.rowback']
    const { error } = await place.json<Failure>(words, { code: 1 })
    expect(error.code).toBe('target.missing')
    expect(error.message).toBe(
      'There is no database shop.db. Which backup holds a version, only the ledger in its database knows.'
    )
    expect(error.hint).toContain('rowback backup list --repository .rowback, then rowback backup restore')
    expect(error.hint).not.toContain('load a first file')
    expect(existsSync(place.at('x.db'))).toBe(false)
    expect(existsSync(place.at('shop.db'))).toBe(false)
  })

  test('without any backup it is a database that is not there, as ever', async () => {
    for (const words of [
      ['backup', 'list'],
      ['backup', 'verify'],
      ['checkout', '1', '--to', 'x.db']
    ]) {
      const { error } = await place.json<Failure>(words, { code: 1 })
      expect(error).toMatchObject({ code: 'target.missing', message: 'There is no database shop.db.' })
    }
    const { error } = await place.json<Failure>(['backup', 'restore', 'latest', '--to', 'x.db'], { code: 7 })
    expect(error.message).toMatch(/^There are no backups in .*\.rowback\.$/)
    expect(await readdir(place.path)).toEqual(expect.not.arrayContaining(['shop.db', 'x.db', '.rowback']))
  })
})

describe('versions that are newer than the latest full backup', () => {
  /** By version. */
  const STATES = [FIRST, FIRST, SECOND, [...SECOND, [4, 'Dan']]]

  /** Version 0 in a backup, and three versions after it; or a repository without any backup. */
  async function loseVersions(hasBackup: boolean): Promise<void> {
    await place.write('three.csv', 'id,name\n4,Dan\n')
    const incremental = ['--strategy', 'incremental']
    if (hasBackup) {
      place.sql(
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bea')"
      )
      await migrate('one.csv', ...incremental)
    } else await migrate('one.csv', '--create', ...incremental)
    for (const source of ['two.csv', 'three.csv']) await migrate(source, ...incremental)
    if (hasBackup) {
      // As long as the database is there, a backup's name means that backup, and what it lacks is said.
      const { notes } = await place.json<WrittenState>(['backup', 'restore', 'latest', '--to', 'there.db'])
      expect(notes[1]).toBe(
        'It is the latest full backup, and not the newest version, which is 3: rowback backup restore 3 --to URL'
      )
    }
    await rm(place.at('shop.db'))
  }

  test.each([true, false])('are what latest means, and what the list names, with a backup: %s', async (hasBackup) => {
    await loseVersions(hasBackup)
    const list = await place.json<BackupListOutput>(['backup', 'list'])
    expect(list.backups).toHaveLength(hasBackup ? 1 : 0)
    expect(list.newest).toEqual({ version: 3, backup: null, command: 'rowback backup restore latest --to URL' })
    const told = await place.run(['backup', 'list', '--target', 'sqlite:shop.db'])
    expect(told.stdout).toContain(
      'The newest state that can be restored is that of version 3, made of change sets: rowback backup restore --target sqlite:shop.db latest --to URL'
    )
    for (const command of ['backup restore', 'checkout']) {
      const to = `${command.slice(-4)}.db`
      const written = await place.run([...command.split(' '), 'latest', '--to', to])
      expect(written.stdout).toMatch(new RegExp(`^Version 3 is in ${to}, read back and compared\\.`))
      expect(place.rows(ALL, to)).toEqual(STATES[3])
    }
  })

  test('older ones are there as well, version 0 where a backup says that it has it', async () => {
    await loseVersions(true)
    for (const [version, rows] of STATES.entries()) {
      await place.json(['backup', 'restore', String(version), '--to', `at-${version}.db`])
      expect(place.rows(ALL, `at-${version}.db`)).toEqual(rows)
    }
    const { error } = await place.json<Failure>(['backup', 'restore', '4', '--to', 'x.db'], { code: 1 })
    expect(error.code).toBe('version.unknown')
  })

  test('no older one stands in for the latest where a change set is missing', async () => {
    await loseVersions(true)
    const sets = (await readdir(place.at('.rowback/changesets'))).sort()
    await rm(place.at(`.rowback/changesets/${sets[1]}`))
    const { error } = await place.json<Failure>(['backup', 'restore', 'latest', '--to', 'x.db'], { code: 7 })
    expect(error.message).toMatch(
      /^The newest state cannot be made\. customers cannot be made: .* change set of version 2/
    )
    expect(error.hint).toContain('rowback backup restore 1 --to URL')
    const list = await place.json<BackupListOutput>(['backup', 'list'])
    expect(list.newest).toEqual({ version: 1, backup: null, command: 'rowback backup restore 1 --to URL' })
    expect(list.notes.at(-2)).toMatch(/^Newer states cannot be made\. customers cannot be made/)
    await place.json(['backup', 'restore', '1', '--to', 'x.db'])
    expect(place.rows(ALL, 'x.db')).toEqual(FIRST)
  })
})

describe('the name of a backup', () => {
  test('is looked up in the folder alone, whatever target is configured', async () => {
    await loseShop()
    await cp(place.at('.rowback'), place.at('kept'), { recursive: true })
    await rm(place.at('.rowback'), { recursive: true })
    const restore = ['backup', 'restore', 'latest', '--repository', 'kept', '--to']
    await place.write('rowback.yaml', 'target: nonsense\n')
    await place.json([...restore, 'a.db'])
    await place.json([...restore, 'b.db'], { env: { ROWBACK_TARGET: 'mysql://root@127.0.0.1:1/shop' } })
    await rm(place.at('rowback.yaml'))
    await place.json([...restore, 'c.db'])
    // A database with versions of its own is not asked either.
    await migrate('one.csv', '--create', '--tag', 'mine')
    await place.json([...restore, 'd.db'])
    for (const file of ['a.db', 'b.db', 'c.db', 'd.db']) expect(place.rows(ALL, file)).toEqual(SECOND)
  })

  test('also works while the database is there; a number without leading zeros stays a version', async () => {
    await migrate('one.csv', '--create')
    await migrate('two.csv')
    expect(await backupNames()).toHaveLength(2)
    const byBackup = await place.json<WrittenState>(['backup', 'restore', '000002', '--to', 'a.db'])
    expect(byBackup).toMatchObject({ from: 1, backup: expect.stringMatching(/^000002-/) })
    const byVersion = await place.json<WrittenState>(['backup', 'restore', '2', '--to', 'b.db'])
    expect(byVersion).toEqual({ from: 2, to: 'b.db', tables: [{ table: 'customers', rows: 3 }], notes: [] })
    expect(place.rows(ALL, 'a.db')).toEqual(FIRST)
    expect(place.rows(ALL, 'b.db')).toEqual(SECOND)
  })

  test('is refused where it is also a tag, and a tag that looks like one is a version', async () => {
    await migrate('one.csv', '--create', '--tag', 'latest')
    await migrate('two.csv', '--tag', '202611-01')
    const { error } = await place.json<Failure>(['backup', 'restore', 'latest', '--to', 'x.db'], { code: 2 })
    expect(error).toMatchObject({
      code: 'backup.ambiguous',
      message: '"latest" is the tag of version 1, and may be a backup.'
    })
    const tagged = await place.json<WrittenState>(['backup', 'restore', '202611-01', '--to', 'y.db'])
    expect(tagged.from).toBe(2)
  })

  test('is refused where several begin so, with enough of each to tell them apart', async () => {
    await loseShop()
    const twins = await doubleNewest()
    for (const word of ['latest', '000003']) {
      const { error } = await place.json<Failure>(['backup', 'restore', word, '--to', 'x.db'], { code: 2 })
      expect(error).toEqual({
        code: 'backup.ambiguous',
        message: `"${word}" may be 2 backups: ${twins.map((name) => name.slice(0, 15)).join(', ')}.`,
        state: 'Nothing was changed.',
        hint: 'Write more of the name.'
      })
    }
    await place.json(['backup', 'restore', (twins[1] as string).slice(0, 15), '--to', 'x.db'])
    expect(place.rows(ALL, 'x.db')).toEqual(SECOND)
  })

  test('is refused where there is none such', async () => {
    await loseShop()
    for (const word of ['000009', '000001-ffffffffff']) {
      const { error } = await place.json<Failure>(['backup', 'restore', word, '--to', 'x.db'], { code: 7 })
      expect(error.code).toBe('backup.missing')
      expect(error.message).toMatch(`There is no backup "${word}" in the repository `)
    }
    const { error } = await place.json<Failure>(['backup', 'restore', 'latest', '--to', 'x.db', '--table', 'dogs'], {
      code: 2
    })
    expect(error.message).toMatch(/^There was no table dogs at backup 000003-[0-9a-f]{8}\.$/)
    expect(existsSync(place.at('x.db'))).toBe(false)
  })
})

describe('damage', () => {
  beforeEach(() => loseShop())

  async function expectDamaged(): Promise<void> {
    const { error } = await place.json<Failure>(['backup', 'restore', 'latest', '--to', 'x.db'], { code: 7 })
    expect(error.code).toBe('backup.damaged')
    expect(existsSync(place.at('x.db'))).toBe(false)
  }

  test('of a manifest is named, and no older backup stands in for it', async () => {
    const [, , newest] = await backupNames()
    const file = place.at(`.rowback/manifests/${newest}.json`)
    await writeFile(file, (await readFile(file, 'utf8')).replace('"state":2', '"state":1'))
    await expectDamaged()
    const found = await place.json<BackupVerifyOutput>(['backup', 'verify'], { code: 7 })
    expect(found.problems).toMatchObject([{ backups: [newest], versions: [] }])
    await place.json(['backup', 'restore', '000002', '--to', 'older.db'])
    expect(place.rows(ALL, 'older.db')).toEqual(FIRST)
  })

  test('of rows is named, and nothing is left where they were to go', async () => {
    for (const name of await readdir(place.at('.rowback/objects'), { recursive: true })) {
      const path = place.at(`.rowback/objects/${name}`)
      const bytes = await readFile(path).catch(() => null)
      if (bytes) await writeFile(path, bytes.subarray(0, -1))
    }
    await expectDamaged()
    expect((await place.run(['backup', 'verify'])).code).toBe(7)
  })

  test('of the database is no hindrance; one that is only locked is asked later', async () => {
    await writeFile(place.at('shop.db'), 'no database '.repeat(100))
    expect(await backupNames()).toHaveLength(3)
    await place.json(['backup', 'restore', 'latest', '--to', 'back.db'])
    expect(place.rows(ALL, 'back.db')).toEqual(SECOND)
    await cp(place.at('back.db'), place.at('shop.db'))
    const other = new DatabaseSync(place.at('shop.db'))
    try {
      other.exec('BEGIN EXCLUSIVE')
      expect((await place.run(['backup', 'list'])).code).toBe(4)
      await place.json(['backup', 'restore', 'latest', '--to', 'again.db'])
    } finally {
      other.close()
    }
  })
})
