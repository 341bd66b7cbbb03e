import { isUtf8 } from 'node:buffer'
import { encodeValue } from '../../model/value.ts'
import { widened } from '../../model/widened.ts'
import type { Lines } from '../engine.ts'
import type { Field } from './connection.ts'
import type { Decoder } from './decode.ts'
import { decodeInteger, decodeLatin1, decoderOf, decodeTagged, decodeText } from './decode.ts'
import { endOfCell, NULL, type RowScanner, startOfCell } from './wire-rows.ts'

/** Lines are handed on in pieces of about this size. */
const PIECE = 1 << 18
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN = 0x5b
const CLOSE = 0x5d
const LINE_FEED = 0x0a
const SPACE = 0x20
const ZERO = 0x30
const MINUS = 0x2d
const PLAIN_TEXT_TAG = 0x3d
/** Integers of so many characters are surely below 2^53. */
const SHORT_INTEGER = 15

/**
 * Writes rows of the protocol as the lines that `encodeRow` would give, byte by byte: plain integers and text are copied
 * from one buffer into the other, and only what is neither is decoded and encoded again.
 */
export class LineEncoder implements RowScanner {
  readonly #own: readonly (Decoder | null)[]
  readonly #push: (lines: Lines) => void
  readonly #spare: Buffer<ArrayBuffer>[]
  #decoders: Decoder[] = []
  #out = Buffer.allocUnsafeSlow(PIECE)
  #at = 0
  #ends: number[] = []

  /**
   * @param own decoders that go before those that the protocol suggests
   * @param spare buffers of pieces that are done with
   */
  constructor(own: readonly (Decoder | null)[], push: (lines: Lines) => void, spare: Buffer<ArrayBuffer>[]) {
    this.#own = own
    this.#push = push
    this.#spare = spare
  }

  begin(fields: Field[]): void {
    this.#decoders = fields.map((field, i) => this.#own[i] ?? decoderOf(field))
  }

  visit(bytes: Buffer, at: number, end: number): void {
    // Each character may need a backslash, each cell two quotes and a comma, the row its brackets and the line feed.
    this.#room(2 * (end - at) + 3 * this.#decoders.length + 3)
    let from = at
    let sign = OPEN
    for (const decoder of this.#decoders) {
      this.#out[this.#at++] = sign
      sign = COMMA
      const to = endOfCell(bytes, from)
      if (bytes[from] === NULL) this.#at += this.#out.write('null', this.#at)
      else this.#add(decoder, bytes, startOfCell(bytes, from), to)
      from = to
    }
    this.#out[this.#at++] = CLOSE
    this.#out[this.#at++] = LINE_FEED
    this.#ends.push(this.#at)
    if (this.#at >= PIECE) this.end()
  }

  end(): void {
    if (this.#ends.length === 0) return
    this.#push({ bytes: this.#out.subarray(0, this.#at), ends: this.#ends })
    this.#out = this.#spare.pop() ?? Buffer.allocUnsafeSlow(PIECE + (PIECE >> 3))
    this.#at = 0
    this.#ends = []
  }

  #add(decoder: Decoder, bytes: Buffer, from: number, to: number): void {
    if (decoder === decodeInteger && this.#addInteger(bytes, from, to)) return
    if ((decoder === decodeText || decoder === decodeLatin1) && this.#addText(bytes, from, to)) return
    if (decoder === decodeTagged && bytes[from] === PLAIN_TEXT_TAG && this.#addText(bytes, from + 1, to)) return
    const encoded = encodeValue(decoder(bytes.subarray(from, to)))
    this.#room(3 * encoded.length + 3 * this.#decoders.length + 2 * (bytes.length - to) + 3)
    this.#at += this.#out.write(encoded, this.#at)
  }

  /** @returns false, and nothing is added, for one that is long or has leading zeros */
  #addInteger(bytes: Buffer, from: number, to: number): boolean {
    const first = bytes[from] as number
    const isPlain = first > ZERO || (first === ZERO && to - from === 1) || (first === MINUS && bytes[from + 1] !== ZERO)
    if (!isPlain || to - from > SHORT_INTEGER) return false
    const out = this.#out
    let at = this.#at
    for (let i = from; i < to; i++) out[at++] = bytes[i] as number
    this.#at = at
    return true
  }

  /** @returns false, and nothing is added, for text with control characters or bytes that are no UTF-8 */
  #addText(bytes: Buffer, from: number, to: number): boolean {
    const out = this.#out
    let at = this.#at
    let all = 0
    out[at++] = QUOTE
    for (let i = from; i < to; i++) {
      const byte = bytes[i] as number
      if (byte < SPACE) return false
      if (byte === QUOTE || byte === BACKSLASH) out[at++] = BACKSLASH
      all |= byte
      out[at++] = byte
    }
    if (all > 127 && !isUtf8(bytes.subarray(from, to))) return false
    out[at++] = QUOTE
    this.#at = at
    return true
  }

  #room(more: number): void {
    this.#out = widened(this.#out, this.#at, this.#at + more)
  }
}
