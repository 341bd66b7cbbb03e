import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  writeFile
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ExitCode } from '../../src/errors.ts'
import { openSource } from '../../src/sources/open.ts'
import { drain, failure, readAll, tempFolder } from './helpers.ts'

const folder = tempFolder()
const CSV = 'id,name\n1,Ann\n2,Bob\n'
const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** About 2 MB that compress badly enough to have many blocks and chunks. */
function manyRows(): string {
  let text = 'id,value\n'
  for (let i = 0; i < 40_000; i++) text += `${i},${sha256(String(i)).slice(0, 40)}\n`
  return text
}

describe('the input as a whole', () => {
  test('has its base name, size and SHA-256', async () => {
    const { source, bytesRead } = await readAll(await folder.write('people.csv', CSV))
    expect(source).toMatchObject({ name: 'people.csv', bytes: CSV.length, sha256: sha256(CSV) })
    expect(bytesRead).toEqual([CSV.length])
  })

  test('is read as often as needed', async () => {
    const source = await openSource(await folder.write('twice.csv', CSV))
    expect(await drain(source)).toEqual(await drain(source))
    await source.close()
  })

  test('comes in batches of about a thousand rows, with the progress in bytes', async () => {
    const text = manyRows()
    const source = await openSource(await folder.write('many.csv', text))
    const sizes: number[] = []
    const progress: number[] = []
    for await (const batch of source.read()) {
      sizes.push(batch.rows.length)
      progress.push(batch.bytesRead)
    }
    expect(sizes.reduce((a, b) => a + b)).toBe(40_000)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1000)
    expect(sizes.length).toBe(40)
    expect(progress).toEqual(progress.toSorted((a, b) => a - b))
    expect(progress.at(-1)).toBe(text.length)
    expect(progress[0]).toBeLessThan(text.length / 4)
  })

  test.each([
    ['left.csv', (text: string) => text],
    ['left.csv.gz', gzipSync],
    ['left.csv.zst', zstdCompressSync]
  ])('can be left in the middle: %s', async (name, write) => {
    const source = await openSource(await folder.write(name, write(manyRows())), {}, { windowBytes: 10_000 })
    let first = 0
    for await (const batch of source.read()) {
      first = batch.rows.length
      break
    }
    expect(first).toBe(1000)
    expect((await drain(source)).rows.length).toBe(40_000)
  })

  test.runIf(process.platform === 'linux')('keeps no file open, whether it is read, left or refused', async () => {
    const openFiles = async () => {
      const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
      return (await Promise.all(links)).filter((link) => link.startsWith(folder.path()))
    }
    const text = manyRows()
    for (const [name, content] of [
      ['open.csv', text],
      ['open.csv.gz', gzipSync(text)],
      ['open.csv.zst', zstdCompressSync(text)]
    ] as const) {
      const path = await folder.write(name, content)
      const source = await openSource(path, {}, { windowBytes: 10_000 })
      for await (const _ of source.read()) break
      await drain(source)
      await failure(openSource(path, { encoding: 'klingon' }))
      await failure(openSource(await folder.write('cut.csv.gz', gzipSync(text).subarray(0, 100_000))))
      await failure(openSource(await folder.write('nul.csv', `${text}\0`)))
      await failure(openSource(await folder.write('book.xlsx', `PK\x03\x04${text}`)))
      expect(await openFiles()).toEqual([])
    }
  })
})

describe('a change after opening', () => {
  test.each([
    ['a byte', (path: string) => writeFile(path, CSV.replace('Ann', 'Eve'))],
    ['a row more', (path: string) => appendFile(path, '3,Cid\n')],
    ['the end missing', (path: string) => truncate(path, CSV.length - 6)]
  ])('%s is an error at the end of reading', async (_what, change) => {
    const path = await folder.write('changing.csv', CSV)
    const source = await openSource(path)
    await change(path)
    const error = await failure(drain(source))
    expect(error).toMatchObject({ code: 'source.changed', exit: ExitCode.failed })
  })

  test('the file gone is an error', async () => {
    const path = await folder.write('spool-like.csv', CSV)
    const source = await openSource(path)
    await rm(path)
    expect((await failure(drain(source))).code).toBe('source.unreadable')
  })
})

