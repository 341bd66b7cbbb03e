import type { ChangeSet, Piece } from './change-set.ts'
import { changeSetSchema } from './change-set.ts'
import { HashedFiles } from './hashed-files.ts'

/** What versions did to tracked tables, a file each. One of a version that failed is of no state that ever was. */
export class ChangeSets {
  readonly #files: HashedFiles
  readonly #sync: () => Promise<void>

  /** @param sync makes the objects durable that were stored so far */
  constructor(root: string, sync: () => Promise<void>) {
    this.#files = new HashedFiles(root, 'changesets')
    this.#sync = sync
  }

  /**
   * Makes a change set complete: every object it names is durable and proven before it is written.
   * @throws RowbackError `backup.not_written`
   */
  async put(changeSet: Omit<ChangeSet, 'format'>): Promise<void> {
    await this.#sync()
    await this.#files.put(changeSet.version, JSON.stringify(changeSetSchema.parse({ format: 1, ...changeSet })))
  }

  /**
   * All of them, the oldest first.
   * @throws RowbackError `backup.damaged`
   */
  async all(): Promise<ChangeSet[]> {
    const changeSets: ChangeSet[] = []
    for await (const changeSet of this.before(Number.POSITIVE_INFINITY)) changeSets.unshift(changeSet)
    return changeSets
  }

  /**
   * Those of versions before one, the newest first.
   * @throws RowbackError `backup.damaged`
   */
  async *before(version: number): AsyncIterable<ChangeSet> {
    for (const name of (await this.#files.names()).reverse()) {
      if (Number.parseInt(name, 10) < version) yield this.read(name)
    }
  }

  names(): Promise<string[]> {
    return this.#files.names()
  }

  /** @throws RowbackError `backup.damaged` */
  read(name: string): Promise<ChangeSet> {
    return this.#files.read(name, (text) => changeSetSchema.parse(JSON.parse(text)))
  }

  pathOf(name: string): string {
    return this.#files.pathOf(name)
  }
}

/** The parts of all rows that a change set names. */
export function piecesOf({ tables }: ChangeSet): Piece[] {
  return tables.flatMap(({ removed, added, own }) => [...removed, ...added, ...(own ?? [])])
}
