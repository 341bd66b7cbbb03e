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

  /** Reads the next segment. @param onRow sees each of its rows */
  async *next(onRow: (row: R) => void): AsyncIterable<Buffer> {
    this.before += this.rows
    this.rows = 0
    const text = new LoadText()
    while (this.rows < this.#most && (await this.#more())) {
      const taken = this.#rest.splice(0, this.#most - this.rows)
      for (const row of taken) {
        text.add(row.values)
        onRow(row)
      }
      this.rows += taken.length
      yield* text.take()
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
