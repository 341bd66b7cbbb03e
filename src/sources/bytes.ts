import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { type Compression, decompress } from './compression.ts'
import { openFile, unreadable } from './input.ts'

/** One pass over a file. */
export interface BytePass {
  /** The content, decompressed. A chunk is only valid until the next one is asked for. */
  chunks: AsyncGenerator<Buffer>
  /** Bytes of the file read so far, as given. */
  consumed(): number
  /** CRC-32 of the bytes as given, so far: nine times as fast as a SHA-256, and enough to notice a change. */
  checksum(): number
  /** SHA-256 of the bytes as given, in hex, where it was wanted; to be asked for once, at the end. */
  digest(): string
}

export interface BytePassOptions {
  compression: Compression | null
  chunkBytes: number
  /** Whether {@link BytePass.digest} will be asked for. */
  hashed?: boolean
  signal?: AbortSignal | undefined
}

/**
 * Reads a file once, in chunks, decompressing and hashing on the way.
 * The chunks throw RowbackError `source.unreadable` or `source.damaged`, or the signal's reason.
 */
export function passOver(path: string, options: BytePassOptions): BytePass {
  const { compression, chunkBytes, hashed, signal } = options
  const hash = createHash('sha256')
  let checksum = 0
  let consumed = 0

  async function* raw(): AsyncGenerator<Buffer> {
    // A decompressor keeps chunks queued, so only plain reading may use its buffers again.
    for await (const chunk of fileChunks(path, chunkBytes, compression === null)) {
      signal?.throwIfAborted()
      checksum = crc32(chunk, checksum)
      if (hashed) hash.update(chunk)
      consumed += chunk.length
      yield chunk
    }
  }

  return {
    chunks: compression ? decompress(raw(), compression, chunkBytes) : raw(),
    consumed: () => consumed,
    checksum: () => checksum,
    digest: () => hash.digest('hex')
  }
}

/** Reads one chunk ahead, so that the disk works while the chunk before is being used. */
async function* fileChunks(path: string, chunkBytes: number, reuse: boolean): AsyncGenerator<Buffer> {
  const file = await openFile(path)
  let spare: Buffer = Buffer.allocUnsafe(chunkBytes)
  const readInto = (buffer: Buffer) => {
    const reading = file.read(buffer, 0, chunkBytes)
    reading.catch(() => {}) // it is awaited later, when the chunk before has been used
    return reading
  }
  let next = readInto(Buffer.allocUnsafe(chunkBytes))
  try {
    for (;;) {
      const { bytesRead, buffer } = await next
      if (bytesRead === 0) return
      next = readInto(spare)
      yield buffer.subarray(0, bytesRead)
      spare = reuse ? buffer : Buffer.allocUnsafe(chunkBytes)
    }
  } catch (error) {
    throw isSystemError(error) ? unreadable(path, error) : error
  } finally {
    await next.catch(() => {})
    await file.close()
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
