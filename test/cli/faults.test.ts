import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ObjectStore } from '../../src/store/objects.ts'
import { Workplace } from '../support/cli.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const TARGET = ['--target', 'sqlite:shop.db']
const ROWS = 6000

let place: Workplace

beforeEach(async () => {
  place = await Workplace.make('rowback-faults-')
  place.sql('CREATE TABLE big (id INTEGER PRIMARY KEY, text TEXT)')
  await load(1)
  await load(2)
})

afterEach(() => place.remove())

/** The file of a version gives some of the rows another text; all of it packs badly. */
async function file(version: number): Promise<string> {
  const text = (id: number) => ObjectStore.hash(`${id} ${id % 20 === version ? version : 0}`).repeat(3)
  const rows = Array.from({ length: ROWS }, (_, id) => `${id},${text(id)}\n`)
  return place.write(`${version}.csv`, `id,text\n${rows.join('')}`)
}

async function load(version: number, ...flags: string[]) {
  const source = await file(version)
  return place.run([
    'migrate',
    source,
    '--table',
    'big',
    '--mode',
    'upsert',
    '-m',
    `version ${version}`,
    ...TARGET,
    ...flags
  ])
}

const data = () => place.rows('SELECT count(*), group_concat(text) FROM (SELECT * FROM big ORDER BY id)')
const head = () => place.rows("SELECT max(version_id) FROM rowback_version WHERE status = 'committed'")[0]?.[0]
const verify = (level = 'rows') => place.run(['backup', 'verify', '--level', level, ...TARGET])

