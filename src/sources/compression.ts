import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { openFile } from './input.ts'
import { messageOf, sourceError } from './source-error.ts'
import { zstdFrames } from './zstd-frames.ts'

export type Compression = 'gzip' | 'zstd'

const EXTENSIONS: Record<string, Compression> = { '.gz': 'gzip', '.zst': 'zstd' }
const SMALLEST_ZLIB_CHUNK = 64

/** The path without `.gz` or `.zst`, and which of them it had. */
export function splitCompression(path: string): { bare: string; compression: Compression | null } {
  const extension = path.slice(path.lastIndexOf('.')).toLowerCase()
  const compression = EXTENSIONS[extension] ?? null
  return { bare: compression ? path.slice(0, -extension.length) : path, compression }
}

/**
 * Tells from the first bytes how a file is compressed; a name that promises more is a sign of damage.
 * @throws RowbackError `source.damaged` when the name ends in .gz or .zst and the content is neither
 */
export async function detectCompression(path: string, name: string): Promise<Compression | null> {
  const start = await firstBytes(path, 4)
  if (start.length >= 2 && start.readUInt16BE(0) === 0x1f8b) return 'gzip'
  if (start.length >= 4 && isZstdMagic(start.readUInt32LE(0))) return 'zstd'
  const promised = splitCompression(name).compression
  if (promised && start.length > 0) {
    throw damaged(promised, 'it does not begin like one')
  }
  return null
}

/**
 * Decompresses chunk by chunk, all members or frames of the input.
 * @throws RowbackError `source.damaged`
 */
export async function* decompress(
  raw: AsyncGenerator<Buffer>,
  compression: Compression,
  chunkBytes: number
): AsyncGenerator<Buffer> {
  const chunkSize = Math.max(chunkBytes, SMALLEST_ZLIB_CHUNK)
  try {
    if (compression === 'gzip') {
      yield* through(raw, createGunzip({ chunkSize }), compression)
    } else {
      for await (const frame of zstdFrames(raw)) yield* through(frame, createZstdDecompress({ chunkSize }), compression)
    }
    // What follows the last member (zeros on a tape) is part of the file's hash.
    for await (const _ of raw);
  } finally {
    await raw.return(undefined)
  }
}

async function* through(
  raw: AsyncIterable<Buffer>,
  engine: Transform,
  compression: Compression
): AsyncGenerator<Buffer> {
  const feeding = pipeline(keptOpen(raw), engine)
  feeding.catch(() => {})
  try {
    for await (const chunk of engine) yield chunk as Buffer
    await feeding
  } catch (error) {
    throw isCompressionError(error) ? damaged(compression, messageOf(error), error) : error
  } finally {
    engine.destroy()
    await feeding.catch(() => {})
  }
}

/** A pipeline closes its source; ours may have more to give. */
async function* keptOpen(raw: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const iterator = raw[Symbol.asyncIterator]()
  for (;;) {
    const next = await iterator.next()
    if (next.done) return
    yield next.value
  }
}

function isCompressionError(error: unknown): boolean {
  const code = String((error as NodeJS.ErrnoException | null)?.code ?? '')
  return code.startsWith('Z_') || code.startsWith('ZSTD_')
}

function damaged(compression: Compression, why: string, cause?: unknown) {
  return sourceError(
    'source.damaged',
    `The ${compression} file is damaged or cut short: ${why}.`,
    `Check it with "${compression} -t" and fetch it again.`,
    cause
  )
}

function isZstdMagic(magic: number): boolean {
  return magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5
}

async function firstBytes(path: string, count: number): Promise<Buffer> {
  const file = await openFile(path)
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(count), 0, count, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
