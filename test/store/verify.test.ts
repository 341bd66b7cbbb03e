import { readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BackupListOutput } from '../../src/operations/backup/list.ts'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import { backupVerify } from '../../src/operations/backup/verify.ts'
import type { Rowback } from '../../src/rowback.ts'
import { open } from '../../src/rowback.ts'
import type { Manifest } from '../../src/store/manifest.ts'
import { ObjectStore } from '../../src/store/objects.ts'
import type { VerifyLevel } from '../../src/store/verify.ts'
import { VERIFY_LEVELS } from '../../src/store/verify.ts'
import { Workplace } from '../support/cli.ts'
import { flipByte } from '../support/suite-shop.ts'

let place: Workplace
let db: Rowback

/** Three versions, each with a backup before it; `big` was changed past rowback before the third. */
beforeEach(async () => {
  place = await Workplace.make('rowback-verify-')
  const rows = Array.from({ length: 3000 }, (_, id) => `(${id}, '${ObjectStore.hash(String(id))}')`)
  place.sql(`
    CREATE TABLE big (id INTEGER PRIMARY KEY, text TEXT);
    INSERT INTO big VALUES ${rows.join(',')};
    CREATE TABLE names (name TEXT PRIMARY KEY, n REAL) WITHOUT ROWID;
    INSERT INTO names VALUES ('A', 1.5), ('a', NULL), ('ä', 2), ('你', 3);
    CREATE TABLE loose (x); INSERT INTO loose VALUES (x'00ff'), (NULL), ('text');
    CREATE TABLE small (id INTEGER PRIMARY KEY, name TEXT);
  `)
  db = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), author: 'tester' })
  for (const version of [1, 2, 3]) {
    if (version === 3) place.sql("UPDATE big SET text = 'changed' WHERE id = 1000")
    const source = await place.write('small.csv', `id,name\n1,${version}\n`)
    await db.migrate({ source, table: 'small', description: `${version}`, mode: 'upsert', key: ['id'] })
  }
})

afterEach(async () => {
  await db.close()
  await place.remove()
})

const verify = (level: VerifyLevel, version?: number): Promise<BackupVerifyOutput> =>
  db.run(backupVerify, { level, ...(version !== undefined && { version }) }) as Promise<BackupVerifyOutput>

async function manifestPath(sequence: number): Promise<string> {
  const names = await readdir(place.at('.rowback/manifests'))
  return place.at(`.rowback/manifests/${names.find((name) => Number.parseInt(name, 10) === sequence)}`)
}

async function manifest(sequence: number): Promise<Manifest> {
  return JSON.parse(await readFile(await manifestPath(sequence), 'utf8')) as Manifest
}

async function objectPath(sequence: number, table: string): Promise<string> {
  const object = (await manifest(sequence)).tables.find(({ name }) => name === table)?.chunks[0]?.object ?? ''
  return place.at(`.rowback/objects/${object.slice(0, 2)}/${object}.zst`)
}

/** Each level's answer to damage: whether it sees it. */
async function seenBy(): Promise<boolean[]> {
  const seen: boolean[] = []
  for (const level of VERIFY_LEVELS) seen.push((await verify(level)).problems.length > 0)
  return seen
}

/** Puts rows of a table into the first backup as a liar would: every hash is right. */
async function forge(table: string, change: (lines: string[]) => string[], rows?: number): Promise<void> {
  const path = await manifestPath(1)
  const forged = await manifest(1)
  const entry = forged.tables.find(({ name }) => name === table) as Manifest['tables'][number]
  const [chunk] = entry.chunks as [Manifest['tables'][number]['chunks'][number]]
  const store = new ObjectStore(place.at('.rowback'))
  const lines = (await store.get(chunk.object)).toString().slice(0, -1).split('\n')
  const bytes = Buffer.from(`${change(lines).join('\n')}\n`)
  chunk.object = ObjectStore.hash(bytes)
  chunk.rows = rows ?? chunk.rows
  entry.rows = rows ?? entry.rows
  await store.put(chunk.object, bytes)
  const text = JSON.stringify(forged)
  await rename(path, join(place.at('.rowback/manifests'), `000001-${ObjectStore.hash(text)}.json`))
  await writeFile(place.at(`.rowback/manifests/000001-${ObjectStore.hash(text)}.json`), text)
}

