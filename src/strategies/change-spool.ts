import { appendFileSync, createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RowChange, WriteCounts } from '../model/change.ts'
import { count, noCounts } from '../model/change.ts'
import type { Row } from '../model/value.ts'
import { decodeRow, encodeRow, linesOf } from '../model/value.ts'

const IN_MEMORY = 1000
const LINE_FEED = 10

/** Keeps changes to be read as often as is needed: few in memory, many in a temporary file that only this user can read. */
export class ChangeSpool {
  #recent: RowChange[] = []
  #folder: string | null = null
  #length = 0
  readonly #counts = noCounts()

  get length(): number {
    return this.#length
  }

  /** How many there are of each kind. */
  get counts(): WriteCounts {
    return { ...this.#counts }
  }

  add(change: RowChange): void {
    this.#length++
    count(this.#counts, change)
    this.#recent.push(change)
    if (this.#recent.length >= IN_MEMORY) this.#flush()
  }

  #flush(): void {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'rowback-changes-'))
    appendFileSync(
      this.#file,
      this.#recent.map(({ before, after }) => `${lineOf(before)}\t${lineOf(after)}\n`).join('')
    )
    this.#recent = []
  }

  async *read(): AsyncIterable<RowChange> {
    if (this.#folder !== null) {
      for await (const line of linesIn(this.#file)) {
        const [before = '', after = ''] = line.split('\t')
        yield { before: rowOf(before), after: rowOf(after) }
      }
    }
    yield* this.#recent
  }

  /** Some at a time. */
  async *batches(size: number): AsyncIterable<RowChange[]> {
    let batch: RowChange[] = []
    for await (const change of this.read()) {
      batch.push(change)
      if (batch.length < size) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }

  close(): void {
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#folder ?? '', 'changes')
  }
}

/** A tab is written as `\t` within a row. */
function lineOf(row: Row | null): string {
  return row ? encodeRow(row) : ''
}

function rowOf(line: string): Row | null {
  return line === '' ? null : decodeRow(line)
}

/** Lines end at line feeds alone: what else ends a line for some readers may stand in a cell. */
async function* linesIn(path: string): AsyncIterable<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const bytes = Buffer.concat([rest, piece as Buffer])
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    yield* linesOf(bytes.subarray(0, end))
    rest = bytes.subarray(end)
  }
}
