import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { ExitCode, RowbackError, usageError } from '../errors.ts'
import { ahead } from '../model/ahead.ts'
import type { LinePair } from '../model/line-difference.ts'
import { withoutCommonLines } from '../model/line-difference.ts'
import { linesOf } from '../model/value.ts'
import { syncDirectory, writeDurably, writeOnce } from './atomic-file.ts'
import { ChangeSets, piecesOf } from './change-sets.ts'
import { LeftRecords } from './left-records.ts'
import { RepositoryLock } from './lock.ts'
import type { Manifest, TableManifest } from './manifest.ts'
import { manifestSchema } from './manifest.ts'
import type { StoredObject } from './object-thread.ts'
import { ObjectThread } from './object-thread.ts'
import { DamagedFile, damaged, ObjectStore } from './objects.ts'
import type { PrunedBackup, PrunePlan } from './prune.ts'
import { begunPrunes, bytesBelow, carryOut, filesIn, PRUNED, readPruned, TRASH, unneeded } from './prune.ts'

const FORMAT = 1
const FORMAT_FILE = 'format.json'
/** Bytes of an object that is not stored in passing: beginning the thread takes about as long as storing this one. */
const WORTH_A_THREAD = 1 << 19
/** Bytes that are read on the thread, which has so little else in memory that what was read is soon freed. */
const WORTH_READING_ASIDE = 8 << 20
/** How long the thread waits for the next work. */
const SOON_MS = 1000
/** How long to wait for others where nobody says, in milliseconds. */
const PATIENCE_MS = 5000
const formatSchema = z.looseObject({
  format: z.int(),
  hash: z.string(),
  repository: z.string(),
  database: z.string(),
  /** Of a repository that was begun when an earlier one was lost: backups of versions up to this one were in that. */
  since: z.int().optional(),
  /** Of the others; older repositories have none, and no members that are not known. */
  check: z.string().optional()
})
const FORMAT_MEMBERS = Object.keys(formatSchema.shape)

type Format = z.infer<typeof formatSchema>

function checkOf({ format, hash, repository, database, since = 0 }: Format): string {
  return ObjectStore.hash(JSON.stringify([format, hash, repository, database, since]))
}

function isAltered(format: Format): boolean {
  if (format.check !== undefined) return format.check !== checkOf(format)
  return format.hash !== 'sha256' || Object.keys(format).some((member) => !FORMAT_MEMBERS.includes(member))
}

/** The backup repository: a folder of full backups of one database. See docs/repository-format.md. */
export class Repository {
  readonly root: string
  /** What versions left, by which changes of others are told. */
  readonly left: LeftRecords
  /** What versions did to tracked tables, by which states can be made without the database. */
  readonly changeSets: ChangeSets
  readonly #objects: ObjectStore
  #manifests: Map<string, Manifest> = new Map()
  #since = 0
  #lock: RepositoryLock | null = null
  /** Begun with the first large object. */
  #thread: ObjectThread | null = null
  #ending: NodeJS.Timeout | undefined
  /** The thread has put what it has not made durable. */
  #hasUnsynced = false

  private constructor(root: string) {
    this.root = root
    this.#objects = new ObjectStore(root)
    this.left = new LeftRecords(root, () => this.#sync())
    this.changeSets = new ChangeSets(root, () => this.#sync())
  }

  /**
   * Opens the folder, making it on first use. Until it is closed, nobody can take backups away.
   * @param database identity of the database; a repository serves one
   * @param wait for a prune to end, in milliseconds
   * @param since of one that is made: see {@link Repository.since}
   * @throws RowbackError `repository.other_database`, `repository.newer`, `repository.locked` or `backup.damaged`
   */
  static async open(root: string, database: string, wait: number = PATIENCE_MS, since = 0): Promise<Repository> {
    const repository = new Repository(resolve(root))
    const path = join(repository.root, FORMAT_FILE)
    if (Repository.isThere(repository.root)) await repository.#assertServes(database)
    repository.#lock = await RepositoryLock.share(repository.root, wait, true)
    return repository.#closedOnError(async () => {
      if (!existsSync(path)) await repository.#initialise(path, database, since)
      await repository.#assertServes(database)
    })
  }

  /**
   * Opens the folder without making anything; where it is missing, so are its backups.
   * @param database null where the database cannot be asked who it is: then the repository may be of any
   * @throws RowbackError as {@link Repository.open} does
   */
  static async openForReading(root: string, database: string | null, wait: number = PATIENCE_MS): Promise<Repository> {
    const repository = new Repository(resolve(root))
    if (!Repository.isThere(repository.root)) return repository
    await repository.#assertServes(database)
    repository.#lock = await RepositoryLock.share(repository.root, wait, false)
    return repository
  }

