import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { ExitCode, RowbackError, usageError } from '../errors.ts'
import { syncDirectory, writeDurably } from './atomic-file.ts'
import type { Manifest, TableManifest } from './manifest.ts'
import { manifestSchema } from './manifest.ts'
import { damaged, ObjectStore } from './objects.ts'

const FORMAT = 1
const FORMAT_FILE = 'format.json'
const formatSchema = z.object({ format: z.int(), hash: z.string(), repository: z.string(), database: z.string() })

/** Rows in the form in which they are stored. */
export interface PackedRows {
  object: string
  bytes: Buffer
  rows: number
}

/** The backup repository: a folder of full backups of one database. See docs/architecture.md for its layout. */
export class Repository {
  readonly root: string
  readonly #objects: ObjectStore
  #manifests: Map<string, Manifest> = new Map()

  private constructor(root: string) {
    this.root = root
    this.#objects = new ObjectStore(root)
  }

  /**
   * Opens the folder, making it on first use.
   * @param database identity of the database; a repository serves one
   * @throws RowbackError `repository.other_database`, `repository.newer` or `backup.damaged`
   */
  static async open(root: string, database: string): Promise<Repository> {
    const repository = new Repository(resolve(root))
    const path = join(repository.root, FORMAT_FILE)
    if (!existsSync(path)) await repository.#initialise(path, database)
    await repository.#assertServes(database)
    return repository
  }

  /**
   * Opens the folder without making anything; where it is missing, so are its backups.
   * @throws RowbackError as {@link Repository.open} does
   */
  static async openForReading(root: string, database: string): Promise<Repository> {
    const repository = new Repository(resolve(root))
    if (existsSync(join(repository.root, FORMAT_FILE))) await repository.#assertServes(database)
    return repository
  }

  /** @throws RowbackError `repository.other_database` when the folder is a repository, for a database that has none yet */
  static refuseUsed(root: string): void {
    if (existsSync(join(resolve(root), FORMAT_FILE))) throw otherDatabase(root)
  }

  async #assertServes(database: string): Promise<void> {
    const format = await readJson(join(this.root, FORMAT_FILE), formatSchema)
    if (format.format > FORMAT) {
      throw usageError(
        'repository.newer',
        `The backup repository ${this.root} was made by a newer rowback (format ${format.format}, this one knows ${FORMAT}).`,
        'Install the newer rowback: npm install -g rowback@latest'
      )
    }
    if (format.database !== database) throw otherDatabase(this.root)
  }

  async #initialise(path: string, database: string): Promise<void> {
    const format = { format: FORMAT, hash: 'sha256', repository: randomUUID(), database }
    await this.#writeJson(path, JSON.stringify(format, null, 2))
    await syncDirectory(this.root)
  }

  /** Rows as an object's bytes, and the name that these give it. */
  static pack(lines: readonly string[]): PackedRows {
    const bytes = Buffer.from(lines.length === 0 ? '' : `${lines.join('\n')}\n`)
    return { object: ObjectStore.hash(bytes), bytes, rows: lines.length }
  }

  /**
   * Stores rows as one object, unless it is there already.
   * @param base an object that probably holds much the same rows, as the chunk of the newest backup for this range does
   * @returns the compressed bytes added
   * @throws RowbackError `backup.damaged` when an object of this name is there and is not right
   */
  putRows(packed: PackedRows, base: string | null = null): Promise<number> {
    return this.#objects.put(packed.object, packed.bytes, base)
  }

  /**
   * The rows of an object, as canonical lines.
   * @throws RowbackError `backup.damaged`
   */
  async lines(object: string): Promise<string[]> {
    const text = (await this.#objects.get(object)).toString('utf8')
    return text === '' ? [] : text.slice(0, -1).split('\n')
  }

  /**
   * Makes a backup complete: every object it names is durable and proven before the manifest is written.
   * @returns the manifest's identity, to be kept in the ledger
   */
  async putManifest(manifest: Omit<Manifest, 'sequence' | 'format'>): Promise<string> {
    await this.#objects.sync()
    const sequence = ((await this.#manifestNames()).at(-1)?.sequence ?? 0) + 1
    const text = JSON.stringify(manifestSchema.parse({ format: FORMAT, sequence, ...manifest }))
    const name = `${String(sequence).padStart(6, '0')}-${ObjectStore.hash(text)}`
    await this.#writeJson(join(this.root, 'manifests', `${name}.json`), text)
    await syncDirectory(join(this.root, 'manifests'))
    await syncDirectory(this.root)
    return name
  }

  /**
   * Reads a full backup's manifest and proves it by the hash in its name.
   * @throws RowbackError `backup.damaged` (exit code 7) when it is missing or altered
   */
  async manifest(name: string): Promise<Manifest> {
    const known = this.#manifests.get(name)
    if (known) return known
    const path = join(this.root, 'manifests', `${name}.json`)
    if (!existsSync(path)) {
      throw new RowbackError({
        code: 'backup.missing',
        message: `The backup ${name} is not in the repository ${this.root}.`,
        hint: 'Name the folder that holds it with --repository DIR.',
        exit: ExitCode.backupDamaged
      })
    }
    const text = await readFile(path, 'utf8')
    if (ObjectStore.hash(text) !== name.slice(name.indexOf('-') + 1)) throw damaged(path, 'was altered')
    const manifest = manifestSchema.parse(JSON.parse(text))
    this.#manifests.set(name, manifest)
    return manifest
  }

  /**
   * Reads and proves all objects of some tables of a backup.
   * @throws RowbackError `backup.damaged`
   */
  async prove(tables: readonly TableManifest[]): Promise<void> {
    for (const table of tables) for (const chunk of table.chunks) await this.#objects.get(chunk.object)
  }

  /**
   * All full backups, the oldest first.
   * @throws RowbackError `backup.damaged`
   */
  async backups(): Promise<{ name: string; manifest: Manifest }[]> {
    const backups: { name: string; manifest: Manifest }[] = []
    for (const { name } of await this.#manifestNames()) backups.push({ name, manifest: await this.manifest(name) })
    return backups
  }

  /** The newest manifest, whose chunk bounds the next backup reuses; null in an empty repository. */
  async latestManifest(): Promise<Manifest | null> {
    const latest = (await this.#manifestNames()).at(-1)
    return latest ? this.manifest(latest.name) : null
  }

  /**
   * Writes the file in which a user corrects failed rows.
   * @returns its path
   */
  async putFailedRows(fileName: string, csv: AsyncIterable<string>): Promise<string> {
    const path = join(this.root, 'failed', fileName)
    await writeDurably(path, join(this.root, 'tmp'), csv)
    return path
  }

  async #manifestNames(): Promise<{ name: string; sequence: number }[]> {
    const folder = join(this.root, 'manifests')
    if (!existsSync(folder)) return []
    return (await readdir(folder))
      .filter((file) => file.endsWith('.json'))
      .map((file) => ({ name: file.slice(0, -'.json'.length), sequence: Number.parseInt(file, 10) }))
      .sort((a, b) => a.sequence - b.sequence)
  }

  async #writeJson(path: string, text: string): Promise<void> {
    await writeDurably(path, join(this.root, 'tmp'), Buffer.from(text), (readBack) => {
      if (readBack.toString('utf8') !== text) throw damaged(path, 'was not written as meant')
    })
  }
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw damaged(path, 'cannot be read', error)
  }
}

function otherDatabase(root: string): RowbackError {
  return usageError(
    'repository.other_database',
    `The backup repository ${root} belongs to another database.`,
    'Give this database a repository of its own with --repository DIR, or move the old folder away.'
  )
}
