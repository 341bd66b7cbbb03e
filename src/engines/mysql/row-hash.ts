import { randomBytes } from 'node:crypto'
import { avalanche, rotate } from '../../model/hash-mix.ts'

const C1 = 0x85ebca6b
const C2 = 0xcc9e2d51

/**
 * A 64-bit hash of a row's cells as they stand in the protocol: two lanes of multiply and shift or rotate, four bytes at a
 * time and with the constants and the ending of MurmurHash3 (https://github.com/aappleby/smhasher), in which no step
 * loses anything of the state. In the protocol each cell stands behind its length, so that other cells are other bytes. It
 * is seeded anew in every process, so that nobody can prepare rows that collide.
 */
export class RowHash {
  high = 0
  low = 0
  readonly #seeds = new Int32Array(new Uint8Array(randomBytes(8)).buffer)

  /** Hashes the bytes from `from` to `to`. */
  take(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from
    const whole = from + (length & ~3)
    let high = this.#seeds[0] as number
    let low = this.#seeds[1] as number
    let at = from
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
    let word = length << 24
    for (let shift = 0; at < to; at++, shift += 8) word |= (bytes[at] as number) << shift
    high = Math.imul(high ^ word, C1)
    high ^= high >>> 15
    low = rotate(Math.imul((low + word) | 0, C2), 13)
    high = avalanche((high + low) | 0)
    this.low = avalanche((low + high) | 0) >>> 0
    this.high = high >>> 0
  }
}
