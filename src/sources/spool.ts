import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { messageOf, sourceError } from './source-error.ts'

/** A stream written to a temporary file, so that it can be read more than once. */
export interface Spool {
  path: string
  remove(): Promise<void>
}

/**
 * Writes a stream to a file of its own below the system's temporary folder. Only this user can read it.
 * @param stream read to its end
 * @param signal stops the writing; what was written is removed
 * @throws RowbackError `source.unreadable` when the stream breaks or the file cannot be written
 */
export async function spool(stream: Readable, signal?: AbortSignal): Promise<Spool> {
  signal?.throwIfAborted()
  const folder = await mkdtemp(join(tmpdir(), 'rowback-'))
  const path = join(folder, 'input')
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    await pipeline(stream, createWriteStream(path, { mode: 0o600 }), signal ? { signal } : {})
  } catch (error) {
    await remove()
    signal?.throwIfAborted()
    throw sourceError(
      'source.unreadable',
      `The input stream could not be kept in ${tmpdir()}: ${messageOf(error)}.`,
      'Check that the command before the pipe succeeds and that the disk has room, or give a file.',
      error
    )
  }
  return { path, remove }
}
