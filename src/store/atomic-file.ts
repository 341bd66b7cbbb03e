import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RowbackError } from '../errors.ts'

/**
 * Writes one repository file so that a crash leaves either nothing or the whole file: temporary file, write,
 * read back, fsync, rename. The rename itself is durable after {@link syncDirectory} on the file's folder.
 * The order is that of restic's local backend (`internal/backend/local/local.go`, Save).
 *
 * @param path where the file shall stand
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
  const unfinished = join(temporary, randomUUID())
  try {
    await mkdir(temporary, { recursive: true })
    await mkdir(dirname(path), { recursive: true })
    const file = await open(unfinished, 'wx')
    try {
      await file.writeFile(content)
      await check?.(await readFile(unfinished))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {})
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
