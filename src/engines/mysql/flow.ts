import type { Connection as Driver } from 'mysql2'

/** So many pieces wait for a reader before the socket is paused. */
const MOST_WAITING = 4

/** Pieces of one query's result on their way to a reader; the socket is paused while the reader lags behind. */
export class Flow<T> {
  readonly #driver: Driver
  readonly #waiting: T[] = []
  #ended = false
  #error: unknown = null
  #dropping = false
  #paused = false
  #wake: (() => void) | null = null

  constructor(driver: Driver) {
    this.#driver = driver
  }

  push(piece: T): void {
    if (this.#dropping) return
    this.#waiting.push(piece)
    if (!this.#paused && this.#waiting.length >= MOST_WAITING) {
      this.#paused = true
      this.#driver.pause()
    }
    this.#wake?.()
  }

  /** Says that no more will come. @param error null when all is well */
  finish(error: unknown): void {
    this.#error ??= error
    this.#ended = true
    this.#wake?.()
  }

  async *pieces(): AsyncIterable<T> {
    for (;;) {
      while (this.#waiting.length === 0 && !this.#ended) await this.#more()
      if (this.#error) throw this.#error
      const piece = this.#waiting.shift()
      if (piece === undefined) return
      yield piece
    }
  }

  /** Reads and drops what is left; the connection can be used again after it. */
  async drain(): Promise<void> {
    this.#dropping = true
    while (!this.#ended) await this.#more()
    this.#resume()
  }

  async #more(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#resume()
    await woken
    this.#wake = null
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    // Packets that waited are handled within this call, and may pause the connection again.
    this.#driver.resume()
  }
}
