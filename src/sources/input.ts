import { createReadStream, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import type { RowbackError } from '../errors.ts'
import { messageOf, sourceError } from './source-error.ts'
import { spool } from './spool.ts'

/** A file that can be read as often as needed; a stream has become one. */
export interface Input {
  /** The base name, or `-`. */
  name: string
  path: string
  close(): Promise<void>
}

/**
 * Makes sure that the path can be read more than once: `-`, pipes and devices are spooled.
 * @param path a file, or `-` for standard input
 * @param stdin what `-` means
 * @throws RowbackError `source.unreadable` when there is no such file, it is a folder, or it may not be read
 */
export async function openInput(path: string, stdin: Readable, signal?: AbortSignal): Promise<Input> {
  if (path === '-') return spooled('-', stdin, signal)
  const name = basename(path)
  const kind = await kindOf(path)
  if (kind.isDirectory()) throw folderError(path)
  if (!kind.isFile()) return spooled(name, createReadStream(path), signal)
  await (await openFile(path)).close()
  return { name, path, close: async () => {} }
}

/** Without opening it: a pipe can be opened only once. */
async function kindOf(path: string): Promise<Stats> {
  try {
    return await stat(path)
  } catch (error) {
    throw unreadable(path, error)
  }
}

/**
 * Opens a file for reading.
 * @throws RowbackError `source.unreadable`
 */
export async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** The error for a file that the system does not let us read. */
export function unreadable(path: string, error: unknown): RowbackError {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') {
    return sourceError('source.unreadable', `There is no file ${path}.`, 'Check the path for typing errors.', error)
  }
  if (code === 'EISDIR') return folderError(path)
  const why = code === 'EACCES' ? 'permission denied' : messageOf(error)
  return sourceError('source.unreadable', `${path} cannot be read: ${why}.`, 'Check who may read the file.', error)
}

async function spooled(name: string, stream: Readable, signal?: AbortSignal): Promise<Input> {
  const { path, remove } = await spool(stream, signal)
  return { name, path, close: remove }
}

function folderError(path: string): RowbackError {
  return sourceError('source.unreadable', `${path} is a folder, not a file.`, 'Give one file of the folder.')
}
