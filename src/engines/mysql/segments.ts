import type { TypedBatch, TypedRow } from '../engine.ts'
import { LoadText } from './load-text.ts'

/** Cuts a source's batches into segments of so many rows, each of which is read as the bytes of one `LOAD DATA`. */
export class Segments<R extends TypedRow> {
  /** Rows that were read in the present segment. */
  rows = 0
  /** Rows of the segments before it. */
  before = 0
  isOver = false
  readonly #batches: AsyncIterator<TypedBatch<R>>
  readonly #most: number
  #rest: R[] = []

  constructor(batches: AsyncIterable<TypedBatch<R>>, most: number) {
    this.#batches = batches[Symbol.asyncIterator]()
    this.#most = most
  }

  /**
   * Reads the next segment.
   * @param onRow sees each of its rows
   * @param fits says whether one more row belongs to it; it may be asked again of one that does not
   */
  async *next(
    onRow: (row: R) => void,
    fits: (row: R) => boolean = () => this.rows < this.#most
  ): AsyncIterable<Buffer> {
    this.before += this.rows
    this.rows = 0
    const text = new LoadText()
    while (await this.#more()) {
      let taken = 0
      for (const row of this.#rest) {
        if (!fits(row)) break
        text.add(row.values)
        onRow(row)
        this.rows++
        taken++
      }
      this.#rest.splice(0, taken)
      yield* text.take()
      if (this.#rest.length > 0) break
    }
    yield* text.end()
  }

  /** Everything that no segment has read yet. */
  async *remaining(): AsyncIterable<TypedBatch<R>> {
    while (await this.#more()) yield { rows: this.#rest.splice(0), failedKeys: [] }
  }

  async #more(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.isOver) {
      const { done, value } = await this.#batches.next()
      if (done) this.isOver = true
      else this.#rest = value.rows
    }
    return this.#rest.length > 0
  }
}

/** The first `most` rows of some batches. */
export async function* firstRows<R extends TypedRow>(
  batches: AsyncIterable<TypedBatch<R>>,
  most: number
): AsyncIterable<TypedBatch<R>> {
  let left = most
  for await (const batch of batches) {
    const rows = batch.rows.slice(0, left)
    left -= rows.length
    yield { rows, failedKeys: batch.failedKeys }
    if (left === 0) return
  }
}
