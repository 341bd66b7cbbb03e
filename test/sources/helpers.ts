import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { RowbackError } from '../../src/errors.ts'
import { type OpenContext, openSource } from '../../src/sources/open.ts'
import type { Source, SourceOptions, SourceRow, UnreadableRow } from '../../src/sources/source.ts'

/** A folder of the test file's own, removed after its tests. */
export function tempFolder(): { write(name: string, content: string | Uint8Array): Promise<string>; path(): string } {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rowback-test-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })
  return {
    path: () => folder,
    async write(name, content) {
      const path = join(folder, name)
      await writeFile(path, content)
      return path
    }
  }
}

export interface ReadResult {
  source: Source
  rows: SourceRow[]
  unreadable: UnreadableRow[]
  bytesRead: number[]
}

/** Opens, reads everything, closes. */
export async function readAll(
  path: string,
  options: SourceOptions = {},
  context: OpenContext = {}
): Promise<ReadResult> {
  const source = await openSource(path, options, context)
  try {
    return { source, ...(await drain(source)) }
  } finally {
    await source.close()
  }
}

/** All that one reading gives. */
export async function drain(source: Source): Promise<Omit<ReadResult, 'source'>> {
  const rows: SourceRow[] = []
  const unreadable: UnreadableRow[] = []
  const bytesRead: number[] = []
  for await (const batch of source.read()) {
    for (const row of batch.rows) rows.push(row)
    for (const row of batch.unreadable) unreadable.push(row)
    bytesRead.push(batch.bytesRead)
  }
  return { rows, unreadable, bytesRead }
}

/** The error that a promise is rejected with; it must be one that rowback throws on purpose. */
export async function failure(promise: Promise<unknown>): Promise<RowbackError> {
  const outcome = await promise.then(
    () => 'it did not fail',
    (error: unknown) => error
  )
  expect(outcome).toBeInstanceOf(RowbackError)
  const error = outcome as RowbackError
  expect(error.hint).not.toBe('')
  return error
}

/** Encodes by looking up what TextDecoder decodes to; for encodings of one or two bytes. */
export function encode(text: string, label: string): Buffer {
  const table = encodingTable(label)
  return Buffer.from(
    [...text].flatMap((character) => {
      const bytes = table.get(character)
      if (!bytes) throw new Error(`${character} is not in ${label}`)
      return bytes
    })
  )
}

const tables = new Map<string, Map<string, number[]>>()

function encodingTable(label: string): Map<string, number[]> {
  const known = tables.get(label)
  if (known) return known
  const decoder = new TextDecoder(label, { fatal: true })
  const table = new Map<string, number[]>()
  const learn = (...bytes: number[]) => {
    try {
      const character = decoder.decode(Uint8Array.from(bytes))
      if ([...character].length === 1 && !table.has(character)) table.set(character, bytes)
    } catch {
      // These bytes are no character.
    }
  }
  for (let byte = 0; byte < 256; byte++) learn(byte)
  for (let lead = 0x81; lead < 256; lead++) for (let trail = 0x40; trail < 256; trail++) learn(lead, trail)
  tables.set(label, table)
  return table
}
