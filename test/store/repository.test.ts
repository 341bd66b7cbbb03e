import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ExitCode } from '../../src/errors.ts'
import type { Manifest } from '../../src/store/manifest.ts'
import { boundFromJson, boundToJson } from '../../src/store/manifest.ts'
import { Repository } from '../../src/store/repository.ts'
import { packLines } from '../support/pack-lines.ts'
import { flipByte } from '../support/suite-shop.ts'

let root: string
let repository: Repository
const database = '7c0f6f4e-0000-4000-8000-000000000001'

beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), 'rowback-repository-')), '.rowback')
  repository = await Repository.open(root, database)
})

afterEach(() => rm(join(root, '..'), { recursive: true }))

async function backUp(state: number, lines: string[] = ['[1,"Rex"]']): Promise<string> {
  const { object, bytes } = await packLines(lines)
  await repository.putRows(bytes)
  const chunk = { from: null, rows: lines.length, bytes: bytes.length, object }
  const table = {
    name: 'dogs',
    columns: ['id', 'name'],
    definition: [],
    order: ['id'],
    hiddenOrder: false,
    key: ['id'],
    collations: {},
    ddl: ['CREATE TABLE dogs (id INTEGER PRIMARY KEY, name TEXT)'],
    rows: lines.length,
    chunks: [chunk]
  }
  return repository.putManifest({
    database,
    engine: 'sqlite',
    takenAt: '2026-01-02T03:04:05.000Z',
    state,
    version: null,
    added: 0,
    tables: [table]
  })
}

const manifestPath = (name: string) => join(root, 'manifests', `${name}.json`)

describe('the folder', () => {
  test('says its format, and whose it is', async () => {
    expect(JSON.parse(await readFile(join(root, 'format.json'), 'utf8'))).toEqual({
      format: 1,
      hash: 'sha256',
      repository: expect.stringMatching(/^[0-9a-f-]{36}$/),
      database,
      check: expect.stringMatching(/^[0-9a-f]{64}$/)
    })
  })

  test('says so where any bit of it is flipped, and is read where it is of before there was a check', async () => {
    const path = join(root, 'format.json')
    const good = await readFile(path)
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Buffer.from(good)
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7))
      await writeFile(path, bad)
      await expect(Repository.openForReading(root, null)).rejects.toThrow('format')
    }
    const { check: _, ...older } = JSON.parse(good.toString('utf8'))
    await writeFile(path, JSON.stringify(older))
    const repository = await Repository.openForReading(root, database)
    repository.close()
  })

  test('is opened again as it is', async () => {
    const before = await readFile(join(root, 'format.json'))
    await Repository.open(root, database)
    expect(await readFile(join(root, 'format.json'))).toEqual(before)
  })

  test.each([
    ['of another database', { database: 'another' }, 'repository.other_database', ExitCode.usage],
    ['of a newer format', { format: 2 }, 'repository.newer', ExitCode.usage],
    ['of a format that is none', { format: 'one' }, 'backup.damaged', ExitCode.backupDamaged]
  ])('%s is refused', async (_, change, code, exit) => {
    const path = join(root, 'format.json')
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }))
    await expect(Repository.open(root, database)).rejects.toMatchObject({ code, exit })
  })

  test('whose format file is cut short is refused', async () => {
    await writeFile(join(root, 'format.json'), '{"format": 1, "ha')
    await expect(Repository.open(root, database)).rejects.toMatchObject({ code: 'backup.damaged' })
  })
})

describe('rows', () => {
  test.each([
    ['none', []],
    ['one', ['[1,"Rex"]']],
    ['many', ['[1,"Rex"]', '[2,"a\\nb"]', '[3,null]']],
    ['an empty line', ['']]
  ])('%s come back as they were', async (_, lines) => {
    const packed = await packLines(lines)
    await repository.putRows(packed.bytes)
    expect(await repository.lines(packed.object)).toEqual(lines)
    const again = await Repository.open(root, database)
    expect(await again.lines(packed.object)).toEqual(lines)
    expect([packed.rows, packed.bytes.toString()]).toEqual([lines.length, lines.map((line) => `${line}\n`).join('')])
  })

  test('that were stored already are not stored again', async () => {
    const packed = await packLines(['[1,"Rex"]', '[2,"价格"]'])
    expect((await repository.putRows(packed.bytes)).added).toBeGreaterThan(0)
    expect(await repository.putRows(packed.bytes)).toEqual({ object: packed.object, added: 0 })
    const again = await Repository.open(root, database)
    expect(await again.putRows(packed.bytes)).toEqual({ object: packed.object, added: 0 })
    const names = await readdir(join(root, 'objects'), { recursive: true })
    expect(names.filter((name) => name.endsWith('.zst'))).toHaveLength(1)
  })

  test('that are stored and damaged are not relied on', async () => {
    const packed = await packLines(['[1,"Rex"]'])
    await repository.putRows(packed.bytes)
    await flipByte(join(root, 'objects', packed.object.slice(0, 2), `${packed.object}.zst`))
    const again = await Repository.open(root, database)
    const error = { code: 'backup.damaged', exit: ExitCode.backupDamaged }
    await expect(again.putRows(packed.bytes)).rejects.toMatchObject(error)
    await expect(again.lines(packed.object)).rejects.toMatchObject(error)
  })

  test('in another order or cut elsewhere have another name', async () => {
    const parts = [['[1]', '[2]'], ['[2]', '[1]'], ['[1]'], ['[1]', '[2]', ''], []]
    const packed = await Promise.all(parts.map(packLines))
    expect(new Set(packed.map(({ object }) => object)).size).toBe(5)
  })
})

