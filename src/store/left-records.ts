import { z } from 'zod'
import { ExitCode, RowbackError } from '../errors.ts'
import { HashedFiles } from './hashed-files.ts'
import { tableSchema } from './manifest.ts'

/** A backup that is damaged cannot be done without; a record can. */
const IN_DOUBT = 'add --yes to a rollback: then rows go unasked that others changed when only this record would tell'

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
  readonly #files: HashedFiles
  readonly #sync: () => Promise<void>
  readonly #known = new Map<string, LeftRecord>()

  /** @param sync makes the objects durable that were stored so far */
  constructor(root: string, sync: () => Promise<void>) {
    this.#root = root
    this.#files = new HashedFiles(root, 'left', IN_DOUBT)
    this.#sync = sync
  }

  /**
   * Writes a record; the objects that it names are durable first.
   * @returns its name, to be kept in the ledger
   * @throws RowbackError `backup.not_written`
   */
  async put(record: Omit<LeftRecord, 'format'>): Promise<string> {
    await this.#sync()
    return this.#files.put(record.version, JSON.stringify(leftSchema.parse({ format: 1, ...record })))
  }

  /**
   * Reads a record and proves it by the hash in its name.
   * @throws RowbackError `backup.missing` or `backup.damaged` (exit code 7)
   */
  async get(name: string): Promise<LeftRecord> {
    const known = this.#known.get(name)
    if (known) return known
    if (!this.#files.has(name)) throw this.#missing(name)
    const record = await this.#files.read(name, (text) => leftSchema.parse(JSON.parse(text)))
    this.#known.set(name, record)
    return record
  }

  #missing(name: string): RowbackError {
    return new RowbackError({
      code: 'backup.missing',
      message: `The record of what version ${Number.parseInt(name, 10)} left is not in the repository ${this.#root}.`,
      hint: 'Name the folder that holds it with --repository DIR.',
      exit: ExitCode.backupDamaged
    })
  }

  has(name: string): boolean {
    return this.#files.has(name)
  }

  /** The names of all records, in the order of their versions. */
  names(): Promise<string[]> {
    return this.#files.names()
  }

  pathOf(name: string): string {
    return this.#files.pathOf(name)
  }
}
