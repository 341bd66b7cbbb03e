import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ExitCode, RowbackError } from '../errors.ts'
import { syncDirectory, writeOnce } from './atomic-file.ts'
import { tableSchema } from './manifest.ts'
import { DamagedFile, damaged, ObjectStore } from './objects.ts'
import { filesIn } from './prune.ts'

const LEFT = 'left'

/** A backup that is damaged cannot be done without; a record can. */
const IN_DOUBT = 'delete it: then it only is not known what others changed since that version'

const leftSchema = z.object({
  format: z.literal(1),
  database: z.string(),
  engine: z.string(),
  /** ISO 8601, UTC. */
  recordedAt: z.string(),
  version: z.int().positive(),
  /** The backup that the version took before it wrote. */
  backup: z.string(),
  /** Compressed bytes of rows that the repository did not have before. */
  added: z.int().min(0),
  /** Names of the tables that the version wrote, or may have written by cascades and triggers. */
  written: z.array(z.string()),
  /** Those that the version wrote as it left them, all others as the backup has them; of one that is missing it is not known. */
  tables: z.array(tableSchema)
})

/** How the tables were when a version had written its rows, just before it was committed. */
export type LeftRecord = z.infer<typeof leftSchema>

/**
 * The records of what versions left, beside the backups. One that the ledger does not name is of a version that was not
 * committed, and of no state that ever was.
 */
export class LeftRecords {
  readonly #root: string
  readonly #objects: ObjectStore
  readonly #known = new Map<string, LeftRecord>()

  constructor(root: string, objects: ObjectStore) {
    this.#root = root
    this.#objects = objects
  }

  /**
   * Writes a record; the objects that it names are durable first.
   * @returns its name, to be kept in the ledger
   * @throws RowbackError `backup.not_written`
   */
  async put(record: Omit<LeftRecord, 'format'>): Promise<string> {
    await this.#objects.sync()
    const text = JSON.stringify(leftSchema.parse({ format: 1, ...record }))
    const name = `${String(record.version).padStart(6, '0')}-${ObjectStore.hash(text)}`
    const path = this.pathOf(name)
    await writeOnce(path, join(this.#root, 'tmp'), Buffer.from(text), (readBack) => {
      if (readBack.toString('utf8') !== text) throw damaged(path, 'was not written as meant')
    })
    await syncDirectory(join(this.#root, LEFT))
    await syncDirectory(this.#root)
    return name
  }

  /**
   * Reads a record and proves it by the hash in its name.
   * @throws RowbackError `backup.missing` or `backup.damaged` (exit code 7)
   */
  async get(name: string): Promise<LeftRecord> {
    const known = this.#known.get(name)
    if (known) return known
    const record = await this.#read(name)
    this.#known.set(name, record)
    return record
  }

  async #read(name: string): Promise<LeftRecord> {
    const path = this.pathOf(name)
    if (!existsSync(path)) {
      throw new RowbackError({
        code: 'backup.missing',
        message: `The record of what version ${Number.parseInt(name, 10)} left is not in the repository ${this.#root}.`,
        hint: 'Name the folder that holds it with --repository DIR.',
        exit: ExitCode.backupDamaged
      })
    }
    try {
      const text = await readFile(path, 'utf8')
      if (ObjectStore.hash(text) !== name.slice(name.indexOf('-') + 1))
        throw damaged(path, 'was altered', undefined, IN_DOUBT)
      return leftSchema.parse(JSON.parse(text))
    } catch (error) {
      throw error instanceof DamagedFile ? error : damaged(path, 'cannot be read', error, IN_DOUBT)
    }
  }

  /** The names of all records, in the order of their versions. */
  async names(): Promise<string[]> {
    return (await filesIn(join(this.#root, LEFT)))
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length))
      .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1))
  }

  pathOf(name: string): string {
    return join(this.#root, LEFT, `${name}.json`)
  }
}
