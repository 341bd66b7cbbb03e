import { accessSync, constants, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { ExitCode, RowbackError } from '../errors.ts'

const PAUSE_MS = 25
/** Result codes of SQLite, without their extension. */
const BUSY = 5
const READ_ONLY = 8
const FULL = 13
const CANNOT_OPEN = 14

/** `shared` by who reads or backs up, `numbering` by the one who gives a sequence number, `exclusive` by prune. */
type Mode = 'shared' | 'numbering' | 'exclusive'

const BEGIN: Record<Mode, string> = {
  shared: 'BEGIN; SELECT count(*) FROM sqlite_schema',
  // SQLite's RESERVED lock: one holder at a time, readers beside it.
  numbering: 'BEGIN IMMEDIATE',
  exclusive: 'BEGIN EXCLUSIVE'
}

/**
 * The lock of a repository between processes: the locks that SQLite takes on an empty database, the file `lock`. The
 * operating system releases them when a process ends, however it ends, so none is ever left behind.
 * The file must not be opened by other means in the same process: POSIX drops all its locks when any descriptor of it closes.
 */
export class RepositoryLock {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /**
   * @param wait in milliseconds
   * @throws RowbackError `repository.locked` (exit code 4), or `backup.not_written` where no lock can be made
   */
  static async take(root: string, mode: Exclude<Mode, 'shared'>, wait: number): Promise<RepositoryLock> {
    try {
      mkdirSync(root, { recursive: true })
      // Of a file that cannot be written SQLite takes a reader's lock only, and does not say so.
      accessSync(existsSync(fileOf(root)) ? fileOf(root) : root, constants.W_OK)
      return new RepositoryLock(await begin(root, mode, wait, false))
    } catch (error) {
      throw error instanceof RowbackError ? error : notLockable(root, error)
    }
  }

  /**
   * Keeps others from taking backups away.
   * @param wait in milliseconds
   * @param make whether to make the file where there is none
   * @returns null where the folder has no lock and none can be made, or the file system knows no locks. Reading is safe
   *   then, too: no file is ever changed in place, and each is proven by its hash, so the worst is an exact error for one
   *   that was taken away. Where the file is there, even a reader who may not write takes the lock.
   * @throws RowbackError `repository.locked` (exit code 4)
   */
  static async share(root: string, wait: number, make: boolean): Promise<RepositoryLock | null> {
    if (make) {
      try {
        mkdirSync(root, { recursive: true })
        return new RepositoryLock(await begin(root, 'shared', wait, false))
      } catch (error) {
        if (error instanceof RowbackError) throw error
      }
    }
    if (!existsSync(fileOf(root))) return null
    try {
      return new RepositoryLock(await begin(root, 'shared', wait, true))
    } catch (error) {
      if (error instanceof RowbackError) throw error
      return null
    }
  }

  /** Gives the lock back; more than once does no harm. */
  release(): void {
    if (this.#database.isOpen) this.#database.close()
  }
}

async function begin(root: string, mode: Mode, wait: number, readOnly: boolean): Promise<DatabaseSync> {
  const database = new DatabaseSync(fileOf(root), { readOnly, timeout: 0 })
  const until = performance.now() + wait
  for (;;) {
    try {
      database.exec(BEGIN[mode])
      return database
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      if (codeOf(error) === BUSY && performance.now() < until) {
        await sleep(PAUSE_MS)
        continue
      }
      database.close()
      throw codeOf(error) === BUSY ? locked(root, mode, error) : error
    }
  }
}

function fileOf(root: string): string {
  return join(root, 'lock')
}

function codeOf(error: unknown): number {
  return Number((error as { errcode?: number }).errcode ?? 0) & 0xff
}

function locked(root: string, mode: Mode, cause: unknown): RowbackError {
  const whose = mode === 'exclusive' ? 'is being read or written by another rowback' : 'is in use by another rowback'
  return new RowbackError({
    code: 'repository.locked',
    message: `The backup repository ${root} ${whose}.`,
    hint: mode === 'exclusive' ? 'Give it more time to end with --wait SECONDS.' : 'Try again when it has ended.',
    exit: ExitCode.locked,
    cause
  })
}

function notLockable(root: string, error: unknown): unknown {
  const refused = [READ_ONLY, CANNOT_OPEN].includes(codeOf(error)) || (error instanceof Error && 'syscall' in error)
  const message = error instanceof Error ? error.message : String(error)
  return new RowbackError({
    code: 'backup.not_written',
    message: `The backup repository ${root} could not be locked: ${message}.`,
    hint:
      codeOf(error) === FULL
        ? 'Free some space on its disk, then try again.'
        : refused
          ? 'Mend the permissions of the folder, or name another one with --repository DIR.'
          : `When nothing else uses the repository, delete the file ${fileOf(root)}.`,
    cause: error
  })
}
