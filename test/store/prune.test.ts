import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keptBy } from '../../src/operations/backup/keep-rules.ts'
import type { BackupListOutput } from '../../src/operations/backup/list.ts'
import { backupList } from '../../src/operations/backup/list.ts'
import type { BackupPruneOutput } from '../../src/operations/backup/prune.ts'
import { backupPrune } from '../../src/operations/backup/prune.ts'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import { backupVerify } from '../../src/operations/backup/verify.ts'
import { ranges } from '../../src/operations/ranges.ts'
import type { Rowback } from '../../src/rowback.ts'
import { open } from '../../src/rowback.ts'
import { ObjectStore } from '../../src/store/objects.ts'
import { Workplace } from '../support/cli.ts'
import { flipByte } from '../support/suite-shop.ts'

let place: Workplace
let db: Rowback

beforeEach(async () => {
  place = await Workplace.make('rowback-prune-')
  place.sql(`
    CREATE TABLE big (id INTEGER PRIMARY KEY, text TEXT);
    CREATE TABLE small (id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO small VALUES (1, 'zero');
  `)
  fill(0)
  db = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), author: 'tester' })
})

afterEach(async () => {
  await db.close()
  await place.remove()
})

/** Rows that do not pack well, a few of them others in each round. */
function fill(round: number): void {
  const rows = Array.from({ length: 3000 }, (_, id) => {
    const changed = id % 100 === round % 100 ? round : 0
    return `(${id}, '${ObjectStore.hash(`${id} ${changed}`)}')`
  })
  place.sql(`INSERT OR REPLACE INTO big VALUES ${rows.join(',')}`)
}

/** Version n gives the row of `small` the name `n`, after `big` was changed past rowback. */
async function migrate(version: number, tag?: string): Promise<void> {
  fill(version)
  const source = await place.write('small.csv', `id,name\n1,${version}\n`)
  await db.migrate({ source, table: 'small', description: `version ${version}`, ...(tag && { tag }) })
}

async function migrateTo(last: number, tags: Record<number, string> = {}): Promise<void> {
  for (let version = 1; version <= last; version++) await migrate(version, tags[version])
}

const prune = (options: Record<string, unknown>): Promise<BackupPruneOutput> =>
  db.run(backupPrune, options) as Promise<BackupPruneOutput>
const list = (): Promise<BackupListOutput> => db.run(backupList, {}) as Promise<BackupListOutput>
const verify = (options: Record<string, unknown> = {}): Promise<BackupVerifyOutput> =>
  db.run(backupVerify, { level: 'rows', ...options }) as Promise<BackupVerifyOutput>
const states = async () => (await list()).backups.map(({ state }) => state)