describe('unreadable inputs', () => {
  test('a missing file', async () => {
    const error = await failure(openSource(join(folder.path(), 'no-such.csv')))
    expect(error).toMatchObject({ code: 'source.unreadable', exit: ExitCode.failed })
    expect(error.message).toContain('no-such.csv')
  })

  test('a folder', async () => {
    const path = join(folder.path(), 'folder.csv')
    await mkdir(path)
    const error = await failure(openSource(path))
    expect(error.code).toBe('source.unreadable')
    expect(error.message).toContain('folder')
  })

  test('a file without permission', async () => {
    const path = await folder.write('secret.csv', CSV)
    await chmod(path, 0o000)
    // Root may read everything, so it is somebody else for the moment.
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65534)
    const error = await failure(openSource(path)).finally(() => {
      if (isRoot) process.seteuid?.(0)
    })
    expect(error.code).toBe('source.unreadable')
    expect(error.message).toContain('permission')
  })

  test.each([
    ['0 bytes', ''],
    ['blank lines', '\n \r\n\t\n\n'],
    ['a byte order mark', '\ufeff'],
    ['a byte order mark and blank lines', '\ufeff\n\n'],
    ['more blank lines than a sample has', '\n'.repeat(200_000)]
  ])('empty: %s', async (_what, text) => {
    for (const name of ['empty.csv', 'empty.json', 'empty.ndjson', 'empty']) {
      const error = await failure(openSource(await folder.write(name, text)))
      expect(error).toMatchObject({ code: 'source.empty', exit: ExitCode.failed })
    }
  })

  test('empty: nothing compressed', async () => {
    expect((await failure(openSource(await folder.write('empty.csv.gz', gzipSync(''))))).code).toBe('source.empty')
    expect((await failure(openSource(await folder.write('empty.csv.zst', '')))).code).toBe('source.empty')
  })

  test.each([
    ['book.xlsx', Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(40, 7)]), /Excel/, /CSV/],
    ['renamed.csv', Buffer.from('PK\x03\x04......[Content_Types].xml..xl/workbook.xml'), /Excel/, /CSV/],
    ['files.zip', Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(40, 7)]), /ZIP/, /Unpack/],
    ['old.xls', Buffer.from('d0cf11e0a1b11ae1000000', 'hex'), /Office/, /CSV/],
    ['data.csv', Buffer.from('SQLite format 3\0....'), /SQLite/, /Export/],
    ['data.parquet', Buffer.from('PAR1\x15\x04\x15'), /Parquet/, /Export/],
    ['image.png', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), /PNG/, /CSV/],
    ['doc.pdf', Buffer.from('%PDF-1.7\n'), /PDF/, /CSV/],
    ['program', Buffer.from('id,name\n1,a\0b\n'), /byte 12 is NUL/, /text/],
    ['late.csv', Buffer.from(`${CSV.repeat(20_000)}3,\0\n`), /is NUL/, /text/]
  ])('binary: %s', async (name, bytes, message, hint) => {
    const error = await failure(openSource(await folder.write(name, bytes)))
    expect(error).toMatchObject({ code: 'source.binary', exit: ExitCode.failed })
    expect(error.message).toMatch(message)
    expect(error.hint).toMatch(hint)
  })

  test('a text that begins like a magic number is text', async () => {
    const { source } = await readAll(await folder.write('orc.csv', 'ORC,PAR1\n1,2\n'))
    expect(source.columns).toEqual(['ORC', 'PAR1'])
  })
})