async function files(below: string): Promise<string[]> {
  const entries = await readdir(place.at(`.rowback/${below}`), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** A failing command says so with this exit code, and has changed no row. */
async function fails(args: string[], code: number, text: RegExp | string): Promise<void> {
  const before = [data(), head()]
  const result = await place.run([...args, ...TARGET])
  expect(result.stderr).toMatch(text)
  expect(result.code).toBe(code)
  expect([data(), head()]).toEqual(before)
}

describe('a damaged repository', () => {
  test.each(['manifests', 'objects', 'format.json'])(
    'any flipped bit in %s is found, or means nothing',
    async (where) => {
      const all = where === 'format.json' ? [place.at('.rowback/format.json')] : await files(where)
      expect(all.length).toBeGreaterThan(0)
      for (const path of all) {
        const good = await readFile(path)
        for (const at of new Set(
          [0, 3, 5, 50, 100, 130, good.length >> 1, good.length - 1].filter((n) => n < good.length)
        )) {
          const bad = Buffer.from(good)
          bad[at] = (bad[at] as number) ^ (1 << (at % 8))
          await writeFile(path, bad)
          const result = await verify()
          const found =
            [2, 7].includes(result.code as number) && `${result.stdout}${result.stderr}`.includes('.rowback')
          // A bit that means nothing to the packer may flip; the rows are the same then.
          if (!found)
            expect([result.code, result.stdout, where]).toEqual([0, expect.stringContaining('No problem'), where])
          if (where === 'manifests') expect(found).toBe(true)
        }
        await writeFile(path, good)
      }
      expect((await verify()).code).toBe(0)
    }
  )

  test.each([
    ['cut short', (path: string) => truncate(path, 40)],
    ['empty', (path: string) => truncate(path, 0)],
    ['missing', (path: string) => unlink(path)]
  ])('an object that is %s: no rollback on it, and the file is named', async (_, harm) => {
    await load(3)
    const { tables } = JSON.parse(await readFile((await files('manifests')).sort().at(-1) as string, 'utf8'))
    const { object } = tables[0].chunks[0]
    const path = place.at(`.rowback/objects/${object.slice(0, 2)}/${object}.zst`)
    const good = await readFile(path)
    await harm(path)
    await fails(['rollback', '2', '--yes'], 7, path)
    expect((await verify('hashes')).stdout).toContain(path)
    await writeFile(path, good)
    expect((await place.run(['rollback', '2', '--yes', ...TARGET])).code).toBe(0)
  })

  test('a missing manifest: an exact error, and others are not harmed', async () => {
    await load(3)
    await unlink((await files('manifests')).sort()[1] as string)
    await fails(['rollback', '1', '--yes'], 7, 'The backup 000002-')
    await fails(['diff', '1'], 7, 'The backup 000002-')
    expect((await place.run(['rollback', '2', '--yes', ...TARGET])).code).toBe(0)
    expect((await load(4)).code).toBe(0)
  })

  test('one of another database', async () => {
    const other = await Workplace.make()
    other.sql('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    const source = await other.write('t.csv', 'id\n1\n')
    await other.run(['migrate', source, '--table', 't', '-m', 't', ...TARGET])
    const args = ['--repository', other.at('.rowback')]
    const before = await other.snapshot('.rowback')
    await fails(['rollback', '1', '--yes', ...args], 2, 'belongs to another database')
    await fails(['backup', 'prune', '--keep-last', '0', '--yes', ...args], 2, 'belongs to another database')
    await fails(['backup', 'verify', ...args], 2, 'belongs to another database')
    await fails(['backup', 'create', ...args], 2, 'belongs to another database')
    expect(await other.snapshot('.rowback')).toEqual(before)
    await other.remove()
  })
})

/** Whether this process may mount file systems; where not, tests that need it show as skipped. */
const canMount =
  process.platform === 'linux' && process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0

describe.skipIf(!canMount)('on a file system of its own (not run where mounting is not allowed)', () => {
  const repository = () => place.at('disk/.rowback')
  const args = () => ['--repository', repository()]
  const mount = (...options: string[]) => expect(spawnSync('mount', [...options, place.at('disk')]).status).toBe(0)

  beforeEach(async () => {
    await mkdir(place.at('disk'))
    mount('-t', 'tmpfs', '-o', 'size=3m', 'tmpfs')
    await cp(place.at('.rowback'), repository(), { recursive: true })
  })

  afterEach(() => {
    expect(spawnSync('umount', [place.at('disk')]).status).toBe(0)
  })

  test('a full disk: no version, older backups whole, and it goes on when there is room', async () => {
    await rm(repository(), { recursive: true })
    await cp(place.at('.rowback'), repository(), { recursive: true })
    spawnSync('dd', ['if=/dev/zero', `of=${place.at('disk/filler')}`, 'bs=4k'])
    await file(3)
    place.sql("UPDATE big SET text = 'not backed up yet' WHERE id = 7")
    const migrate = ['migrate', '3.csv', '--table', 'big', '--mode', 'upsert', '-m', 'x']
    await fails([...migrate, ...args()], 1, /could not be written: ENOSPC/)
    await rm(join(repository(), 'lock'))
    spawnSync('dd', ['if=/dev/zero', `of=${place.at('disk/filler2')}`, 'bs=1k'])
    await fails(
      ['backup', 'prune', '--keep-last', '0', '--yes', ...args()],
      1,
      /could not be locked[\s\S]*Free some space/
    )
    await rm(place.at('disk/filler2'))
    expect((await place.run(['backup', 'verify', '--level', 'rows', ...args(), ...TARGET])).code).toBe(0)
    await rm(place.at('disk/filler'))
    expect((await place.run([...migrate, ...args(), ...TARGET])).code).toBe(0)
    expect((await place.run(['rollback', '2', ...args(), ...TARGET])).code).toBe(0)
    expect((await place.run(['backup', 'verify', '--level', 'rows', ...args(), ...TARGET])).code).toBe(0)
  })

  test('a read-only folder can be read, and nothing is changed on the strength of it', async () => {
    mount('-o', 'remount,ro')
    for (const command of [
      ['backup', 'list'],
      ['backup', 'verify', '--level', 'rows'],
      ['diff', '1']
    ]) {
      const result = await place.run([...command, ...args(), ...TARGET])
      expect([result.code, result.stderr]).toEqual([0, ''])
    }
    await fails(['rollback', '1', ...args()], 1, /could not be (written|locked)/)
    await fails(['backup', 'create', ...args()], 1, /could not be (written|locked)/)
    await fails(['backup', 'prune', '--keep-last', '0', '--yes', ...args()], 1, /could not be locked/)
    await rm(place.at('.rowback/lock'))
    mount('-o', 'remount,rw')
    await rm(join(repository(), 'lock'))
    mount('-o', 'remount,ro')
    expect((await place.run(['diff', '1', ...args(), ...TARGET])).code).toBe(0)
  })
})

describe('two processes', () => {
  test('that back up two copies of a database into one repository both end well', async () => {
    await cp(place.at('shop.db'), place.at('copy.db'))
    const create = (name: string) =>
      place.run(['backup', 'create', '--target', `sqlite:${name}`, '--repository', place.at('.rowback')], {
        alone: true
      })
    for (let round = 0; round < 3; round++) {
      place.sql(`UPDATE big SET text = 'round ${round}' WHERE id % 100 = ${round}`)
      place.sql(`UPDATE big SET text = 'round ${round}' WHERE id % 100 = ${round}`, 'copy.db')
      const results = await Promise.all([create('shop.db'), create('copy.db')])
      for (const result of results) expect([result.code, result.stderr]).toEqual([0, ''])
    }
    const sequences = (await files('manifests')).map((path) => Number.parseInt(path.split('/').at(-1) as string, 10))
    expect(sequences.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect((await verify()).code).toBe(0)
  })

  test('a backup waits for a prune, or says that it cannot wait longer', async () => {
    const { RepositoryLock } = await import('../../src/store/lock.ts')
    const lock = await RepositoryLock.take(place.at('.rowback'), 'exclusive', 0)
    try {
      await fails(['backup', 'create', '--wait', '0.2'], 4, 'is in use by another rowback')
      await fails(['rollback', '1', '--wait', '0'], 4, 'is in use by another rowback')
    } finally {
      lock.release()
    }
    expect((await place.run(['backup', 'create', ...TARGET])).code).toBe(0)
  })
})

describe('kill -9 of a backup', () => {
  const ROUNDS = 16

  const create = () =>
    spawn(process.execPath, [MAIN, 'backup', 'create', '--quiet', ...TARGET], { cwd: place.path, stdio: 'ignore' })
  const ended = (child: ReturnType<typeof create>) =>
    new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))

  test('at any moment leaves older backups whole, and the next one works', { timeout: 300_000 }, async () => {
    // Rows of half a dozen chunks, so that a backup has many files to write.
    place.sql(`
      CREATE TABLE wide (id INTEGER PRIMARY KEY, text TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO wide SELECT i, hex(randomblob(150)) FROM n;
    `)
    const change = (round: number) =>
      place.sql(`UPDATE wide SET text = hex(randomblob(150)) WHERE id % 3 = ${round % 3}`)
    expect(await ended(create())).toBe(0)
    change(0)
    const started = performance.now()
    expect(await ended(create())).toBe(0)
    const duration = performance.now() - started
    let killed = 0
    let whileWriting = 0
    for (let round = 0; round < ROUNDS; round++) {
      change(round)
      const manifests = await files('manifests')
      const objects = (await files('objects')).length
      const child = create()
      const end = ended(child)
      // By turns at any moment, and at one after it began to write.
      if (round % 2 === 0) await sleep(duration * 1.2 * Math.random())
      else {
        while ((await files('objects')).length === objects && child.exitCode === null) await sleep(2)
        await sleep(duration * 0.3 * Math.random())
      }
      child.kill('SIGKILL')
      if ((await end) === null) {
        killed++
        if ((await files('objects')).length > objects) whileWriting++
      }
      const left = await files('manifests')
      expect(manifests.filter((path) => !left.includes(path))).toEqual([])
      expect(await verify('hashes')).toMatchObject({ code: 0, stderr: '' })
    }
    expect(killed, 'backups that were killed on their way').toBeGreaterThan(5)
    expect(whileWriting, 'backups that were killed while they wrote').toBeGreaterThan(0)
    expect((await place.run(['backup', 'create', ...TARGET])).code).toBe(0)
    expect((await verify()).code).toBe(0)
    // What the killed ones wrote and nothing names goes with the next prune.
    const { objects } = await place.json<{ objects: number }>(['backup', 'prune', '--keep-last', '99', ...TARGET])
    expect(existsSync(place.at('.rowback/tmp'))).toBe(false)
    expect((await verify()).code).toBe(0)
    expect(objects).toBeGreaterThan(0)
    console.log(`${killed} of ${ROUNDS} backups killed, ${whileWriting} while they wrote`)
  })
})

test('backups without the file that says whose they are are not taken for none', async () => {
  await unlink(place.at('.rowback/format.json'))
  for (const args of [
    ['backup', 'verify'],
    ['backup', 'create'],
    ['rollback', '0']
  ]) {
    await fails(args, 7, /format\.json is missing/)
  }
})
