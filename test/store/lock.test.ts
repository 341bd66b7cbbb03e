import type { ChildProcess } from 'node:child_process'
import { fork, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RepositoryLock } from '../../src/store/lock.ts'
import { Repository } from '../../src/store/repository.ts'

const HOLDER = fileURLToPath(new URL('../support/lock-holder.ts', import.meta.url))
const database = '7c0f6f4e-0000-4000-8000-000000000001'

let root: string
const holders: ChildProcess[] = []

beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), 'rowback-lock-')), '.rowback')
  ;(await Repository.open(root, database)).close()
})

afterEach(async () => {
  for (const holder of holders.splice(0)) holder.kill('SIGKILL')
  await rm(join(root, '..'), { recursive: true })
})

/** Another process that has the repository open, as a reader or alone. */
async function holder(how: 'open' | 'openForReading' | 'openAlone'): Promise<ChildProcess> {
  const child = fork(HOLDER, [root, database, how], { execArgv: [] })
  holders.push(child)
  await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`the holder ended with ${code}`)))
  })
  child.removeAllListeners('exit')
  return child
}

const locked = { code: 'repository.locked', exit: 4, hint: expect.stringContaining('end') }

describe('the lock of a repository', () => {
  test('is shared by those who back up and those who read', async () => {
    await holder('open')
    await holder('openForReading')
    const reader = await Repository.openForReading(root, database, 0)
    const writer = await Repository.open(root, database, 0)
    for (const repository of [reader, writer]) repository.close()
  })

  test.each(['open', 'openForReading'] as const)(
    'keeps a prune out while another process has it by %s',
    async (how) => {
      await holder(how)
      const started = performance.now()
      await expect(Repository.openAlone(root, database, 200)).rejects.toMatchObject(locked)
      expect(performance.now() - started).toBeGreaterThan(190)
    }
  )

  test('keeps everybody out while one prunes, and lets them in when it ends', async () => {
    const pruning = await holder('openAlone')
    await expect(Repository.open(root, database, 0)).rejects.toMatchObject(locked)
    await expect(Repository.openForReading(root, database, 0)).rejects.toMatchObject(locked)
    await expect(Repository.openAlone(root, database, 0)).rejects.toMatchObject(locked)
    const waiting = Repository.open(root, database, 10_000)
    pruning.send('close')
    ;(await waiting).close()
  })

  test('is gone with a process that was killed', async () => {
    const pruning = await holder('openAlone')
    pruning.kill('SIGKILL')
    const repository = await Repository.open(root, database, 10_000)
    repository.close()
    const reading = await holder('open')
    reading.kill('SIGKILL')
    ;(await Repository.openAlone(root, database, 10_000)).close()
  })

  test('is given back by close, also in the same process', async () => {
    const reader = await Repository.openForReading(root, database, 0)
    await expect(Repository.openAlone(root, database, 0)).rejects.toMatchObject(locked)
    reader.close()
    reader.close()
    const alone = await Repository.openAlone(root, database, 0)
    await expect(Repository.openForReading(root, database, 0)).rejects.toMatchObject(locked)
    alone.close()
    ;(await Repository.openForReading(root, database, 0)).close()
  })

  test('lets one at a time give a number, beside readers', async () => {
    const reader = await Repository.openForReading(root, database, 0)
    const first = await RepositoryLock.take(root, 'numbering', 0)
    await expect(RepositoryLock.take(root, 'numbering', 0)).rejects.toMatchObject(locked)
    ;(await Repository.openForReading(root, database, 0)).close()
    first.release()
    ;(await RepositoryLock.take(root, 'numbering', 0)).release()
    reader.close()
  })

  test('that is no lock any more keeps nobody from reading, and no prune goes on without it', async () => {
    await writeFile(join(root, 'lock'), 'x'.repeat(5000))
    ;(await Repository.openForReading(root, database, 0)).close()
    await expect(Repository.openAlone(root, database, 0)).rejects.toMatchObject({
      code: 'backup.not_written',
      hint: `When nothing else uses the repository, delete the file ${join(root, 'lock')}.`
    })
  })

  test('is not made by readers', async () => {
    await rm(join(root, 'lock'))
    ;(await Repository.openForReading(root, database, 0)).close()
    expect(existsSync(join(root, 'lock'))).toBe(false)
  })

  test.skipIf(!canMount())('is taken on a file system that cannot be written', async () => {
    expect(spawnSync('mount', ['--bind', root, root]).status).toBe(0)
    expect(spawnSync('mount', ['-o', 'remount,ro,bind', root]).status).toBe(0)
    try {
      await expect(writeFile(join(root, 'x'), '')).rejects.toMatchObject({ code: 'EROFS' })
      const reader = await Repository.openForReading(root, database, 0)
      reader.close()
      await expect(RepositoryLock.take(root, 'exclusive', 0)).rejects.toMatchObject({ code: 'backup.not_written' })
    } finally {
      expect(spawnSync('umount', [root]).status).toBe(0)
    }
  })
})

/** Whether this process may mount file systems; where not, a test that needs it shows as skipped. */
function canMount(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0
}

describe('two processes that back up into one repository', () => {
  test('give each manifest a number of its own', { timeout: 120_000 }, async () => {
    const each = 25
    const writers = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        const child = fork(HOLDER, [root, database, 'write', name, String(each)], { execArgv: [] })
        holders.push(child)
        return new Promise<number | null>((resolve) => child.once('exit', resolve))
      })
    )
    expect(writers).toEqual([0, 0, 0])
    const sequences = (await readdir(join(root, 'manifests'))).map((file) => Number.parseInt(file, 10))
    expect(sequences.sort((a, b) => a - b)).toEqual(Array.from({ length: 3 * each }, (_, i) => i + 1))
    const repository = await Repository.open(root, database)
    for (const { manifest } of await repository.backups()) await repository.prove(manifest.tables)
    repository.close()
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })
})
