import type { Readable } from 'node:stream'
import { beginning } from './beginning.ts'
import { splitCompression } from './compression.ts'
import { type Content, examine } from './content.ts'
import { openInput } from './input.ts'
import type { Source, SourceOptions } from './source.ts'

export interface OpenContext {
  /** Stops the opening, and every reading after it, with its reason. */
  signal?: AbortSignal | undefined
  /** What `-` means; standard input by default. */
  stdin?: Readable | undefined
  /** Bytes that are read at a time. */
  windowBytes?: number | undefined
}

type Kind = 'csv' | 'tsv' | 'json' | 'ndjson'

const KINDS: Record<string, Kind> = {
  '.csv': 'csv',
  '.txt': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.json': 'json',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson'
}

const WINDOW_BYTES = 128 * 1024

/**
 * Opens a CSV, TSV, JSON or NDJSON file, also one compressed with gzip or zstd. The whole input is read once before
 * this returns; standard input, pipes and devices are copied to a temporary file until `close()`.
 * @param path a file, or `-` for standard input
 * @param options what the user says where detection would guess
 * @throws RowbackError `source.unreadable`, `source.empty`, `source.no_rows`, `source.binary`, `source.damaged`,
 * `source.encoding`, `source.header`, `source.syntax`, `source.changed`; as usage errors `source.encoding`,
 * `source.delimiter`, `source.quote`
 */
export async function openSource(
  path: string,
  options: SourceOptions = {},
  { signal, stdin = process.stdin, windowBytes = WINDOW_BYTES }: OpenContext = {}
): Promise<Source> {
  const input = await openInput(path, stdin, signal)
  try {
    const content = await examine(input, { encoding: options.encoding, windowBytes, signal })
    const source = await openContent(content, options)
    return { ...source, close: input.close }
  } catch (error) {
    await input.close()
    throw error
  }
}

async function openContent(content: Content, options: SourceOptions): Promise<Omit<Source, 'close'>> {
  const start = await beginning(content)
  const kind = kindByName(content.name) ?? kindByStart(start)
  // Loaded when it is asked for: commands without a source would wait for what reads them.
  if (kind === 'json') return (await import('./json.ts')).openJson(content, start)
  if (kind === 'ndjson') return (await import('./json.ts')).openNdjson(content)
  const { openCsv } = await import('./csv.ts')
  return openCsv(content, start, options, kind === 'tsv' ? '\t' : undefined)
}

function kindByName(name: string): Kind | undefined {
  const { bare } = splitCompression(name)
  return KINDS[bare.slice(bare.lastIndexOf('.')).toLowerCase()]
}

function kindByStart(start: string): Kind {
  const first = start.trimStart()[0]
  return first === '[' || first === '{' ? 'json' : 'csv'
}