describe('compressed files', () => {
  const compressors = [
    ['gz', gzipSync],
    ['zst', zstdCompressSync]
  ] as const

  test.each(compressors)(
    '.%s: the rows are those within, size and hash those of the file',
    async (extension, compress) => {
      const text = manyRows()
      const bytes = compress(text)
      const path = await folder.write(`rows.csv.${extension}`, bytes)
      const { source, rows, bytesRead } = await readAll(path)
      expect(rows.length).toBe(40_000)
      expect(rows.at(-1)?.cells[0]).toBe('39999')
      expect(source).toMatchObject({ bytes: bytes.length, sha256: sha256(bytes), name: `rows.csv.${extension}` })
      expect(bytesRead.at(-1)).toBe(bytes.length)
      expect(source.summary).toMatch(/gzip|zstd/)
    }
  )

  test.each(compressors)('.%s: the kind of file is told by the name without it', async (extension, compress) => {
    const { source } = await readAll(await folder.write(`a.ndjson.${extension}`, compress('{"a":1}\n')))
    expect(source.summary).toContain('NDJSON')
  })

  test.each(compressors)('.%s: content tells where the name does not', async (extension, compress) => {
    const { rows } = await readAll(await folder.write(`no-extension-${extension}`, compress(CSV)))
    expect(rows.length).toBe(2)
  })

  test.each(compressors)('.%s: all members or frames are read, at any window size', async (_extension, compress) => {
    const bytes = Buffer.concat([compress('id,name\n1,An'), compress(''), compress('n\n2,Bob'), compress('\n3,Cid\n')])
    for (const windowBytes of [1, 2, 3, 5, 7, 64, 1 << 20]) {
      const { rows, source } = await readAll(await folder.write('frames.csv', bytes), {}, { windowBytes })
      expect(rows.map((row) => row.cells[1])).toEqual(['Ann', 'Bob', 'Cid'])
      expect(source.sha256).toBe(sha256(bytes))
    }
  })

  test('.zst: frames with a checksum, without a size, with large blocks, and skippable ones', async () => {
    const text = manyRows()
    const bare = { [constants.ZSTD_c_contentSizeFlag]: 0 }
    const checked = { [constants.ZSTD_c_checksumFlag]: 1 }
    const skippable = Buffer.concat([Buffer.from('5a2a4d1805000000', 'hex'), Buffer.from('hello')])
    const repeated = zstdCompressSync('7'.repeat(300_000))
    const bytes = Buffer.concat(
      [
        skippable,
        zstdCompressSync(text.slice(0, 700_000), { params: bare }),
        skippable,
        zstdCompressSync(text.slice(700_000), { params: checked }),
        Buffer.from('40000,'),
        repeated
      ].map((part, i) => (i === 4 ? zstdCompressSync(part) : part))
    )
    for (const windowBytes of [100, 128 * 1024]) {
      const { rows } = await readAll(await folder.write('mixed.csv.zst', bytes), {}, { windowBytes })
      expect(rows.length).toBe(40_001)
      expect(rows.at(-1)?.cells).toEqual(['40000', '7'.repeat(300_000)])
    }
  })

  test('.gz: zeros after the end belong to the hash only', async () => {
    const bytes = Buffer.concat([gzipSync(CSV), Buffer.alloc(500_000)])
    for (const windowBytes of [1000, 128 * 1024]) {
      const { rows, source } = await readAll(await folder.write('padded.csv.gz', bytes), {}, { windowBytes })
      expect(rows.length).toBe(2)
      expect(source).toMatchObject({ bytes: bytes.length, sha256: sha256(bytes) })
    }
  })

  test.each(compressors)('.%s: damage is an error', async (extension, compress) => {
    const whole = compress(manyRows())
    const flipped = Buffer.from(compress(manyRows(), extension === 'zst' ? { params: { 201: 1 } } : {}))
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 0xff
    const damaged = {
      short: whole.subarray(0, whole.length - 3),
      half: whole.subarray(0, whole.length >> 1),
      start: whole.subarray(0, 5),
      flipped,
      followed: Buffer.concat([whole, Buffer.from('something else')]),
      other: Buffer.from(CSV)
    }
    for (const [what, bytes] of Object.entries(damaged)) {
      const error = await failure(openSource(await folder.write(`${what}.csv.${extension}`, bytes)))
      expect([what, error.code, error.exit]).toEqual([what, 'source.damaged', ExitCode.failed])
    }
  })
})

