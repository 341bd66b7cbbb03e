import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RowbackError } from '../errors.ts'

/** File systems without hard links say so with one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV', 'EINVAL'])

/**
 * Writes one repository file so that a crash leaves either nothing or the whole file: temporary file, write,
 * read back, fsync, rename. The rename itself is durable after {@link syncDirectory} on the file's folder.
 * The order is that of restic's local backend (`internal/backend/local/local.go`, Save).
 *
 * @param path where the file shall stand; what stood there is replaced
 * @param temporary folder on the same file system for the unfinished file
 * @param content the bytes, or the text in pieces
 * @param check throws when the bytes read back are not what was meant; left out for text in pieces
 * @throws RowbackError `backup.not_written` when the file system refuses (disk full, read-only, ...); nothing then
 *   stands at `path`
 */
export async function writeDurably(
  path: string,
  temporary: string,
  content: Uint8Array | AsyncIterable<string>,
  check?: (readBack: Buffer) => void | Promise<void>
): Promise<void> {
  await write(path, temporary, content, check, (unfinished) => rename(unfinished, path))
}

/**
 * As {@link writeDurably}, but what stands there already stays, though another process may just have put it there.
 * @returns whether the file was written
 */
export async function writeOnce(
  path: string,
  temporary: string,
  content: Uint8Array,
  check: (readBack: Buffer) => void | Promise<void>
): Promise<boolean> {
  let written = true
  await write(path, temporary, content, check, async (unfinished) => {
    written = await linkOnce(unfinished, path)
    await rm(unfinished)
  })
  return written
}

/**
 * Gives a file its name, unless something has that name: a link fails where a rename would replace.
 * @returns whether it has it; it may also still stand under its old name
 */
export async function linkOnce(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    if (!NO_LINKS.has(code ?? '')) throw error
  }
  if (existsSync(to)) return false
  await rename(from, to)
  return true
}

async function write(
  path: string,
  temporary: string,
  content: Uint8Array | AsyncIterable<string>,
  check: ((readBack: Buffer) => void | Promise<void>) | undefined,
  place: (unfinished: string) => Promise<void>
): Promise<void> {
  const unfinished = join(temporary, randomUUID())
  try {
    const file = await withFolder(unfinished, () => open(unfinished, 'wx'))
    try {
      await file.writeFile(content)
      await check?.(await readFile(unfinished))
      await file.sync()
    } finally {
      await file.close()
    }
    await withFolder(path, () => place(unfinished))
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {})
    throw notWritten(path, error)
  }
}

/** Makes the folder of a file where it is missed: mostly it is there. */
async function withFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await mkdir(dirname(path), { recursive: true })
    return work()
  }
}

/**
 * Moves a file within the repository, making the folder it goes to. Both folders are to be synced by the caller.
 * @throws RowbackError `backup.not_written`
 */
export async function moveFile(from: string, to: string): Promise<void> {
  try {
    await withFolder(to, () => rename(from, to))
  } catch (error) {
    throw notWritten(to, error)
  }
}

/**
 * Takes a file or a whole folder away for good.
 * @throws RowbackError `backup.not_written`
 */
export async function removeForGood(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    throw notWritten(path, error)
  }
}

function notWritten(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error
  return new RowbackError({
    code: 'backup.not_written',
    message: `${path} could not be written: ${error.message}.`,
    hint: 'Free some space or mend the permissions, or name another folder with --repository DIR.',
    cause: error
  })
}

/** Makes the renames into a folder durable. */
export async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