async function files(below: string): Promise<string[]> {
  const folder = place.at(`.rowback/${below}`)
  if (!existsSync(folder)) return []
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

const gone = (version: number) => ({
  code: 'backup.missing',
  exit: 7,
  message: expect.stringContaining(`The state of version ${version} is gone. The backup `),
  hint: 'See which versions still have theirs with: rowback backup list'
})

describe('backup list', () => {
  test('says which versions need each backup, and what all take on disk', async () => {
    await migrateTo(3, { 1: 'first' })
    const { backups, disk } = await list()
    expect(backups.map(({ state, neededBy, tags }) => [state, neededBy, tags])).toEqual([
      [2, [2], []],
      [1, [1], ['first']],
      [0, [0], []]
    ])
    const sizes = await Promise.all((await files('')).map(async (path) => (await readFile(path)).length))
    expect(disk).toEqual({ total: sizes.reduce((sum, size) => sum + size, 0), trash: 0 })
  })

  test('of which one is damaged says so, and lists the others', async () => {
    await migrateTo(3)
    const bad = (await files('manifests')).sort()[1] as string
    await flipByte(bad)
    const args = ['--target', 'sqlite:shop.db']
    const { backups, damaged, notes } = await place.json<BackupListOutput>(['backup', 'list', ...args], { code: 7 })
    expect(backups.map(({ state, neededBy }) => [state, neededBy])).toEqual([
      [2, [2]],
      [0, [0]]
    ])
    expect(damaged).toEqual([
      { backup: basename(bad, '.json'), message: `The backup file ${bad} was altered.`, neededBy: [1] }
    ])
    expect(notes).toEqual([expect.stringContaining('rowback backup verify')])
    const { code, stdout } = await place.run(['backup', 'list', ...args])
    const line = stdout.split('\n').find((text) => text.startsWith('damaged'))
    expect([code, line?.split(/ +/)]).toEqual([7, ['damaged', basename(bad).slice(0, 15), 'version', '1']])
    expect(stdout).toContain('3 backups, 1 of them damaged')
  })
})

describe('backup prune', () => {
  test('keeps what the rules keep, and says which versions are lost', async () => {
    await migrateTo(6, { 2: 'two' })
    const error = await prune({ keepLast: 2, keepTagged: true }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'prune.loses_versions',
      exit: 5,
      message: expect.stringMatching(/versions 0-1, 3 could no longer be gone back to/)
    })
    const before = await place.snapshot('.rowback')
    const rehearsed = await prune({ keepLast: 2, keepTagged: true, dryRun: true })
    expect(await place.snapshot('.rowback')).toEqual(before)
    const done = await prune({ keepLast: 2, keepTagged: true, yes: true })
    expect(done).toEqual({ ...rehearsed, dryRun: false, trash: expect.stringContaining('/.rowback/trash/') })
    expect(done).toMatchObject({ kept: 3, lostVersions: [0, 1, 3] })
    expect(done.pruned.map(({ state }) => state)).toEqual([0, 1, 3])
    expect(await states()).toEqual([5, 4, 2])
    expect(await verify()).toMatchObject({ backups: 3, problems: [] })
  })

  test('a version whose backup went is not gone back to by any other', async () => {
    await migrateTo(4)
    await prune({ keepLast: 1, yes: true })
    const before = place.rows('SELECT * FROM big, small')
    for (const version of [0, 1, 2]) {
      await expect(db.rollback(version)).rejects.toMatchObject(gone(version))
      await expect(db.rollback(version, { dryRun: true })).rejects.toMatchObject(gone(version))
      await expect(db.diff(version)).rejects.toMatchObject(gone(version))
      await expect(db.diff(version, 4, { table: 'small' })).rejects.toMatchObject(gone(version))
      await expect(verify({ version })).rejects.toMatchObject({ code: 'backup.missing', exit: 7 })
    }
    expect(place.rows('SELECT * FROM big, small')).toEqual(before)
    await db.rollback(3, { yes: true })
    expect(place.rows('SELECT name FROM small')).toEqual([['3']])
  })

  test('keeps the objects that kept backups are deltas against', async () => {
    await migrateTo(8)
    const { objects } = await prune({ keepLast: 1, yes: true })
    expect(objects).toBeGreaterThan(5)
    expect(await verify()).toMatchObject({ backups: 1, problems: [] })
    await db.rollback(7, { yes: true })
    await migrate(9)
    expect(await verify()).toMatchObject({ problems: [] })
  })

  test('needs one rule, and no --yes where no version is lost', async () => {
    await expect(prune({})).rejects.toMatchObject({ code: 'prune.no_rule', exit: 2 })
    await expect(prune({ yes: true, grace: 0 })).rejects.toMatchObject({ code: 'prune.no_rule' })
    await migrateTo(1)
    expect(await prune({ keepLast: 5 })).toMatchObject({ pruned: [], kept: 1, trash: null })
  })

  test('of a database where nothing was migrated has nothing to do', async () => {
    expect(await prune({ keepLast: 1 })).toMatchObject({ pruned: [], kept: 0, objects: 0 })
    expect(existsSync(place.at('.rowback'))).toBe(false)
  })

  test('empties the trash when the grace period is over, and not before', async () => {
    await migrateTo(3)
    const { trash } = await prune({ keepLast: 2, yes: true })
    const moved = await files('trash')
    expect(moved.map((path) => path.slice((trash as string).length))).toContainEqual(
      expect.stringMatching(/^\/manifests\/000001-/)
    )
    expect((await list()).disk.trash).toBeGreaterThan(0)
    expect(await prune({ keepLast: 2 })).toMatchObject({ emptied: [] })
    expect(await files('trash')).toEqual(moved)
    const old = place.at('.rowback/trash/20200101T000000Z')
    await rename(trash as string, old)
    expect(await prune({ keepLast: 2 })).toMatchObject({ emptied: [old], trash: null })
    expect(await files('trash')).toEqual([])
    // What is no folder of ours stays.
    await mkdir(place.at('.rowback/trash/notes'), { recursive: true })
    expect(await prune({ keepLast: 2, grace: 0 })).toMatchObject({ emptied: [] })
  })

  test('rows whose object is in the trash are stored again', async () => {
    await migrateTo(2)
    await prune({ keepLast: 0, yes: true })
    expect(await states()).toEqual([])
    expect(await files('objects')).toEqual([])
    await migrate(3)
    expect(await verify()).toMatchObject({ backups: 1, problems: [] })
    expect((await list()).backups[0]?.backup).toMatch(/^000003-/)
    await db.rollback(2, { yes: true })
    expect(place.rows('SELECT name FROM small')).toEqual([['2']])
  })

  test('tables with a history of their own lose nothing, and need no --yes', async () => {
    const source = await place.write('dogs.csv', 'id,name\n1,Rex\n')
    await db.migrate({ source, table: 'dogs', key: ['id'], create: true, strategy: 'incremental', description: 'dogs' })
    place.sql('DROP TABLE big; DROP TABLE small')
    await place.write('dogs.csv', 'id,name\n1,Max\n')
    await db.migrate({ source, table: 'dogs', strategy: 'snapshot', mode: 'upsert', description: 'more dogs' })
    expect((await list()).backups).toMatchObject([{ state: 1, neededBy: [] }])
    await prune({ keepLast: 0 })
    expect(await states()).toEqual([])
    expect((await db.diff(1, 2)).tables).toMatchObject([{ table: 'dogs', updated: 1 }])
    await db.rollback(1)
    expect(place.rows('SELECT name FROM dogs')).toEqual([['Rex']])
  })
})