describe('standard input', () => {
  // A temporary folder of our own, because others may spool at the same time.
  beforeEach(async () => {
    vi.stubEnv('TMPDIR', await mkdtemp(join(folder.path(), 'tmp-')))
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })
  const spools = () => readdir(tmpdir())

  test('is spooled to a file that only the user can read, and removed on close', async () => {
    const source = await openSource('-', {}, { stdin: Readable.from([Buffer.from(CSV)]) })
    const [mine] = await spools()
    const path = join(tmpdir(), String(mine), 'input')
    expect(await readFile(path, 'utf8')).toBe(CSV)
    expect((await stat(path)).mode & 0o077).toBe(0)
    expect(source).toMatchObject({ name: '-', bytes: CSV.length, sha256: sha256(CSV) })
    expect((await drain(source)).rows.length).toBe(2)
    expect((await drain(source)).rows.length).toBe(2)
    await source.close()
    await source.close()
    expect(await spools()).toEqual([])
  })

  test.each([
    ['[{"a":1}]', 'JSON'],
    [' \n {"a":1}\n{"a":2}', 'NDJSON'],
    ['{"a":1}', 'JSON object'],
    ['a;b\n1;2\n', 'CSV']
  ])('its kind is told by its first character: %s', async (text, kind) => {
    const { source } = await readAll('-', {}, { stdin: Readable.from([Buffer.from(text)]) })
    expect(source.summary.startsWith(kind)).toBe(true)
  })

  test('is that of the process when no other is given', async () => {
    const open = fileURLToPath(new URL('../../src/sources/open.ts', import.meta.url))
    const script = `import { openSource } from ${JSON.stringify(open)}
      const source = await openSource('-')
      for await (const { rows } of source.read()) console.log(JSON.stringify(rows))
      await source.close()`
    const printed = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], { input: CSV })
    expect(JSON.parse(printed.toString())).toEqual([
      { line: 2, cells: ['1', 'Ann'] },
      { line: 3, cells: ['2', 'Bob'] }
    ])
  })

  test('may be compressed', async () => {
    for (const bytes of [gzipSync(CSV), zstdCompressSync(CSV)]) {
      expect((await readAll('-', {}, { stdin: Readable.from([bytes]) })).rows.length).toBe(2)
    }
  })

  test('leaves nothing behind when it fails', async () => {
    expect((await failure(openSource('-', {}, { stdin: Readable.from([]) }))).code).toBe('source.empty')
    const broken = new Readable({ read: () => broken.destroy(new Error('the pipe broke')) })
    const error = await failure(openSource('-', {}, { stdin: broken }))
    expect(error.code).toBe('source.unreadable')
    expect(error.message).toContain('the pipe broke')
    expect(await spools()).toEqual([])
  })

  test('a pipe with a name is spooled, too', async () => {
    const path = join(folder.path(), 'fifo.csv')
    execFileSync('mkfifo', [path])
    const writer = spawn('sh', ['-c', `printf 'id,name\\n1,Ann\\n' > ${path}`])
    const { rows, source } = await readAll(path)
    expect(rows).toEqual([{ line: 2, cells: ['1', 'Ann'] }])
    expect(source.name).toBe('fifo.csv')
    expect(writer.killed).toBe(false)
  })
})

describe('a signal', () => {
  test('stops the opening with its reason', async () => {
    const path = await folder.write('signal.csv', CSV)
    const reason = new Error('enough')
    await expect(openSource(path, {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('stops the reading', async () => {
    const stop = new AbortController()
    const source = await openSource(await folder.write('signal.csv', manyRows()), {}, { signal: stop.signal })
    const reading = (async () => {
      for await (const _ of source.read()) stop.abort(new Error('enough'))
    })()
    await expect(reading).rejects.toThrow('enough')
  })

  test('stops waiting for standard input', async () => {
    const stop = new AbortController()
    const opening = openSource('-', {}, { stdin: new Readable({ read() {} }), signal: stop.signal })
    setTimeout(() => stop.abort(new Error('enough')), 20)
    await expect(opening).rejects.toThrow('enough')
  })
})
