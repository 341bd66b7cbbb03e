import { hash as digest, subtle } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { ErrorDetail } from '../errors.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import { syncDirectory, writeOnce } from './atomic-file.ts'
import type { DeltaHeader } from './delta.ts'
import {
  fitsDelta,
  HEADER_LENGTH,
  LARGEST,
  LONGEST_CHAIN,
  packDelta,
  packWhole,
  readHeader,
  SMALL_DELTA,
  unpackDelta,
  unpackWhole
} from './delta.ts'

/** Uncompressed bytes kept for the next reader: neighbours of a chain, and the same chunk of two backups. */
const CACHE_BYTES = 12 << 20

/** An object's file, and what gives its bytes. */
interface Packed {
  packed: Buffer
  unpack: (packed: Buffer) => Promise<Buffer>
}

/**
 * Content-addressed files: each named by the SHA-256 of its uncompressed bytes, stored compressed by zstd, alone or as
 * a delta against another object.
 */
export class ObjectStore {
  readonly #root: string
  readonly #cacheBytes: number
  readonly #unsynced = new Set<string>()
  /** Objects that this process has read whole and found right. */
  readonly #proven = new Set<string>()
  /** Uncompressed, the one used last at the end. */
  readonly #cache = new Map<string, Buffer>()

  /** @param cacheBytes uncompressed bytes that it keeps at most */
  constructor(root: string, cacheBytes: number = CACHE_BYTES) {
    this.#root = root
    this.#cacheBytes = cacheBytes
  }

  static hash(bytes: Uint8Array | string): string {
    return digest('sha256', bytes, 'hex')
  }

  /** The same without holding up the main thread, for many bytes. */
  static async hashAside(bytes: Buffer): Promise<string> {
    // Elsewhere there is nothing to hold up, and another thread would be given a copy.
    if (!isMainThread) return ObjectStore.hash(bytes)
    return Buffer.from(await subtle.digest('SHA-256', bytes as Buffer<ArrayBuffer>)).toString('hex')
  }

  /**
   * Stores the bytes unless they are there already; the object is read back and compared in both cases.
   * @param base an object that probably holds much the same: where that makes the file clearly smaller, only the
   *   difference is stored
   * @returns the compressed bytes added, 0 for an object that was there
   * @throws RowbackError `backup.damaged` when an object of that name is there and does not hold these bytes
   */
  async put(hash: string, bytes: Buffer, base: string | null = null): Promise<number> {
    const path = this.path(hash)
    if (this.#proven.has(hash)) return 0
    // Whoever put it there may have crashed, or be about to, before its folder was synced.
    this.#unsynced.add(dirname(path))
    if (existsSync(path)) {
      await this.get(hash)
      return 0
    }
    const delta = base !== null && fitsDelta(bytes.length) ? await this.#asDelta(bytes, base) : null
    const { packed, unpack } = delta ?? { packed: await packWhole(bytes), unpack: unpackWhole }
    const written = await writeOnce(path, join(this.#root, 'tmp'), packed, async (readBack) => {
      if (!bytes.equals(await unpack(readBack))) throw damaged(path, 'was not written as meant')
    })
    if (!written) {
      await this.get(hash)
      return 0
    }
    this.#proven.add(hash)
    return packed.length
  }

  /**
   * Null where the base is no help: too large, at the end of a chain, or not readable; who needs it will hear of that.
   * It is read whole here, so everything it builds on is on the disk already, and no chain can come back to itself.
   */
  async #asDelta(bytes: Buffer, base: string): Promise<Packed | null> {
    try {
      if (await this.#isLarge(base)) return null
      const header = await this.#header(base)
      if (header === null) return await this.#deltaTo(bytes, { base, depth: 1 })
      const beside = await this.#deltaTo(bytes, header)
      if (beside && beside.packed.length <= SMALL_DELTA * bytes.length) return beside
      return header.depth < LONGEST_CHAIN ? await this.#deltaTo(bytes, { base, depth: header.depth + 1 }) : null
    } catch (error) {
      if (error instanceof DamagedFile) return null
      throw error
    }
  }

  /** Whether an object is too large for a base already by its file, so that it need not be read to know. */
  async #isLarge(hash: string): Promise<boolean> {
    const found = await stat(this.path(hash)).catch(() => null)
    return found !== null && found.size > LARGEST
  }

