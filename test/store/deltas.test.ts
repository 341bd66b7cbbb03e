import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HEADER_LENGTH, LONGEST_CHAIN, readHeader } from '../../src/store/delta.ts'
import { ObjectStore } from '../../src/store/objects.ts'
import { flipByte } from '../support/suite-shop.ts'

let root: string
let store: ObjectStore

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rowback-deltas-'))
  store = new ObjectStore(root)
})

afterEach(() => rm(root, { recursive: true }))

/** Rows that do not pack well, of which every `every`-th is another in each round. */
function rows(round: number, every = 100): Buffer {
  const cell = (seed: number) => ObjectStore.hash(String(seed)).slice(0, 40)
  const lines = Array.from({ length: 4000 }, (_, id) => {
    const changed = Math.floor((round + ((id * 7) % every)) / every)
    return `[${id},"${cell(id)}","${cell(id * 100_000 + changed)}"]\n`
  })
  return Buffer.from(lines.join(''))
}

async function put(bytes: Buffer, base: string | null = null): Promise<{ hash: string; added: number }> {
  const hash = ObjectStore.hash(bytes)
  return { hash, added: await store.put(hash, bytes, base) }
}

async function depthOf(hash: string): Promise<number> {
  return readHeader(await readFile(store.path(hash)))?.depth ?? 0
}

/** Stores so many rounds, each against the one before, and gives their names. */
async function chain(rounds: number, every?: number): Promise<string[]> {
  const names: string[] = []
  for (let round = 0; round < rounds; round++) {
    names.push((await put(rows(round, every), names.at(-1) ?? null)).hash)
  }
  store = new ObjectStore(root)
  return names
}

const damaged = { code: 'backup.damaged', exit: 7, state: 'Nothing was changed.' }

describe('a delta', () => {
  test('takes a small part of the room, and comes back exactly, also in another process', async () => {
    const first = await put(rows(0))
    const second = await put(rows(1), first.hash)
    expect(second.added).toBeLessThan(first.added / 20)
    expect(second.added).toBe((await stat(store.path(second.hash))).size)
    expect((await store.get(second.hash)).equals(rows(1))).toBe(true)
    expect((await new ObjectStore(root).get(second.hash)).equals(rows(1))).toBe(true)
    expect([await store.base(first.hash), await store.base(second.hash)]).toEqual([null, first.hash])
  })

  test('is put again as it was, by whoever has the rows', async () => {
    const [base, delta] = (await chain(2)) as [string, string]
    expect(await put(rows(1))).toEqual({ hash: delta, added: 0 })
    store = new ObjectStore(root)
    expect(await put(rows(1), base)).toEqual({ hash: delta, added: 0 })
  })

  test('can be read by zstd, and one that zstd made by us', async () => {
    const [base, delta] = (await chain(2)) as [string, string]
    const dictionary = join(root, 'base')
    const out = join(root, 'out')
    await writeFile(dictionary, rows(0))
    const zstd = (...args: string[]) => spawnSync('zstd', ['-q', '-f', ...args], { encoding: 'utf8' })
    expect(zstd('-d', '-D', dictionary, store.path(delta), '-o', out)).toMatchObject({ status: 0, stderr: '' })
    expect((await readFile(out)).equals(rows(1))).toBe(true)
    expect(zstd('-d', store.path(base), '-o', out).status).toBe(0)
    expect((await readFile(out)).equals(rows(0))).toBe(true)
    await writeFile(join(root, 'rows'), rows(1))
    expect(zstd('-D', dictionary, join(root, 'rows'), '-o', out).status).toBe(0)
    expect(zstdDecompressSync(await readFile(out), { dictionary: rows(0) }).equals(rows(1))).toBe(true)
  })

  test('is not made of bytes that have little in common, of few, or of a base that cannot be read', async () => {
    const base = (await put(rows(0))).hash
    const other = Buffer.from(
      rows(0)
        .toString('latin1')
        .replace(/[0-9a-f]{40}/g, (text) => ObjectStore.hash(text))
    )
    const small = Buffer.from('[1,"Rex"]\n')
    for (const bytes of [other, small, Buffer.alloc(0)]) {
      const { hash } = await put(bytes, base)
      expect(await depthOf(hash)).toBe(0)
      expect((await new ObjectStore(root).get(hash)).equals(bytes)).toBe(true)
    }
    await flipByte(store.path(base))
    store = new ObjectStore(root)
    const { hash } = await put(rows(1), base)
    expect(await depthOf(hash)).toBe(0)
    const { hash: another } = await put(rows(2), ObjectStore.hash('not there'))
    expect(await depthOf(another)).toBe(0)
  })

  test('is not made of what is too large to be held in memory twice', async () => {
    const large = Buffer.alloc(9 << 20, 'x')
    const [base, nearly] = [await put(large), Buffer.concat([large, Buffer.from('y')])]
    const { hash } = await put(nearly, base.hash)
    expect(await depthOf(hash)).toBe(0)
    expect(await depthOf((await put(rows(0), base.hash)).hash)).toBe(0)
  })

  test('of an object that the base itself was made from never comes back to itself', async () => {
    const [first, second] = (await chain(2)) as [string, string]
    await unlink(store.path(first))
    const again = await put(rows(0), second)
    expect([again.hash, await depthOf(first), await depthOf(second)]).toEqual([first, 0, 1])
    expect((await new ObjectStore(root).get(second)).equals(rows(1))).toBe(true)
  })
})