describe('backup verify', () => {
  test('finds nothing in sound backups, at any level', async () => {
    for (const level of VERIFY_LEVELS) {
      expect(await verify(level)).toEqual({
        level,
        backups: 3,
        changeSets: 0,
        records: 3,
        objects: level === 'manifests' ? 0 : 8,
        problems: [],
        rehearsal: null,
        notes: []
      })
    }
    expect(await verify('rows', 0)).toMatchObject({ backups: 1, problems: [] })
    await expect(verify('rows', 3)).rejects.toMatchObject({ code: 'backup.missing', exit: 7 })
  })

  test('an altered manifest: every level; with its versions', async () => {
    const path = await manifestPath(2)
    await flipByte(path)
    expect(await seenBy()).toEqual([true, true, true, true])
    const name = path.slice(path.lastIndexOf('/') + 1, -5)
    expect((await verify('manifests')).problems).toEqual([
      { file: path, message: `The backup file ${path} was altered.`, backups: [name], versions: [1] }
    ])
    expect((await verify('rows', 0)).problems).toEqual([])
  })

  test('a missing manifest is listed among the damaged, with its versions', async () => {
    const path = await manifestPath(2)
    await rm(path)
    const name = path.slice(path.lastIndexOf('/') + 1, -5)
    const list = await place.json<BackupListOutput>(['backup', 'list', '--target', 'sqlite:shop.db'], { code: 7 })
    expect(list.backups.map(({ version }) => version)).toEqual([3, 1])
    expect(list.damaged).toEqual([
      { backup: name, message: `The backup ${name} is not in the repository ${place.at('.rowback')}.`, neededBy: [1] }
    ])
  })

  test('an altered record of what a version left: every level, and no rollback on it', async () => {
    const [, second = ''] = (await readdir(place.at('.rowback/left'))).sort()
    const path = place.at(`.rowback/left/${second}`)
    const good = await readFile(path)
    await flipByte(path)
    expect(await seenBy()).toEqual([true, true, true, true])
    const found = await place.json<BackupVerifyOutput>([...['backup', 'verify'], '--target', 'sqlite:shop.db'], {
      code: 7
    })
    expect(found.problems).toEqual([
      {
        file: path,
        message: `The record of what version 2 left: The backup file ${path} was altered.`,
        backups: [],
        versions: []
      }
    ])
    const before = place.rows('SELECT count(*) FROM rowback_version')
    await expect(db.rollback(1)).rejects.toMatchObject({ code: 'backup.damaged', exit: 7 })
    expect(place.rows('SELECT count(*) FROM rowback_version')).toEqual(before)
    const list = await place.json<BackupListOutput>(['backup', 'list', '--target', 'sqlite:shop.db'])
    expect(list.records.map(({ version }) => version)).toEqual([3, 1])
    expect(list.notes).toEqual([`The backup file ${path} was altered.`, expect.stringContaining('backup verify')])
    await writeFile(path, good)
    expect(await seenBy()).toEqual([false, false, false, false])
    await flipByte(path)
    await db.rollback(1, { yes: true })
    expect(place.rows('SELECT * FROM small')).toEqual([[1, '1']])
  })

  test('a missing object of what the head left: from objects on', async () => {
    const last = (await readdir(place.at('.rowback/left'))).sort().at(-1) ?? ''
    const record = JSON.parse(await readFile(place.at(`.rowback/left/${last}`), 'utf8')) as Manifest
    const object = record.tables.find(({ name }) => name === 'small')?.chunks[0]?.object ?? ''
    await unlink(place.at(`.rowback/objects/${object.slice(0, 2)}/${object}.zst`))
    expect(await seenBy()).toEqual([false, true, true, true])
    expect((await verify('hashes')).problems).toMatchObject([
      { message: expect.stringMatching(/^The record of what version 3 left: .* is missing/) }
    ])
  })

  test('a missing manifest that the ledger names: every level', async () => {
    await unlink(await manifestPath(1))
    expect(await seenBy()).toEqual([true, true, true, true])
    expect((await verify('manifests')).problems).toMatchObject([{ file: null, versions: [0] }])
  })

  test('a missing object, and one that deltas need: from objects on, in all backups that need it', async () => {
    const path = await objectPath(1, 'big')
    await rm(path)
    expect(await seenBy()).toEqual([false, true, true, true])
    const { problems } = await verify('objects')
    expect(problems.map(({ file, versions }) => [file, versions])).toEqual([[path, [0, 1, 2]]])
  })

  test('a damaged object: from hashes on', async () => {
    const path = await objectPath(1, 'names')
    await writeFile(path, zstdCompressSync('["A",1.5]\n'))
    expect(await seenBy()).toEqual([false, false, true, true])
    expect((await verify('hashes')).problems).toEqual([
      {
        file: path,
        message: `The backup file ${path} does not hold what its name says.`,
        backups: expect.objectContaining({ length: 3 }),
        versions: [0, 1, 2]
      }
    ])
  })

  test('every problem is told, not only the first', async () => {
    await flipByte(await objectPath(1, 'names'))
    await rm(await objectPath(1, 'loose'))
    await flipByte(await manifestPath(3))
    expect((await verify('hashes')).problems).toHaveLength(3)
  })

  test.each<[string, string, (lines: string[]) => string[], number | undefined, RegExp]>([
    ['a row that is none', 'big', (lines) => ['no row', ...lines.slice(1)], undefined, /row 1: it is no row/],
    [
      'a row that is too short',
      'big',
      (lines) => [...lines.slice(0, -1), '[9999]'],
      undefined,
      /it has 1 cell where 2/
    ],
    ['rows in another order', 'big', (lines) => lines.toReversed(), undefined, /row 2: its key does not come after/],
    ['a row twice', 'big', (lines) => [...lines.slice(0, -1), lines.at(-2) as string], undefined, /row 3000: its key/],
    ['names in another order', 'names', (lines) => lines.toReversed(), undefined, /row 2: its key does not come after/],
    ['a row too few', 'big', (lines) => lines.slice(1), undefined, /2,999 rows where 3,000 should be/]
  ])('%s: at level rows', async (_, table, change, rows, message) => {
    await forge(table, change, rows)
    // The forged manifest has a name that the ledger does not know; the one it knows is gone.
    for (const level of VERIFY_LEVELS) {
      const found = (await verify(level)).problems.filter((problem) => problem.versions.length === 0)
      if (level === 'rows') expect(found[0]?.message).toMatch(message)
      else expect(found).toEqual([])
    }
  })

  test('ends with exit code 7 on the command line, and names what is at fault', async () => {
    const path = await objectPath(1, 'big')
    await flipByte(path)
    const args = ['backup', 'verify', '--target', 'sqlite:shop.db']
    const result = await place.run(args)
    expect([result.code, result.stderr]).toEqual([7, ''])
    expect(result.stdout).toContain(path)
    expect(result.stdout).toContain('needed by version 0-1')
    expect(await place.json([...args, '--level', 'rows'], { code: 7 })).toMatchObject({ level: 'rows', backups: 3 })
    expect((await place.run([...args, '--level', 'objects'])).stdout).toMatch(/^No problem found/)
    expect((await place.run([...args, '--level', 'all'])).code).toBe(2)
  })
})
