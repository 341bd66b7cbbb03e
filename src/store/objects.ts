import { hash as digest } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { ExitCode, RowbackError } from '../errors.ts'
import { syncDirectory, writeDurably } from './atomic-file.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
/** Output comes in pieces of this size; zlib's default of 16 KiB costs more than the work itself. */
const CHUNK = { chunkSize: 1 << 20 }
const LEVEL = { ...CHUNK, params: { [constants.ZSTD_c_compressionLevel]: 3 } }

/** Content-addressed files: each named by the SHA-256 of its uncompressed bytes, stored compressed by zstd. */
export class ObjectStore {
  readonly #root: string
  readonly #unsynced = new Set<string>()
  /** Objects that this process has read whole and found right. */
  readonly #proven = new Set<string>()

  constructor(root: string) {
    this.#root = root
  }

  static hash(bytes: Uint8Array | string): string {
    return digest('sha256', bytes, 'hex')
  }

  /**
   * Stores the bytes unless they are there already; the object is read back and compared in both cases.
   * @returns the compressed bytes added, 0 for an object that was there
   * @throws RowbackError `backup.damaged` when an object of that name is there and does not hold these bytes
   */
  async put(hash: string, bytes: Buffer): Promise<number> {
    const path = this.path(hash)
    if (this.#proven.has(hash)) return 0
    if (existsSync(path)) {
      await this.get(hash)
      return 0
    }
    const packed = await compress(bytes, LEVEL)
    await writeDurably(path, join(this.#root, 'tmp'), packed, async (readBack) => {
      if (!bytes.equals(await decompress(readBack, CHUNK))) throw damaged(path, 'was not written as meant')
    })
    this.#proven.add(hash)
    this.#unsynced.add(dirname(path))
    return packed.length
  }

  /**
   * Reads an object whole and proves it by its hash, once per process.
   * @throws RowbackError `backup.damaged` when it is missing, cannot be unpacked or has another hash
   */
  async get(hash: string): Promise<Buffer> {
    const path = this.path(hash)
    let bytes: Buffer
    try {
      bytes = await decompress(await readFile(path), CHUNK)
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      throw damaged(path, missing ? 'is missing' : 'cannot be unpacked', error)
    }
    if (this.#proven.has(hash)) return bytes
    if (ObjectStore.hash(bytes) !== hash) throw damaged(path, 'does not hold what its name says')
    this.#proven.add(hash)
    return bytes
  }

  /** Makes all objects put so far durable; to be called before a manifest names them. */
  async sync(): Promise<void> {
    const folders = [...this.#unsynced]
    this.#unsynced.clear()
    for (const folder of folders) await syncDirectory(folder)
    if (folders.length > 0) await syncDirectory(join(this.#root, 'objects'))
  }

  path(hash: string): string {
    return join(this.#root, 'objects', hash.slice(0, 2), `${hash}.zst`)
  }
}

/** The error for a repository file that cannot be relied on (exit code 7). */
export function damaged(path: string, what: string, cause?: unknown): RowbackError {
  return new RowbackError({
    code: 'backup.damaged',
    message: `The backup file ${path} ${what}.`,
    hint: 'Put a good copy of this file back in its place, or choose a version whose backup does not need it.',
    exit: ExitCode.backupDamaged,
    cause
  })
}
