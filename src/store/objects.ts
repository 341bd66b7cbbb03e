import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { ExitCode, RowbackError } from '../errors.ts'
import { syncDirectory, writeDurably } from './atomic-file.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
const LEVEL = { params: { [constants.ZSTD_c_compressionLevel]: 3 } }

/** Content-addressed files: each named by the SHA-256 of its uncompressed bytes, stored compressed by zstd. */
export class ObjectStore {
  readonly #root: string
  readonly #unsynced = new Set<string>()

  constructor(root: string) {
    this.#root = root
  }

  static hash(bytes: Uint8Array | string): string {
    return createHash('sha256').update(bytes).digest('hex')
  }

  /**
   * Stores the bytes unless they are there already; the object is read back and compared in both cases.
   * @returns the compressed bytes added, 0 for an object that was there
   * @throws RowbackError `backup.damaged` when an object of that name is there and does not hold these bytes
   */
  async put(hash: string, bytes: Buffer): Promise<number> {
    const path = this.path(hash)
    if (existsSync(path)) {
      await this.get(hash)
      return 0
    }
    const packed = await compress(bytes, LEVEL)
    await writeDurably(path, join(this.#root, 'tmp'), packed, async (readBack) => {
      if (ObjectStore.hash(await decompress(readBack)) !== hash) throw damaged(path, 'was not written as meant')
    })
    this.#unsynced.add(dirname(path))
    return packed.length
  }

  /**
   * Reads an object whole and proves it by its hash.
   * @throws RowbackError `backup.damaged` when it is missing, cannot be unpacked or has another hash
   */
  async get(hash: string): Promise<Buffer> {
    const path = this.path(hash)
    let bytes: Buffer
    try {
      bytes = await decompress(await readFile(path))
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      throw damaged(path, missing ? 'is missing' : 'cannot be unpacked', error)
    }
    if (ObjectStore.hash(bytes) !== hash) throw damaged(path, 'does not hold what its name says')
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
