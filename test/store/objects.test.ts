import { mkdtemp, readdir, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ExitCode } from '../../src/errors.ts'
import { ObjectStore } from '../../src/store/objects.ts'
import { flipByte } from '../support/suite-shop.ts'

let root: string
let store: ObjectStore
const bytes = Buffer.from('[1,"Rex"]\n[2,"Luna"]\n'.repeat(50))
const hash = ObjectStore.hash(bytes)

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rowback-objects-'))
  store = new ObjectStore(root)
})

afterEach(() => rm(root, { recursive: true }))

const damaged = { code: 'backup.damaged', exit: ExitCode.backupDamaged, state: 'Nothing was changed.' }

describe('objects', () => {
  test('are named by the SHA-256 of what they hold, and stock tools can read them', async () => {
    expect(hash).toBe('05b39cc80b9184ce199895f8fd408ed0ed2145510793480c3cca847f95d15489')
    expect(await store.put(hash, bytes)).toBeGreaterThan(0)
    await store.sync()
    const path = join(root, 'objects', hash.slice(0, 2), `${hash}.zst`)
    expect(store.path(hash)).toBe(path)
    expect(zstdDecompressSync(await readFile(path)).equals(bytes)).toBe(true)
    expect((await store.get(hash)).equals(bytes)).toBe(true)
  })

  test('are stored once, and nothing unfinished is left beside them', async () => {
    const added = await store.put(hash, bytes)
    expect(added).toBe((await readFile(store.path(hash))).length)
    expect(await store.put(hash, bytes)).toBe(0)
    expect(await readdir(join(root, 'objects', hash.slice(0, 2)))).toEqual([`${hash}.zst`])
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })

  test('may be empty', async () => {
    const nothing = Buffer.alloc(0)
    const name = ObjectStore.hash(nothing)
    expect(name).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    await store.put(name, nothing)
    expect((await store.get(name)).length).toBe(0)
  })

  test('of the same content stored at once are one', async () => {
    await Promise.all(Array.from({ length: 8 }, () => store.put(hash, bytes)))
    expect((await store.get(hash)).equals(bytes)).toBe(true)
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })
})

describe('damage', () => {
  /** Stored by one process, read by the next, which trusts nothing. */
  beforeEach(async () => {
    await store.put(hash, bytes)
    store = new ObjectStore(root)
  })

  test('a missing file', async () => {
    await unlink(store.path(hash))
    await expect(store.get(hash)).rejects.toMatchObject({
      ...damaged,
      message: `The backup file ${store.path(hash)} is missing.`,
      hint: 'Put a good copy of this file back in its place, or choose a version whose backup does not need it. To go on meanwhile, begin another repository: rowback backup create --repository DIR.'
    })
  })

  test('any one flipped bit is found', async () => {
    const path = store.path(hash)
    const good = await readFile(path)
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] as number) ^ (1 << (at % 8))
      await writeFile(path, bad)
      const read = await new ObjectStore(root).get(hash).then(
        (content) => content.equals(bytes),
        (error: { code: string; exit: number }) => [error.code, error.exit]
      )
      // A bit that means nothing to the packer may flip; the rows are the same then.
      expect([true, ['backup.damaged', 7]]).toContainEqual(read)
    }
  })

  test('any truncation is found', async () => {
    const path = store.path(hash)
    const { length } = await readFile(path)
    for (const size of [0, 1, 4, Math.floor(length / 2), length - 1]) {
      await truncate(path, size)
      await expect(store.get(hash)).rejects.toMatchObject(damaged)
    }
  })

  test('another object in its place', async () => {
    const other = Buffer.from('[3,"Max"]\n')
    await store.put(ObjectStore.hash(other), other)
    await writeFile(store.path(hash), await readFile(store.path(ObjectStore.hash(other))))
    await expect(store.get(hash)).rejects.toMatchObject({
      ...damaged,
      message: `The backup file ${store.path(hash)} does not hold what its name says.`
    })
  })

  test('something after the end', async () => {
    const path = store.path(hash)
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.from('rubbish')]))
    const read = await store.get(hash).then(
      (content) => content.equals(bytes),
      (error: { code: string }) => error.code
    )
    expect([true, 'backup.damaged']).toContain(read)
  })

  test('is found when the same rows are to be stored again: a backup does not rely on it', async () => {
    await flipByte(store.path(hash))
    await expect(store.put(hash, bytes)).rejects.toMatchObject(damaged)
  })
})
