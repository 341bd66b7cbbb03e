import { hash128 } from '../model/hash128.ts'
import { toJson, type Value } from '../model/value.ts'

const CHUNK_ROWS = 65_536
const CHUNK_SHIFT = 16
/** Of one row: four words of hash and the line. */
const WORDS = 5
const FIRST_SLOTS = 1024

/** A key that came twice. */
export interface RepeatedKey {
  key: Value[]
  /** Where it stood first. */
  firstLine: number
  line: number
}

/** A row whose key has a cell without a value. */
export interface NullKey {
  line: number
  /** Position of that cell in the key. */
  position: number
}

/**
 * Finds repeated keys among any number of rows. It remembers a 128-bit hash per key and the line: 20 bytes a row in
 * chunks that are never copied, and 5 to 11 bytes of open-addressed index.
 *
 * Among n different keys two share their hash with a probability of n² / 2^129: below 10^-20 for a billion rows. Keys
 * are told apart character for character; a database whose collation calls `a` and `A` equal may find more.
 */
export class KeyCheck {
  /** The first repeated key, or null. */
  firstRepeat: RepeatedKey | null = null
  /** Rows whose key stood on an earlier line. */
  repeats = 0
  /** The first row with a null in its key, or null. Such rows are not compared. */
  firstNull: NullKey | null = null
  /** Rows with a null in their key. */
  nulls = 0

  readonly #hash = new Uint32Array(4)
  #rows = 0
  readonly #chunks: Uint32Array[] = []
  /** Row numbers, counted from 1; 0 is a free slot. */
  #slots = new Uint32Array(FIRST_SLOTS)

  /**
   * Takes one row.
   * @param key its key cells: raw, or formatted ones so that `7` and `007` are the same integer
   * @returns the line on which the same key stood first, or null
   */
  add(line: number, key: readonly Value[]): number | null {
    const position = key.indexOf(null)
    if (position >= 0) {
      this.nulls++
      this.firstNull ??= { line, position }
      return null
    }
    hash128(keyText(key), this.#hash)
    const firstLine = this.#insert(line)
    if (firstLine === null) return null
    this.repeats++
    this.firstRepeat ??= { key: [...key], firstLine, line }
    return firstLine
  }

  /** Looks the hash up, and remembers it when it is new. @returns its first line, or null */
  #insert(line: number): number | null {
    const hash = this.#hash
    const mask = this.#slots.length - 1
    let slot = (hash[0] as number) & mask
    for (let row = this.#slots[slot] as number; row !== 0; row = this.#slots[slot] as number) {
      const chunk = this.#chunks[(row - 1) >>> CHUNK_SHIFT] as Uint32Array
      const at = ((row - 1) % CHUNK_ROWS) * WORDS
      if (holdsHash(chunk, at, hash)) return chunk[at + 4] as number
      slot = (slot + 1) & mask
    }
    this.#append(line)
    this.#slots[slot] = this.#rows
    if (this.#rows > this.#slots.length * 0.75) this.#grow()
    return null
  }

  #append(line: number): void {
    const at = (this.#rows % CHUNK_ROWS) * WORDS
    if (at === 0) this.#chunks.push(new Uint32Array(CHUNK_ROWS * WORDS))
    const chunk = this.#chunks[this.#rows >>> CHUNK_SHIFT] as Uint32Array
    for (let i = 0; i < 4; i++) chunk[at + i] = this.#hash[i] as number
    chunk[at + 4] = line
    this.#rows++
  }

  #grow(): void {
    const slots = new Uint32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let row = 0; row < this.#rows; row++) {
      const chunk = this.#chunks[row >>> CHUNK_SHIFT] as Uint32Array
      let slot = (chunk[(row % CHUNK_ROWS) * WORDS] as number) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = row + 1
    }
    this.#slots = slots
  }
}

function holdsHash(chunk: Uint32Array, at: number, hash: Uint32Array): boolean {
  return chunk[at] === hash[0] && chunk[at + 1] === hash[1] && chunk[at + 2] === hash[2] && chunk[at + 3] === hash[3]
}

/** One text per key; in a key of several cells, lengths keep `a`, `bc` and `ab`, `c` apart. */
function keyText(key: readonly Value[]): string {
  if (key.length === 1) return cellText(key[0] as Value)
  let text = ''
  for (let i = 0; i < key.length; i++) {
    const cell = cellText(key[i] as Value)
    text += `${cell.length}:${cell}`
  }
  return text
}

/** The cells of one column are of one kind, so their texts tell them apart. */
function cellText(value: Value): string {
  return typeof value === 'string' ? value : String(toJson(value))
}
