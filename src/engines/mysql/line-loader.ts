import type { Table } from '../../model/table.ts'
import { writableColumns } from '../../model/table.ts'
import type { Row } from '../../model/value.ts'
import { decodeLines, decodeRow } from '../../model/value.ts'
import { widened } from '../../model/widened.ts'
import { insertRows } from './change-writer.ts'
import type { MysqlColumn } from './columns.ts'
import { isLoadable, LoadText, loadStatement } from './load-text.ts'
import { quote } from './sql-text.ts'
import type { Statements } from './statements.ts'

/** Lines of one LOAD DATA: if it does not go in whole, so many are taken back and inserted. */
const SEGMENT_BYTES = 16 << 20

const LINE_FEED = 0x0a
const TAB = 0x09
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const CLOSE = 0x5d
const BRACE = 0x7b
const SMALL_N = 0x6e
const SMALL_T = 0x74
const CAPITAL_N = 0x4e
const ZERO = 0x30
/** What a backslash and a letter stand for in JSON where `LOAD DATA` takes the sign as it is. */
const SIGNS: Record<number, number> = { 34: 0x22, 47: 0x2f, 98: 0x08, 102: 0x0c, 114: 0x0d }
const NULL_LENGTH = 'null'.length

/**
 * Loads rows that stand as canonical lines into a table that has none: the lines are turned into the text that `LOAD DATA`
 * reads byte by byte, and only rows that are more than numbers and text are decoded.
 * @param lines whole lines, in the table's writable columns
 */
export async function loadLines(statements: Statements, table: Table, lines: AsyncIterable<Buffer>): Promise<void> {
  if (!table.atomic || !statements.product.localInfile) {
    await insertRows(statements, table, decoded(lines))
    return
  }
  const source = lines[Symbol.asyncIterator]()
  for (let next = await source.next(); !next.done; next = await source.next()) {
    await new Segment(statements, table, source).load(next.value)
  }
}

async function* decoded(lines: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncIterable<Row[]> {
  for await (const piece of lines) yield decodeLines(piece)
}

class Segment {
  readonly #statements: Statements
  readonly #table: Table
  readonly #columns: MysqlColumn[]
  readonly #source: AsyncIterator<Buffer>
  /** Where a number stands for what text cannot say. */
  readonly #refusesNumbers: boolean[]
  readonly #read: Buffer[] = []
  readonly #special: Row[] = []
  #rows = 0
  #out = Buffer.alloc(0)
  #at = 0

  constructor(statements: Statements, table: Table, source: AsyncIterator<Buffer>) {
    this.#statements = statements
    this.#table = table
    this.#source = source
    this.#columns = writableColumns(table) as MysqlColumn[]
    this.#refusesNumbers = this.#columns.map((column) => !isLoadable(column, 0n))
  }

  /** Loads these lines and as many more as make up a segment. */
  async load(first: Buffer): Promise<void> {
    await this.#statements.execute('SAVEPOINT rowback_load')
    const statement = loadStatement(quote(this.#table.name), this.#columns, {})
    const { affected, warnings } = await this.#statements.load(statement, this.#pieces(first))
    if (affected !== this.#rows || warnings > 0) {
      await this.#statements.execute('ROLLBACK TO SAVEPOINT rowback_load')
      await insertRows(this.#statements, this.#table, decoded(this.#read))
    } else if (this.#special.length > 0) await insertRows(this.#statements, this.#table, batchOf(this.#special))
  }

  async *#pieces(first: Buffer): AsyncIterable<Buffer> {
    let bytes = 0
    for (let piece: Buffer | undefined = first; piece !== undefined; ) {
      this.#read.push(piece)
      bytes += piece.length
      yield this.#convert(piece)
      piece = bytes < SEGMENT_BYTES ? await this.#more() : undefined
    }
  }

  async #more(): Promise<Buffer | undefined> {
    const next = await this.#source.next()
    return next.done ? undefined : next.value
  }

  #convert(lines: Buffer): Buffer {
    // No byte of a line becomes more than one, but for the tag of NULL, which is shorter than the word.
    this.#out = Buffer.allocUnsafe(2 * lines.length)
    this.#at = 0
    for (let at = 0; at < lines.length; ) {
      const begun = this.#at
      const end = this.#addPlain(lines, at)
      if (end > 0) {
        this.#rows++
        at = end
        continue
      }
      this.#at = begun
      const close = lines.indexOf(LINE_FEED, at)
      this.#addDecoded(decodeRow(lines.toString('utf8', at, close)), lines.length - close)
      at = close + 1
    }
    return this.#out.subarray(0, this.#at)
  }

  /** @returns where the next line begins; 0 for a row that has to be decoded, of which some may have been added */
  #addPlain(lines: Buffer, from: number): number {
    const out = this.#out
    let at = from + 1
    let to = this.#at
    for (let column = 0; ; column++) {
      const first = lines[at] as number
      if (first === QUOTE) {
        at++
        for (;;) {
          const byte = lines[at++] as number
          if (byte === QUOTE) break
          if (byte !== BACKSLASH) {
            out[to++] = byte
            continue
          }
          const sign = lines[at++] as number
          const plain = SIGNS[sign]
          if (plain !== undefined) out[to++] = plain
          else if (sign === BACKSLASH || sign === SMALL_N || sign === SMALL_T) {
            out[to++] = BACKSLASH
            out[to++] = sign
          } else if (sign === 0x75 && lines[at] === ZERO && lines[at + 1] === ZERO) {
            const code = Number.parseInt(lines.toString('latin1', at, at + 4), 16)
            at += 4
            if (code === 0) out[to++] = BACKSLASH
            out[to++] = code === 0 ? ZERO : code
            if (code > 127) return 0
          } else return 0
        }
      } else if (first === SMALL_N) {
        out[to++] = BACKSLASH
        out[to++] = CAPITAL_N
        at += NULL_LENGTH
      } else if (first === BRACE || this.#refusesNumbers[column]) return 0
      else
        for (let byte = first; byte !== COMMA && byte !== CLOSE; byte = lines[at] as number) {
          out[to++] = byte
          at++
        }
      if (lines[at] === CLOSE) break
      at++
      out[to++] = TAB
    }
    out[to++] = LINE_FEED
    this.#at = to
    return at + 2
  }

  /** @param rest how many bytes of lines are still to come */
  #addDecoded(row: Row, rest: number): void {
    if (!this.#columns.every((column, i) => isLoadable(column, row[i] ?? null))) {
      this.#special.push(row)
      return
    }
    this.#rows++
    const text = new LoadText()
    text.add(row)
    for (const piece of text.end()) {
      this.#out = widened(this.#out, this.#at, this.#at + piece.length + 2 * rest)
      this.#at += piece.copy(this.#out, this.#at)
    }
  }
}

async function* batchOf(rows: Row[]): AsyncIterable<Row[]> {
  yield rows
}
