import { hash as digest } from 'node:crypto'
import { promisify } from 'node:util'
import { isMainThread } from 'node:worker_threads'
import type { ZstdOptions } from 'node:zlib'
import { constants, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'

// A thread that does nothing else packs itself: each further thread would keep memory of its own.
const compress = isMainThread
  ? promisify(zstdCompress)
  : async (bytes: Buffer, options: ZstdOptions) => zstdCompressSync(bytes, options)
const decompress = isMainThread
  ? promisify(zstdDecompress)
  : async (bytes: Buffer, options: ZstdOptions) => zstdDecompressSync(bytes, options)
/** Output comes in pieces of this size: room for a chunk and the line over it, so that there is one piece to handle. */
const UNPACKED = { chunkSize: (1 << 20) + (1 << 16) }
/** Rows become as small as at level 3, in two thirds of the time. */
const LEVEL = 1
/** A base must be small enough for `zstd -D` (32 MiB) and to be held in memory beside the chunk. */
export const LARGEST = 8 << 20
/** Below this a delta saves less than its header costs. */
const SMALLEST = 1024
/** A delta that is not smaller than this part of the whole is not worth its base. */
const WORTH = 0.7

/**
 * Deltas that must be undone one after the other to read the longest chain: each costs about what reading a whole object
 * does. Measured with 1% of the rows changed at random per backup: every 20th backup or so is stored whole again.
 */
export const LONGEST_CHAIN = 4
/** Up to this part of the uncompressed bytes a delta is made against its base's base, so that the chain does not grow. */
export const SMALL_DELTA = 0.02

/** What a delta says of itself in front of its data. */
export interface DeltaHeader {
  /** The object whose bytes are its dictionary. */
  base: string
  /** How many deltas must be undone to read it: 1 when the base is stored whole. */
  depth: number
}

/** A skippable frame (RFC 8878, 3.1.2), which zstd tools pass over. */
const MAGIC = 0x184d2a5b
const ZSTD_MAGIC = 0xfd2fb528
const TEXT = /^rowback delta base=([0-9a-f]{64}) depth=(\d{2}) check=([0-9a-f]{16})\n$/
const TEXT_LENGTH = 116
/** Bytes of a delta file before its data. */
export const HEADER_LENGTH = 8 + TEXT_LENGTH

/** Bytes packed alone. */
export function packWhole(bytes: Buffer): Promise<Buffer> {
  return compress(bytes, { ...roomFor(bytes), params: { [constants.ZSTD_c_compressionLevel]: LEVEL } })
}

/** Room for what hardly packs at all: zstd then works in one go, without buffers of its own. */
function roomFor(bytes: Buffer): { chunkSize: number } {
  return { chunkSize: bytes.length + (bytes.length >> 7) + 1024 }
}

/** @throws when the bytes are not one that {@link packWhole} gave */
export function unpackWhole(packed: Buffer): Promise<Buffer> {
  return decompress(packed, UNPACKED)
}

/** Whether bytes of this length can be packed as a delta, or be the base of one. */
export function fitsDelta(bytes: number): boolean {
  return bytes >= SMALLEST && bytes <= LARGEST
}

/**
 * Bytes packed as what differs from a base: zstd with the base as raw-content dictionary.
 * @returns null when that is not clearly smaller than the bytes packed alone
 */
export async function packDelta(bytes: Buffer, base: Buffer, header: DeltaHeader): Promise<Buffer | null> {
  const params = {
    [constants.ZSTD_c_compressionLevel]: LEVEL,
    // The window must reach over the bytes and the base in front of them.
    [constants.ZSTD_c_windowLog]: Math.max(17, Math.ceil(Math.log2(bytes.length + base.length))),
    // A table that holds a quarter of the base's places, and long matches only: zstd's own is so small at this level that
    // it forgets most of the base, and the delta becomes as large as the whole.
    [constants.ZSTD_c_hashLog]: Math.max(16, Math.round(Math.log2(base.length)) - 2),
    [constants.ZSTD_c_minMatch]: 7
  }
  const data = await compress(bytes, { ...roomFor(bytes), params, dictionary: base })
  const delta = Buffer.concat([headerFrame(header), data])
  // Rows hardly ever pack to a hundredth, so that packing them alone needs no trying then.
  if (delta.length < bytes.length / 100) return delta
  return delta.length <= WORTH * (await packWhole(bytes)).length ? delta : null
}

/** @throws when the delta is not of this base, or is damaged in a way that zstd notices */
export function unpackDelta(packed: Buffer, base: Buffer): Promise<Buffer> {
  return decompress(packed.subarray(HEADER_LENGTH), { ...UNPACKED, dictionary: base })
}

function headerFrame({ base, depth }: DeltaHeader): Buffer {
  const frame = Buffer.alloc(HEADER_LENGTH)
  frame.writeUInt32LE(MAGIC, 0)
  frame.writeUInt32LE(TEXT_LENGTH, 4)
  frame.write(headerText(base, String(depth).padStart(2, '0')), 8, 'latin1')
  return frame
}

function headerText(base: string, depth: string): string {
  const facts = `base=${base} depth=${depth}`
  return `rowback delta ${facts} check=${digest('sha256', facts, 'hex').slice(0, 16)}\n`
}

/**
 * What an object's file begins with.
 * @param beginning its first {@link HEADER_LENGTH} bytes, or all
 * @returns null for an object that is stored whole
 * @throws SyntaxError when it is neither a delta nor a zstd frame
 */
export function readHeader(beginning: Buffer): DeltaHeader | null {
  if (beginning.length >= 4 && beginning.readUInt32LE(0) === ZSTD_MAGIC) return null
  const text = beginning.toString('latin1', 8, HEADER_LENGTH)
  const [, base, depth] = TEXT.exec(text) ?? []
  const isFrame =
    beginning.length >= HEADER_LENGTH &&
    beginning.readUInt32LE(0) === MAGIC &&
    beginning.readUInt32LE(4) === TEXT_LENGTH
  if (!isFrame || base === undefined || depth === undefined || headerText(base, depth) !== text) {
    throw new SyntaxError('neither a zstd frame nor a delta')
  }
  return { base, depth: Number(depth) }
}
