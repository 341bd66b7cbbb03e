import { randomBytes } from 'node:crypto'
import { avalanche, rotate } from '../../model/hash-mix.ts'
import type { Value } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'

const C1 = 0x85ebca6b
const C2 = 0xcc9e2d51
const NULL = 0x4e554c4c
const TAGGED = 0x3d

/**
 * A 64-bit hash of a row's cells as the server prints them: two lanes of multiply and shift or rotate, four bytes at a
 * time and with the constants and the ending of MurmurHash3 (https://github.com/aappleby/smhasher), in which no step
 * loses anything of the state; the length of each cell is mixed in. It is seeded anew
 * in every process, so that nobody can prepare rows that collide. Bytes from the server and text from a source give
 * the same hash where they are the same UTF-8.
 */
export class RowHash {
  high = 0
  low = 0
  readonly #seeds = new Int32Array(new Uint8Array(randomBytes(8)).buffer)

  begin(): void {
    this.high = this.#seeds[0] as number
    this.low = this.#seeds[1] as number
  }

  /** @param isTagged the server's cell begins with `=`, and this one does not */
  addText(text: string | null, isTagged: boolean): void {
    if (text === null) this.#mix(NULL)
    else if (isTagged) this.addBytes(Buffer.from(String.fromCharCode(TAGGED) + text))
    else if (!this.#addAscii(text)) this.addBytes(Buffer.from(text))
  }

  /** @returns false, and nothing is added, for a text that is more than ASCII */
  #addAscii(text: string): boolean {
    const { length } = text
    const whole = length & ~3
    let { high, low } = this
    let all = 0
    let at = 0
    for (; at < whole; at += 4) {
      const a = text.charCodeAt(at)
      const b = text.charCodeAt(at + 1)
      const c = text.charCodeAt(at + 2)
      const d = text.charCodeAt(at + 3)
      all |= a | b | c | d
      const word = a | (b << 8) | (c << 16) | (d << 24)
      high = Math.imul(high ^ word, C1)
      high ^= high >>> 15
      low = rotate(Math.imul((low + word) | 0, C2), 13)
    }
    let word = 0
    for (let shift = 0; at < length; at++, shift += 8) {
      const code = text.charCodeAt(at)
      all |= code
      word |= code << shift
    }
    if (all > 127) return false
    this.high = high
    this.low = low
    this.#mix(word)
    this.#mix(length)
    return true
  }

  addBytes(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.#mix(NULL)
      return
    }
    const { length } = bytes
    const whole = length & ~3
    let { high, low } = this
    let at = 0
    for (; at < whole; at += 4) {
      const word =
        (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)
      high = Math.imul(high ^ word, C1)
      high ^= high >>> 15
      low = rotate(Math.imul((low + word) | 0, C2), 13)
    }
    let word = 0
    for (let shift = 0; at < length; at++, shift += 8) word |= (bytes[at] as number) << shift
    this.high = high
    this.low = low
    this.#mix(word)
    this.#mix(length)
  }

  /** A formatted value, as the server would print it; where it prints otherwise, the hash is another. */
  addValue(value: Value, isTagged: boolean): void {
    if (value === null || typeof value === 'string') this.addText(value, isTagged)
    else if (value instanceof RawText) this.addBytes(value.bytes)
    else if (value instanceof Uint8Array) this.addBytes(value)
    else this.addText(String(value), isTagged)
  }

  end(): void {
    const high = avalanche((this.high + this.low) | 0)
    this.low = avalanche((this.low + high) | 0) >>> 0
    this.high = high >>> 0
  }

  #mix(word: number): void {
    const high = Math.imul(this.high ^ word, C1)
    this.high = high ^ (high >>> 15)
    this.low = rotate(Math.imul((this.low + word) | 0, C2), 13)
  }
}
