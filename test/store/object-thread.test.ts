import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ExitCode } from '../../src/errors.ts'
import { ObjectThread } from '../../src/store/object-thread.ts'
import { ObjectStore } from '../../src/store/objects.ts'
import { flipByte } from '../support/suite-shop.ts'

let root: string
let thread: ObjectThread

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rowback-thread-'))
  thread = new ObjectThread(root, [])
})

afterEach(async () => {
  thread.close()
  await rm(root, { recursive: true })
})

/** Of which the hundredth line always differs. */
function bytesOf(changed: string): Buffer<ArrayBuffer> {
  const lines = Array.from({ length: 20_000 }, (_, id) => `[${id},"${id % 99 ? id : changed}"]\n`)
  return Buffer.from(lines.join(''))
}

describe('an object store on another thread', () => {
  test('stores what it is given, once', async () => {
    const name = ObjectStore.hash(bytesOf('a'))
    const stored = await thread.put(bytesOf('a'), null)
    expect(stored).toEqual({ object: name, added: expect.any(Number) })
    expect(stored.added).toBeGreaterThan(0)
    await thread.sync()
    expect(await thread.put(bytesOf('a'), null)).toEqual({ object: name, added: 0 })
    expect((await new ObjectStore(root).get(name)).equals(bytesOf('a'))).toBe(true)
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })

  test('stores what differs from a base, which it reads for itself', async () => {
    const [base, other] = [await thread.put(bytesOf('a'), null), await thread.put(bytesOf('b'), null)]
    const delta = await thread.put(bytesOf('c'), base.object)
    const another = await thread.put(bytesOf('d'), other.object)
    expect(Math.max(delta.added, another.added)).toBeLessThan(base.added / 3)
    const store = new ObjectStore(root)
    expect([await store.base(delta.object), await store.base(another.object)]).toEqual([base.object, other.object])
    expect((await store.get(delta.object)).equals(bytesOf('c'))).toBe(true)
    expect((await store.get(another.object)).equals(bytesOf('d'))).toBe(true)
  })

  test('finds a difference that is soon asked for when it stores, as it would later', async () => {
    const { object: a } = await thread.put(bytesOf('a'), null)
    const { object: b } = await thread.put(bytesOf('b'), a, a)
    const foreseen = await thread.difference([b], [a])
    expect(foreseen.after.toString()).toBe(foreseen.before.toString().replaceAll('"b"', '"a"'))
    expect(foreseen.before.length).toBeGreaterThan(0)
    const later = new ObjectThread(root, [])
    expect(await later.difference([b], [a])).toEqual(foreseen)
    later.close()
  })

  test('stores though the object to compare with is damaged, which is said when it is asked for', async () => {
    const { object: a } = await thread.put(bytesOf('a'), null)
    const file = new ObjectStore(root).path(a)
    await flipByte(file)
    const other = new ObjectThread(root, [])
    const { object: b } = await other.put(bytesOf('b'), null, a)
    await expect(other.difference([b], [a])).rejects.toMatchObject({ code: 'backup.damaged', file })
    other.close()
  })

  test('gives back the buffers that it was given', async () => {
    expect(thread.spareBuffer(1)).toBe(undefined)
    const bytes = bytesOf('a')
    const size = bytes.length
    await thread.put(bytes, null)
    expect(bytes.length).toBe(0)
    expect(thread.spareBuffer(size)?.length).toBe(size)
    expect(thread.spareBuffer(1)).toBe(undefined)
  })

  test('says what is damaged as the store itself does', async () => {
    const { object } = await thread.put(bytesOf('a'), null)
    await flipByte(new ObjectStore(root).path(object))
    const damaged = {
      code: 'backup.damaged',
      exit: ExitCode.backupDamaged,
      state: 'Nothing was changed.',
      file: new ObjectStore(root).path(object)
    }
    const other = new ObjectThread(root, [])
    await expect(other.put(bytesOf('a'), null)).rejects.toMatchObject(damaged)
    other.close()
  })

  test('says what could not be written', async () => {
    const other = new ObjectThread('/dev/null', [])
    await expect(other.put(bytesOf('a'), null)).rejects.toMatchObject({
      code: 'backup.not_written',
      exit: ExitCode.failed
    })
    other.close()
  })

  test('does what it was asked before it ends, and nothing after it', async () => {
    const stored = thread.put(bytesOf('a'), null)
    thread.close()
    expect((await stored).added).toBeGreaterThan(0)
    await expect.poll(() => thread.sync().catch(() => 'refused')).toBe('refused')
  })
})
