import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { RowbackError, usageError } from '../errors.ts'
import { linkOnce, syncDirectory } from './atomic-file.ts'

/**
 * Writes a file of the user's, whole or not at all, and never over another: aside, fsync, then under its name.
 * @param path where nothing may stand yet; its folder is there
 * @returns the length in bytes
 * @throws RowbackError `file.exists` or `file.not_written`; what `content` throws goes on, and no file is left
 */
export async function writeNewFile(path: string, content: AsyncIterable<string>): Promise<number> {
  assertNew(path)
  const whole = resolve(path)
  const unfinished = join(dirname(whole), `.${basename(whole)}.${randomUUID()}.unfinished`)
  try {
    const bytes = await writeSynced(unfinished, content)
    if (!(await linkOnce(unfinished, whole))) throw exists(path)
    await syncDirectory(dirname(whole))
    return bytes
  } catch (error) {
    throw notWritten(path, error)
  } finally {
    await rm(unfinished, { force: true }).catch(() => {})
  }
}

/** @throws RowbackError `file.exists` (exit code 2) */
export function assertNew(path: string): void {
  if (existsSync(path)) throw exists(path)
}

async function writeSynced(path: string, content: AsyncIterable<string>): Promise<number> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(content)
    await file.sync()
    return (await stat(path)).size
  } finally {
    await file.close()
  }
}

function exists(path: string): RowbackError {
  return usageError(
    'file.exists',
    `${path} is there already, and is not written over.`,
    'Name another file with --out FILE.'
  )
}

function notWritten(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error
  return new RowbackError({
    code: 'file.not_written',
    message: `${path} could not be written: ${error.message}.`,
    hint: 'Free some space or mend the permissions, or name another file with --out FILE.',
    cause: error
  })
}