describe('a prune that is interrupted', () => {
  test('anywhere leaves backups that can be used, and is finished by the next', async () => {
    await migrateTo(5)
    const whole = place.at('whole')
    await cp(place.at('.rowback'), whole, { recursive: true })
    const { trash } = await prune({ keepLast: 2, yes: true })
    const moved = await files('trash')
    // The order in which they went; a crash after any of them leaves the rest where it was.
    const inOrder = [
      ...moved.filter((path) => path.includes('/manifests/')),
      ...moved.filter((path) => path.endsWith('.zst'))
    ]
    const after = place.at('after')
    await cp(place.at('.rowback'), after, { recursive: true })
    for (let went = 0; went <= inOrder.length; went++) {
      await rm(place.at('.rowback'), { recursive: true })
      await cp(after, place.at('.rowback'), { recursive: true })
      for (const path of inOrder.slice(went)) {
        const back = place.at('.rowback') + path.slice((trash as string).length)
        await mkdir(dirname(back), { recursive: true })
        await rename(path, back)
      }
      expect(await verify(), `after ${went} moves`).toMatchObject({ problems: [] })
      const finished = await prune({ keepLast: 2, yes: true })
      expect(finished).toMatchObject({ kept: 2 })
      const left = (await files('')).filter((path) => !path.includes('/trash/')).sort()
      const expected = (await readdir(after, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile() && !entry.parentPath.includes('/trash/'))
        .map((entry) => join(entry.parentPath, entry.name).replace(after, place.at('.rowback')))
      expect(left).toEqual(expected.sort())
    }
  })

  test('before it noted anything has changed nothing', async () => {
    await migrateTo(3)
    await mkdir(place.at('.rowback/tmp'), { recursive: true })
    await place.write('.rowback/tmp/unfinished', 'x')
    await utimes(place.at('.rowback/tmp/unfinished'), 0, 0)
    expect(await verify()).toMatchObject({ backups: 3, problems: [] })
    await prune({ keepLast: 3 })
    expect(await files('tmp')).toEqual([])
  })
})

describe('a prune is refused, with nothing taken away,', () => {
  async function refused(code: string): Promise<void> {
    const before = await place.snapshot('.rowback')
    await expect(prune({ keepLast: 1, yes: true })).rejects.toMatchObject({ code, exit: 7 })
    expect(await place.snapshot('.rowback')).toEqual(before)
  }

  beforeEach(() => migrateTo(4))

  test('when a manifest is damaged', async () => {
    await flipByte((await files('manifests')).sort()[0] as string)
    await refused('backup.damaged')
  })

  test('when a manifest that the ledger names is missing', async () => {
    await rm((await files('manifests')).sort()[0] as string)
    await refused('backup.missing')
  })

  test('when all manifests are missing', async () => {
    await rename(place.at('.rowback/manifests'), place.at('elsewhere'))
    await refused('backup.missing')
  })

  test('when an object that is needed is missing', async () => {
    const { tables } = JSON.parse(await readFile((await files('manifests')).sort().at(-1) as string, 'utf8'))
    const { object } = tables[0].chunks[0]
    await rm(place.at(`.rowback/objects/${object.slice(0, 2)}/${object}.zst`))
    await refused('backup.damaged')
  })
})

describe('rules', () => {
  const backups = ['2026-01-01T01', '2026-01-01T02', '2026-01-03T01', '2026-01-04T01', '2026-01-04T05'].map(
    (takenAt, i) => ({ takenAt, tags: i === 0 ? ['v1'] : [] })
  )
  test.each([
    [{ keepLast: 2 }, [3, 4]],
    [{ keepLast: 0 }, []],
    [{ keepLast: 99 }, [0, 1, 2, 3, 4]],
    [{ keepDaily: 1 }, [4]],
    [{ keepDaily: 3 }, [1, 2, 4]],
    [{ keepTagged: true }, [0]],
    [{ keepLast: 1, keepDaily: 2, keepTagged: true }, [0, 2, 4]]
  ])('%j', (rules, kept) => {
    const result = keptBy({ keepTagged: false, ...rules }, backups)
    expect(backups.flatMap((backup, i) => (result.has(backup) ? [i] : []))).toEqual(kept)
  })

  test('versions in ranges', () => {
    expect([ranges([]), ranges([3]), ranges([0, 1, 2, 5, 7, 8])]).toEqual(['', '3', '0-2, 5, 7-8'])
  })
})

test('takes nothing away while what would stay is damaged', async () => {
  await migrateTo(2)
  const newest = (await list()).backups[0]?.backup as string
  const { tables } = JSON.parse(await readFile(place.at(`.rowback/manifests/${newest}.json`), 'utf8'))
  const [chunk] = tables.find((table: { name: string }) => table.name === 'big').chunks
  await flipByte(place.at(`.rowback/objects/${chunk.object.slice(0, 2)}/${chunk.object}.zst`))
  const before = await place.snapshot('.rowback')
  await db.close()
  db = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), author: 'tester' })
  await expect(prune({ keepLast: 1, yes: true })).rejects.toMatchObject({ code: 'backup.damaged', exit: 7 })
  expect(await place.snapshot('.rowback')).toEqual(before)
})
