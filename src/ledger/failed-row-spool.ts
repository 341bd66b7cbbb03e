import { appendFileSync, createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { FailedRow } from '../model/failed-row.ts'

const IN_MEMORY = 5000

/** Collects failed rows of a run outside the database, so that they outlive an aborted transaction; memory stays flat. */
export class FailedRowSpool {
  #recent: FailedRow[] = []
  #folder: string | null = null
  #counts = new Map<string, number>()

  get total(): number {
    return this.#counts.values().reduce((sum, count) => sum + count, 0)
  }

  /** How many rows of a table failed. */
  of(table: string): number {
    return this.#counts.get(table) ?? 0
  }

  add(row: FailedRow): void {
    this.#counts.set(row.table, this.of(row.table) + 1)
    this.#recent.push(row)
    if (this.#recent.length >= IN_MEMORY) this.#flush()
  }

  #flush(): void {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'rowback-failed-'))
    appendFileSync(this.#file, `${this.#recent.map((row) => JSON.stringify(row)).join('\n')}\n`)
    this.#recent = []
  }

  /** All rows, in the order of their lines; where there are very many, in the order in which they failed. */
  async *rows(): AsyncIterable<FailedRow> {
    if (this.#folder === null) this.#recent.sort((a, b) => this.#rank(a) - this.#rank(b) || lineOf(a) - lineOf(b))
    else {
      for await (const line of createInterface({ input: createReadStream(this.#file), crlfDelay: 0 })) {
        yield JSON.parse(line) as FailedRow
      }
    }
    yield* this.#recent
  }

  /** Tables stay in the order in which they were loaded. */
  #rank({ table }: FailedRow): number {
    return [...this.#counts.keys()].indexOf(table)
  }

  close(): void {
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#folder ?? '', 'failed.ndjson')
  }
}

/** Rows that only the table has come last. */
function lineOf({ line }: FailedRow): number {
  return line ?? Number.MAX_SAFE_INTEGER
}