  async #deltaTo(bytes: Buffer, header: DeltaHeader): Promise<Packed | null> {
    const dictionary = await this.get(header.base)
    if (!fitsDelta(dictionary.length)) return null
    const packed = await packDelta(bytes, dictionary, header)
    return packed && { packed, unpack: (delta) => unpackDelta(delta, dictionary) }
  }

  /**
   * Reads an object whole and proves it by its hash, once per process.
   * @throws RowbackError `backup.damaged` when it, or one that it is a delta against, is missing, cannot be unpacked or
   *   has another hash; the message names the file at fault
   */
  async get(hash: string): Promise<Buffer> {
    return this.#read(hash, LONGEST_CHAIN + 1, '')
  }

  /** The bytes of objects one after the other. @throws RowbackError `backup.damaged` */
  async join(hashes: readonly string[]): Promise<Buffer> {
    if (hashes.length === 1) return this.get(hashes[0] as string)
    const parts: Buffer[] = []
    for (const hash of hashes) parts.push(await this.get(hash))
    return Buffer.concat(parts)
  }

  /**
   * @param limit the object's depth must be below
   * @param neededBy for the message: who cannot be read without it
   */
  async #read(hash: string, limit: number, neededBy: string): Promise<Buffer> {
    const cached = this.#cache.get(hash)
    if (cached) {
      this.#remember(hash, cached)
      return cached
    }
    const path = this.path(hash)
    const bytes = await this.#unpack(path, limit, neededBy)
    if (!this.#proven.has(hash)) {
      if ((await ObjectStore.hashAside(bytes)) !== hash)
        throw damaged(path, `does not hold what its name says${neededBy}`)
      this.#proven.add(hash)
    }
    this.#remember(hash, bytes)
    return bytes
  }

  async #unpack(path: string, limit: number, neededBy: string): Promise<Buffer> {
    try {
      const packed = await readFile(path)
      const header = readHeader(packed)
      if (header === null) return await unpackWhole(packed)
      if (header.depth >= limit) throw new SyntaxError('the chain of deltas is not as long as it says')
      const base = await this.#read(header.base, header.depth, neededBy || `; the delta ${path} needs it`)
      return await unpackDelta(packed, base)
    } catch (error) {
      if (error instanceof RowbackError) throw error
      const what = isMissing(error) ? 'is missing' : isRefused(error) ? 'cannot be read' : 'cannot be unpacked'
      throw damaged(path, `${what}${neededBy}`, error)
    }
  }

  #remember(hash: string, bytes: Buffer): void {
    this.#cache.delete(hash)
    if (bytes.length > this.#cacheBytes / 2) return
    this.#cache.set(hash, bytes)
    let total = 0
    for (const [known, { length }] of [...this.#cache].reverse()) {
      total += length
      if (total > this.#cacheBytes) this.#cache.delete(known)
    }
  }

  /**
   * What the object is a delta against; null when it is stored whole.
   * @throws RowbackError `backup.damaged`
   */
  async base(hash: string): Promise<string | null> {
    return (await this.#header(hash))?.base ?? null
  }

  async #header(hash: string): Promise<DeltaHeader | null> {
    const path = this.path(hash)
    try {
      const file = await open(path, 'r')
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_LENGTH), 0, HEADER_LENGTH, 0)
        return readHeader(buffer.subarray(0, bytesRead))
      } finally {
        await file.close()
      }
    } catch (error) {
      throw damaged(path, isMissing(error) ? 'is missing' : 'cannot be read', error)
    }
  }

  /** Takes another's word that it has read an object whole and found it right. */
  trust(hash: string): void {
    this.#proven.add(hash)
  }

  /** The objects that were read whole and found right. */
  proven(): Iterable<string> {
    return this.#proven
  }

  /** Makes all objects put so far durable; to be called before a manifest names them. */
  async sync(): Promise<void> {
    const folders = [...this.#unsynced]
    this.#unsynced.clear()
    await Promise.all(folders.map(syncDirectory))
    if (folders.length > 0) await syncDirectory(join(this.#root, 'objects'))
  }

  path(hash: string): string {
    return join(this.#root, 'objects', hash.slice(0, 2), `${hash}.zst`)
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

/** The error for a repository file that cannot be relied on (exit code 7). */
export class DamagedFile extends RowbackError {
  readonly file: string

  constructor(file: string, detail: ErrorDetail) {
    super(detail)
    this.file = file
  }
}

/**
 * @param what is wrong with it: `is missing`
 * @param hint what else than putting a good copy in its place can be done
 */
export function damaged(
  file: string,
  what: string,
  cause?: unknown,
  hint = 'choose a version whose backup does not need it. To go on meanwhile, begin another repository: rowback backup create --repository DIR'
): DamagedFile {
  return new DamagedFile(file, {
    code: 'backup.damaged',
    message: `The backup file ${file} ${what}.`,
    hint: `Put a good copy of this file back in its place, or ${hint}.`,
    exit: ExitCode.backupDamaged,
    cause
  })
}