describe('manifests', () => {
  test('are numbered, named by their content and read back', async () => {
    const first = await backUp(0)
    const second = await backUp(1)
    expect([first.slice(0, 7), second.slice(0, 7)]).toEqual(['000001-', '000002-'])
    const again = await Repository.open(root, database)
    const manifest: Manifest = await again.manifest(first)
    expect([manifest.format, manifest.sequence, manifest.state, manifest.tables[0]?.rows]).toEqual([1, 1, 0, 1])
    expect((await again.backups()).at(-1)?.manifest).toMatchObject({ sequence: 2, state: 1 })
  })

  test('an empty repository has none', async () => {
    expect(await repository.latestTables()).toEqual(new Map())
  })

  test.each([
    ['one digit', (text: string) => text.replace('"rows":1', '"rows":2')],
    ['a space', (text: string) => `${text} `],
    ['its end', (text: string) => text.slice(0, -5)],
    ['everything', () => '']
  ])('altered by %s are refused with exit code 7', async (_, alter) => {
    const name = await backUp(0)
    await writeFile(manifestPath(name), alter(await readFile(manifestPath(name), 'utf8')))
    const again = await Repository.open(root, database)
    await expect(again.manifest(name)).rejects.toMatchObject({
      code: 'backup.damaged',
      exit: ExitCode.backupDamaged,
      message: `The backup file ${manifestPath(name)} was altered.`
    })
    await expect(again.latestTables()).rejects.toMatchObject({ code: 'backup.damaged' })
  })

  test('that are missing are refused with exit code 7 and the way to another folder', async () => {
    const name = await backUp(0)
    await unlink(manifestPath(name))
    const again = await Repository.open(root, database)
    await expect(again.manifest(name)).rejects.toMatchObject({
      code: 'backup.missing',
      exit: ExitCode.backupDamaged,
      message: `The backup ${name} is not in the repository ${root}.`,
      hint: 'Name the folder that holds it with --repository DIR.'
    })
  })

  test('one that names nothing that could be checked is not written', async () => {
    const bad = { database, engine: 'sqlite', takenAt: 'now', state: -1, version: null, added: 0, tables: [] }
    await expect(repository.putManifest(bad)).rejects.toThrow()
    expect(existsSync(join(root, 'manifests'))).toBe(false)
  })

  test('a number is not given twice, though files were taken away', async () => {
    await backUp(0)
    const second = await backUp(1)
    await unlink(manifestPath(second))
    const third = await backUp(2, ['[9,"Zed"]'])
    expect(third).not.toBe(second)
    expect(await readdir(join(root, 'manifests'))).toHaveLength(2)
  })

  test('keys at which chunks are cut come back exactly', () => {
    const bounds = [null, [1n], [2n ** 63n - 1n, 'a"b'], [0.5, new Uint8Array([255])], ['']]
    for (const bound of bounds) expect(boundFromJson(JSON.parse(JSON.stringify(boundToJson(bound))))).toEqual(bound)
  })
})

describe('failed rows', () => {
  test('are written as one file, replacing an older one', async () => {
    async function* csv(...lines: string[]) {
      yield* lines
    }
    const path = await repository.putFailedRows('3-dogs.csv', csv('id\n', '1\n'))
    expect(path).toBe(join(root, 'failed', '3-dogs.csv'))
    await repository.putFailedRows('3-dogs.csv', csv('id\n'))
    expect(await readFile(path, 'utf8')).toBe('id\n')
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })

  test('leave nothing when writing them fails', async () => {
    async function* broken() {
      yield 'id\n'
      throw new Error('the disk is full')
    }
    await expect(repository.putFailedRows('3-dogs.csv', broken())).rejects.toThrow('the disk is full')
    expect(existsSync(join(root, 'failed', '3-dogs.csv'))).toBe(false)
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })
})