  /**
   * Opens the folder when nobody else uses it, and keeps others out until it is closed.
   * @throws RowbackError as {@link Repository.open} does, and `backup.not_written` where no lock can be made
   */
  static async openAlone(root: string, database: string, wait: number): Promise<Repository> {
    const repository = new Repository(resolve(root))
    if (!Repository.isThere(repository.root)) return repository
    await repository.#assertServes(database)
    repository.#lock = await RepositoryLock.take(repository.root, 'exclusive', wait)
    return repository
  }

  async #closedOnError(work: () => Promise<void>): Promise<this> {
    try {
      await work()
      return this
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Gives the repository's lock back. */
  close(): void {
    this.#endThread()
    this.#lock?.release()
    this.#lock = null
  }

  #onThread(): ObjectThread {
    clearTimeout(this.#ending)
    this.#thread ??= new ObjectThread(this.root, this.#objects.proven())
    return this.#thread
  }

  /** Ends the thread unless it is soon asked again: what it holds is freed with it. */
  #letThreadGo(): void {
    clearTimeout(this.#ending)
    if (!this.#hasUnsynced) this.#ending = setTimeout(() => this.#endThread(), SOON_MS).unref()
  }

  #endThread(): void {
    clearTimeout(this.#ending)
    this.#thread?.close()
    this.#thread = null
  }

  /** @throws RowbackError `repository.other_database` when the folder is a repository, for a database that has none yet */
  static refuseUsed(root: string): void {
    if (existsSync(join(resolve(root), FORMAT_FILE))) throw otherDatabase(root)
  }

  /**
   * Whether the folder is a repository.
   * @throws RowbackError `backup.damaged` when there are backups and nothing says whose they are
   */
  static isThere(root: string): boolean {
    const path = join(resolve(root), FORMAT_FILE)
    if (existsSync(path)) return true
    if (existsSync(join(resolve(root), 'manifests'))) throw damaged(path, 'is missing, and there are backups beside it')
    return false
  }

  async #assertServes(database: string | null): Promise<void> {
    const format = await readJson(join(this.root, FORMAT_FILE), formatSchema)
    if (format.format > FORMAT) {
      throw usageError(
        'repository.newer',
        `The backup repository ${this.root} was made by a newer rowback (format ${format.format}, this one knows ${FORMAT}).`,
        'Install the newer rowback: npm install -g rowback@latest'
      )
    }
    if (database !== null && format.database !== database) throw otherDatabase(this.root)
    if (isAltered(format)) throw damaged(join(this.root, FORMAT_FILE), 'was altered')
    this.#since = format.since ?? 0
  }

  /** Backups of versions up to this one were in another repository, which was lost. */
  get since(): number {
    return this.#since
  }

  async #initialise(path: string, database: string, since: number): Promise<void> {
    const format = { format: FORMAT, hash: 'sha256', repository: randomUUID(), database, ...(since > 0 && { since }) }
    await this.#writeJsonOnce(path, JSON.stringify({ ...format, check: checkOf(format) }, null, 2))
    await syncDirectory(this.root)
  }

  /** The name that rows would have as one object. @param bytes whole lines, each with its line feed */
  static nameOf(bytes: Buffer): Promise<string> {
    return ObjectStore.hashAside(bytes)
  }

  /** A buffer for rows that are to be stored, one that was stored before where there is such. @param bytes how large at least */
  roomForRows(bytes: number): Buffer<ArrayBuffer> {
    return this.#thread?.spareBuffer(bytes) ?? Buffer.allocUnsafeSlow(bytes)
  }