describe('a chain of deltas', () => {
  test('stays short, and every link of it comes back', async () => {
    // A tenth of the rows changes each time, which is too much to go back to the base's base.
    const names = await chain(12, 10)
    const depths = await Promise.all(names.map(depthOf))
    expect(Math.max(...depths)).toBe(LONGEST_CHAIN)
    expect(depths.filter((depth) => depth === 0).length).toBeGreaterThan(1)
    for (const [round, name] of names.entries()) {
      expect((await new ObjectStore(root).get(name)).equals(rows(round, 10))).toBe(true)
    }
  })

  test('does not grow while the difference from its first link is small', async () => {
    const depths = await Promise.all((await chain(3, 1000)).map(depthOf))
    expect(depths).toEqual([0, 1, 1])
  })

  test.each([
    ['missing', (path: string) => unlink(path), 'is missing'],
    ['cut short', (path: string) => truncate(path, 100), 'cannot be unpacked'],
    ['empty', (path: string) => truncate(path, 0), 'cannot be unpacked'],
    ['another object', (path: string) => writeFile(path, zstdCompressSync('x')), 'does not hold what its name says']
  ])('whose first link is %s names that file', async (_, harm, what) => {
    const names = await chain(4, 10)
    const [first, second, , last] = names as [string, string, string, string]
    expect(await depthOf(last)).toBe(3)
    await harm(store.path(first))
    await expect(store.get(last)).rejects.toMatchObject({
      ...damaged,
      message: expect.stringContaining(`The backup file ${store.path(first)} ${what}; the delta `)
    })
    await expect(store.get(second)).rejects.toMatchObject({
      message: `The backup file ${store.path(first)} ${what}; the delta ${store.path(second)} needs it.`
    })
  })

  test('any one flipped bit of a delta is found, and laid to that file', async () => {
    const [, delta] = (await chain(2)) as [string, string]
    const path = store.path(delta)
    const good = await readFile(path)
    const step = Math.ceil((good.length - HEADER_LENGTH) / 150)
    for (let at = 0; at < good.length; at += at < HEADER_LENGTH ? 1 : step) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] as number) ^ (1 << (at % 8))
      await writeFile(path, bad)
      const read = await new ObjectStore(root).get(delta).then(
        (bytes) => bytes.equals(rows(1)),
        (error: { code: string; message: string }) => [error.code, error.message.includes(path)]
      )
      // A bit that means nothing to the packer may flip; the rows are the same then.
      expect([true, ['backup.damaged', true]]).toContainEqual(read)
    }
  })

  test('that claims to be endless is refused', async () => {
    const [base, delta] = (await chain(2)) as [string, string]
    await writeFile(store.path(base), await readFile(store.path(delta)))
    await expect(store.get(delta)).rejects.toMatchObject(damaged)
  })
})
