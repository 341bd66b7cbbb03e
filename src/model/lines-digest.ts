import { createHash } from 'node:crypto'

const LINE_FEED = 0x0a

/** The rows of a table, as canonical lines in one order, as one number: SHA-256 of all their bytes. */
export class LinesDigest {
  rows = 0
  readonly #hash = createHash('sha256')

  /** @param lines whole lines, each with its line feed */
  add(lines: Buffer): void {
    this.#hash.update(lines)
    for (let at = lines.indexOf(LINE_FEED); at >= 0; at = lines.indexOf(LINE_FEED, at + 1)) this.rows++
  }

  /** Ends it. */
  value(): string {
    return this.#hash.digest('hex')
  }
}

/** Passes lines on and adds them to a digest. */
export async function* digestedLines(lines: AsyncIterable<Buffer>, digest: LinesDigest): AsyncIterable<Buffer> {
  for await (const piece of lines) {
    digest.add(piece)
    yield piece
  }
}
