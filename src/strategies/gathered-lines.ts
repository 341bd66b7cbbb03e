import { widened } from '../model/widened.ts'
import type { Repository } from '../store/repository.ts'

/** Where lines are gathered at first; it grows. */
const ROOM = 1 << 16

/** Lines on their way into one object: copied, for what is read is good only until the next is asked for. */
export class GatheredLines {
  length = 0
  rows = 0
  readonly #repository: Repository
  #room: Buffer<ArrayBuffer>

  constructor(repository: Repository) {
    this.#repository = repository
    this.#room = repository.roomForRows(ROOM)
  }

  /** @param lines whole lines */
  add(lines: Buffer, rows: number): void {
    this.#room = widened(this.#room, this.length, this.length + lines.length)
    this.length += lines.copy(this.#room, this.length)
    this.rows += rows
  }

  /** Hands them over, and begins anew. */
  take(): { lines: Buffer<ArrayBuffer>; rows: number } {
    const taken = { lines: this.#room.subarray(0, this.length), rows: this.rows }
    this.#room = this.#repository.roomForRows(this.length)
    this.length = 0
    this.rows = 0
    return taken
  }
}