  /**
   * Stores rows as one object, unless it is there already.
   * @param bytes whole lines, each with its line feed, in a buffer that is not to be used after this call
   * @param base an object that probably holds much the same rows, as the chunk of the newest backup for this range does
   * @param other an object whose difference from this one is soon asked for
   * @throws RowbackError `backup.damaged` when an object of this name is there and is not right
   */
  async putRows(
    bytes: Buffer<ArrayBuffer>,
    base: string | null = null,
    other: string | null = null
  ): Promise<StoredObject> {
    if (bytes.length < WORTH_A_THREAD) {
      const object = ObjectStore.hash(bytes)
      return { object, added: await this.#objects.put(object, bytes, base) }
    }
    this.#hasUnsynced = true
    const stored = await this.#onThread().put(bytes, base, other)
    this.#objects.trust(stored.object)
    return stored
  }

  /**
   * The rows of an object, as canonical lines.
   * @throws RowbackError `backup.damaged`
   */
  async lines(object: string): Promise<string[]> {
    return linesOf(await this.#objects.get(object))
  }

  /**
   * The rows of an object, as whole canonical lines in UTF-8.
   * @throws RowbackError `backup.damaged`
   */
  bytes(object: string): Promise<Buffer> {
    return this.#objects.get(object)
  }

  /** The rows of objects one after the other. @throws RowbackError `backup.damaged` */
  joined(objects: readonly string[]): Promise<Buffer> {
    return this.#objects.join(objects)
  }

  /**
   * The lines that are only in some objects or only in others, see `withoutCommonLines`.
   * @throws RowbackError `backup.damaged`
   */
  async difference(before: readonly string[], after: readonly string[]): Promise<LinePair> {
    if (this.#thread === null) return withoutCommonLines(await this.joined(before), await this.joined(after))
    try {
      return await this.#onThread().difference(before, after)
    } finally {
      this.#letThreadGo()
    }
  }

  /** The file of an object. */
  fileOf(object: string): string {
    return this.#objects.path(object)
  }

  /**
   * What is wrong with an object, or with one that it is a delta against; null when nothing is.
   * @param wanted whether it must only be there, or also be what its name says
   */
  async faultOf(object: string, wanted: 'there' | 'right'): Promise<{ file: string; message: string } | null> {
    try {
      if (wanted === 'right') await this.#objects.get(object)
      else for (let name: string | null = object; name !== null; ) name = await this.#objects.base(name)
      return null
    } catch (error) {
      if (error instanceof DamagedFile) return { file: error.file, message: error.message }
      throw error
    }
  }

  /**
   * Makes a backup complete: every object it names is durable and proven before the manifest is written.
   * @returns the manifest's identity, to be kept in the ledger
   */
  async putManifest(manifest: Omit<Manifest, 'sequence' | 'format'>): Promise<string> {
    await this.#sync()
    // Another backup may end at the same time: a number is given, and its manifest written, by one at a time.
    const numbering = await RepositoryLock.take(this.root, 'numbering', PATIENCE_MS)
    try {
      return await this.#writeManifest(manifest)
    } finally {
      numbering.release()
    }
  }

  /** Makes durable what was stored, here and on the thread. */
  async #sync(): Promise<void> {
    await Promise.all([this.#objects.sync(), this.#thread?.sync()])
    this.#hasUnsynced = false
    this.#letThreadGo()
  }

  async #writeManifest(manifest: Omit<Manifest, 'sequence' | 'format'>): Promise<string> {
    const given = [...(await filesIn(join(this.root, 'manifests'))), ...(await filesIn(join(this.root, PRUNED)))]
    const sequence = 1 + given.reduce((highest, file) => Math.max(highest, Number.parseInt(file, 10) || 0), 0)
    const text = JSON.stringify(manifestSchema.parse({ format: FORMAT, sequence, ...manifest }))
    const name = `${String(sequence).padStart(6, '0')}-${ObjectStore.hash(text)}`
    await this.#writeJsonOnce(this.#manifestPath(name), text)
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
    const path = this.#manifestPath(name)
    if (!existsSync(path)) throw await this.whyMissing(name)
    const text = await readText(path)
    if (ObjectStore.hash(text) !== name.slice(name.indexOf('-') + 1)) throw damaged(path, 'was altered')
    const manifest = parsed(path, text, manifestSchema)
    this.#manifests.set(name, manifest)
    return manifest
  }

  /** What is said of a backup that is not there: it was pruned, or is lost. */
  async whyMissing(name: string): Promise<RowbackError> {
    const pruned = await this.pruned(name)
    return new RowbackError({
      code: 'backup.missing',
      message: pruned
        ? `The backup ${name}, with the state of version ${pruned.state}, was pruned on ${pruned.prunedAt.slice(0, 10)}.`
        : `The backup ${name} is not in the repository ${this.root}.`,
      hint: pruned
        ? 'See which versions still have theirs with: rowback backup list'
        : 'Name the folder that holds it with --repository DIR.',
      exit: ExitCode.backupDamaged
    })
  }

  /**
   * What is left of a backup that was pruned; null for any other.
   * @throws RowbackError `backup.damaged`
   */
  async pruned(name: string): Promise<PrunedBackup | null> {
    return readPruned(this.root, name)
  }

  /** Where a backup's manifest stands. */
  #manifestPath(name: string): string {
    return join(this.root, 'manifests', `${name}.json`)
  }

  /**
   * What taking backups away would free. All manifests are read, and all that they name must be there.
   * @param names the backups; those that an interrupted prune began to take away are added
   * @param records the records of what versions left that go, too
   * @throws RowbackError `backup.damaged` or `backup.missing`, because what is not known must not be taken for not needed
   */
  async planPrune(names: readonly string[], records: readonly string[]): Promise<PrunePlan> {
    const backups = await this.backups()
    const begun = await begunPrunes(this.root)
    const going = backups.filter(({ name }) => names.includes(name) || begun.includes(name))
    const staying = backups.filter((backup) => !going.includes(backup))
    const recordsStaying = (await this.left.names()).filter((name) => !records.includes(name))
    const tables = staying.flatMap(({ manifest }) => manifest.tables)
    for (const name of recordsStaying) tables.push(...(await this.left.get(name)).tables)
    const paths = records.map((name) => this.left.pathOf(name))
    const chunks = tables.flatMap((table) => table.chunks)
    const pieces = (await this.changeSets.all()).flatMap(piecesOf)
    const objects = await unneeded(this.root, this.#objects, [...chunks, ...pieces])
    return { backups: going, records: paths, objects }
  }

  /**
   * Takes backups away, and with them the objects that no other one needs: into the trash, whence they go for good with
   * a later prune. The repository must have been opened alone.
   * @param grace how long things stay in the trash, in milliseconds
   * @returns the folder in the trash, null when nothing went there; and what was deleted from it
   * @throws RowbackError `backup.not_written`; the next prune finishes the work
   */
  async prune(plan: PrunePlan, grace: number): Promise<{ trash: string | null; emptied: string[] }> {
    for (const { name } of plan.backups) this.#manifests.delete(name)
    return carryOut(this.root, plan, grace)
  }

  /** What the folder takes, in bytes, and how much of it is in the trash. */
  async size(): Promise<{ total: number; trash: number }> {
    return { total: await bytesBelow(this.root), trash: await bytesBelow(join(this.root, TRASH)) }
  }

  /**
   * Reads and proves all objects of some tables of a backup.
   * @throws RowbackError `backup.damaged`
   */
  async prove(tables: readonly TableManifest[]): Promise<void> {
    const objects = tables.flatMap((table) => table.chunks.map((chunk) => chunk.object))
    const bytes = tables.reduce((sum, table) => sum + table.chunks.reduce((part, chunk) => part + chunk.bytes, 0), 0)
    if (bytes < WORTH_READING_ASIDE) {
      for await (const _ of ahead(objects, (object) => this.#objects.get(object)));
      return
    }
    const thread = this.#onThread()
    for await (const _ of ahead(objects, (object) => thread.prove(object)));
    for (const object of objects) this.#objects.trust(object)
    this.#letThreadGo()
  }

  /**
   * All full backups, the oldest first.
   * @throws RowbackError `backup.damaged`
   */
  async backups(): Promise<{ name: string; manifest: Manifest }[]> {
    const backups: { name: string; manifest: Manifest }[] = []
    for (const name of await this.names()) backups.push({ name, manifest: await this.manifest(name) })
    return backups
  }

  /** The full backups that can be read, the oldest first, and what is wrong with each of the others. */
  async backupsAsFound(): Promise<{
    readable: { name: string; manifest: Manifest }[]
    damaged: { name: string; error: RowbackError }[]
  }> {
    const readable: { name: string; manifest: Manifest }[] = []
    const damaged: { name: string; error: RowbackError }[] = []
    for (const name of await this.names()) {
      try {
        readable.push({ name, manifest: await this.manifest(name) })
      } catch (error) {
        if (!(error instanceof RowbackError)) throw error
        damaged.push({ name, error })
      }
    }
    return { readable, damaged }
  }

  /** The names of all full backups, the oldest first. */
  async names(): Promise<string[]> {
    return (await this.#manifestNames()).map(({ name }) => name)
  }

  /** Each table as the newest backup that holds it has it, by name: the next backup reuses its chunk bounds. */
  async latestTables(): Promise<Map<string, TableManifest>> {
    const tables = new Map<string, TableManifest>()
    for (const { name } of (await this.#manifestNames()).reverse()) {
      const manifest = await this.manifest(name)
      for (const table of manifest.tables) if (!tables.has(table.name)) tables.set(table.name, table)
      if (manifest.scope === undefined) break
    }
    return tables
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
    return (await filesIn(join(this.root, 'manifests')))
      .filter((file) => file.endsWith('.json'))
      .map((file) => ({ name: file.slice(0, -'.json'.length), sequence: Number.parseInt(file, 10) }))
      .sort((a, b) => a.sequence - b.sequence)
  }

  async #writeJsonOnce(path: string, text: string): Promise<void> {
    await writeOnce(path, join(this.root, 'tmp'), Buffer.from(text), (readBack) => {
      if (readBack.toString('utf8') !== text) throw damaged(path, 'was not written as meant')
    })
  }
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  return parsed(path, await readText(path), schema)
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw damaged(path, 'cannot be read', error)
  }
}

function parsed<T>(path: string, text: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    throw damaged(path, 'cannot be read', error)
  }
}

function otherDatabase(root: string): RowbackError {
  return usageError(
    'repository.other_database',
    `The backup repository ${root} belongs to another database.`,
    'Give this database a new, empty folder of its own with --repository DIR, or as repository: DIR in rowback.yaml. If it was lost and restored, the old folder keeps its earlier states.'
  )
}
