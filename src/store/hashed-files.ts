import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory, writeOnce } from './atomic-file.ts'
import { damaged, ObjectStore } from './objects.ts'
import { filesIn } from './prune.ts'

/** JSON files in a folder of the repository, each named by a version and the hash of its bytes. */
export class HashedFiles {
  readonly #root: string
  readonly #folder: string
  /** What to do about one that is damaged. */
  readonly #inDoubt: string | undefined

  constructor(root: string, folder: string, inDoubt?: string) {
    this.#root = root
    this.#folder = folder
    this.#inDoubt = inDoubt
  }

  /**
   * Writes one; what it names must be durable already.
   * @returns its name
   * @throws RowbackError `backup.not_written`
   */
  async put(version: number, text: string): Promise<string> {
    const name = `${String(version).padStart(6, '0')}-${ObjectStore.hash(text)}`
    const path = this.pathOf(name)
    await writeOnce(path, join(this.#root, 'tmp'), Buffer.from(text), (readBack) => {
      if (readBack.toString('utf8') !== text) throw damaged(path, 'was not written as meant')
    })
    await syncDirectory(join(this.#root, this.#folder))
    await syncDirectory(this.#root)
    return name
  }

  has(name: string): boolean {
    return existsSync(this.pathOf(name))
  }

  /**
   * Reads one and proves it by the hash in its name.
   * @param parse throws when the text is not what it should be
   * @throws RowbackError `backup.damaged` (exit code 7)
   */
  async read<T>(name: string, parse: (text: string) => T): Promise<T> {
    const path = this.pathOf(name)
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      throw damaged(path, 'cannot be read', error, this.#inDoubt)
    }
    if (ObjectStore.hash(text) !== name.slice(name.indexOf('-') + 1)) {
      throw damaged(path, 'was altered', undefined, this.#inDoubt)
    }
    try {
      return parse(text)
    } catch (error) {
      throw damaged(path, 'cannot be read', error, this.#inDoubt)
    }
  }

  /** All names, in the order of their versions. */
  async names(): Promise<string[]> {
    return (await filesIn(join(this.#root, this.#folder)))
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length))
      .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1))
  }

  pathOf(name: string): string {
    return join(this.#root, this.#folder, `${name}.json`)
  }
}
