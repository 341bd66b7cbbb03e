import { isAscii } from 'node:buffer'
import { ExitCode, RowbackError } from '../errors.ts'
import { type BytePass, passOver } from './bytes.ts'
import { type Compression, detectCompression } from './compression.ts'
import {
  countUtf8,
  type Encoding,
  encodingFromHead,
  isMostlyUtf8,
  isUtf16,
  mayBeUtf8,
  type Utf8Count
} from './encoding.ts'
import { guessEncoding } from './guess-encoding.ts'
import type { Input } from './input.ts'
import { nulError, refuseKnownBinary } from './magic.ts'
import { sourceError } from './source-error.ts'
import { decoderFor } from './text.ts'
import { sequenceKeeper, utf8Checker } from './utf8.ts'

/** A piece of the text, of any length; line ends and surrogate pairs may be cut. */
export interface TextWindow {
  text: string
  /** Bytes of the input read so far. */
  bytesRead: number
}

/** An input that was looked through once: what it is, and its text as often as needed. */
export interface Content {
  name: string
  sha256: string
  bytes: number
  encoding: Encoding
  compression: Compression | null
  /**
   * The whole text from the beginning.
   * @throws RowbackError `source.changed` at the end, when these were not the bytes that were looked through
   */
  windows(): AsyncGenerator<TextWindow>
}

export interface ExamineOptions {
  encoding?: string | undefined
  windowBytes: number
  signal?: AbortSignal | undefined
}

const HEAD_BYTES = 64 * 1024
const SAMPLE_BYTES = 128 * 1024
const NEWLINE = 0x0a

/**
 * Reads the whole input once: hash, size, encoding.
 * @throws RowbackError `source.empty`, `source.binary`, `source.damaged`, `source.encoding`, `source.unreadable`
 */
export async function examine(input: Input, options: ExamineOptions): Promise<Content> {
  const compression = await detectCompression(input.path, input.name)
  const { windowBytes: chunkBytes, signal } = options
  const pass = () => passOver(input.path, { compression, chunkBytes, signal })
  const first = passOver(input.path, { compression, chunkBytes, signal, hashed: true })
  const survey = await lookThrough(first, input.name, options.encoding)
  const encoding = survey.encoding ?? (await encodingFromAll(pass().chunks, input.name))

  async function* windows(): AsyncGenerator<TextWindow> {
    const decode = decoderFor(encoding)
    const reading = pass()
    for await (const chunk of reading.chunks) yield { text: decode(chunk, false), bytesRead: reading.consumed() }
    const rest = decode(Buffer.alloc(0), true)
    if (rest !== '') yield { text: rest, bytesRead: reading.consumed() }
    if (reading.checksum() !== survey.checksum) throw changedError(input.name)
  }

  return { name: input.name, sha256: survey.sha256, bytes: survey.bytes, encoding, compression, windows }
}

interface Survey {
  sha256: string
  checksum: number
  bytes: number
  /** Null when it is neither marked nor UTF-8. */
  encoding: Encoding | null
}

async function lookThrough(pass: BytePass, name: string, wanted?: string): Promise<Survey> {
  try {
    const { head, chunks } = await withHead(pass.chunks)
    if (head.length === 0) throw emptyError(name)
    refuseKnownBinary(head, name)
    const known = encodingFromHead(head, wanted)
    const valid = await checkAll(chunks, name, isUtf16(known))
    return { sha256: pass.digest(), checksum: pass.checksum(), bytes: pass.consumed(), encoding: settle(known, valid) }
  } finally {
    await pass.chunks.return(undefined)
  }
}

/** Whether it is all UTF-8; a NUL byte where none may be is an error. */
async function checkAll(chunks: AsyncIterable<Buffer>, name: string, mayHaveNuls: boolean): Promise<boolean> {
  const isUtf8 = utf8Checker()
  let offset = 0
  for await (const chunk of chunks) {
    const nul = mayHaveNuls ? -1 : chunk.indexOf(0)
    if (nul !== -1) throw nulError(name, offset + nul)
    isUtf8(chunk, false)
    offset += chunk.length
  }
  return isUtf8(Buffer.alloc(0), true)
}

function settle(known: Encoding | null, validUtf8: boolean): Encoding | null {
  const encoding = known ?? (validUtf8 ? { label: 'utf-8', bom: 0, sound: false } : null)
  return encoding?.label === 'utf-8' ? { ...encoding, sound: validUtf8 } : encoding
}

/** Reads ahead until there is enough to tell what it is, and gives all chunks again from the first. */
async function withHead(chunks: AsyncGenerator<Buffer>): Promise<{ head: Buffer; chunks: AsyncGenerator<Buffer> }> {
  const parts: Buffer[] = []
  let length = 0
  while (length < HEAD_BYTES) {
    const next = await chunks.next()
    if (next.done) break
    parts.push(Buffer.from(next.value))
    length += next.value.length
  }
  const head = Buffer.concat(parts)
  async function* all(): AsyncGenerator<Buffer> {
    yield head
    yield* chunks
  }
  return { head, chunks: all() }
}

/** A second look at bytes that are not UTF-8 as a whole: UTF-8 with bad bytes, or what their lines tell. */
async function encodingFromAll(chunks: AsyncGenerator<Buffer>, name: string): Promise<Encoding> {
  const count: Utf8Count = { valid: 0, invalid: 0 }
  const keep = sequenceKeeper()
  const sampler = new NonAsciiLines()
  for await (const chunk of chunks) {
    countUtf8(keep(chunk, false), count)
    sampler.add(chunk)
    if (sampler.isFull() && count.invalid > SAMPLE_BYTES && !isMostlyUtf8(count)) break
  }
  countUtf8(keep(Buffer.alloc(0), true), count)
  if (isMostlyUtf8(count)) return { label: 'utf-8', bom: 0, sound: false }
  const label = guessEncoding(sampler.sample(), name, mayBeUtf8(count))
  return { label, bom: 0, sound: false, guessed: label !== 'utf-8' }
}

/** Collects lines that hold non-ASCII bytes: whole lines, because multi-byte characters only align from a line's start. */
class NonAsciiLines {
  #lines: Buffer[] = []
  #size = 0
  #open: Buffer = Buffer.alloc(0)

  add(chunk: Buffer): void {
    if (this.isFull()) return
    const bytes = Buffer.concat([this.#open, chunk])
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      this.#take(bytes.subarray(from, end + 1))
      from = end + 1
    }
    this.#open = Buffer.from(bytes.subarray(from))
    // A file without line ends: its start must do, up to a byte that no multi-byte character ends with.
    if (this.#open.length > SAMPLE_BYTES)
      this.#take(this.#open.subarray(0, this.#open.findLastIndex((b) => b < 0x30) + 1))
  }

  isFull(): boolean {
    return this.#size >= SAMPLE_BYTES
  }

  sample(): Buffer {
    this.#take(this.#open)
    return Buffer.concat(this.#lines)
  }

  #take(line: Buffer): void {
    if (this.isFull() || isAscii(line)) return
    this.#lines.push(Buffer.from(line))
    this.#size += line.length
  }
}

/** The error for an input without any text. */
export function emptyError(name: string): RowbackError {
  return sourceError('source.empty', `${name} is empty.`, 'Check that the program that writes it has done so.')
}

function changedError(name: string): RowbackError {
  return new RowbackError({
    code: 'source.changed',
    message: `${name} changed while it was being read: its bytes are not those that it had when it was opened.`,
    hint: 'Wait until it is written completely, then start again.',
    exit: ExitCode.failed
  })
}
