import { Readable } from 'node:stream'
import type { ConnectionOptions, Connection as Driver, FieldPacket, ResultSetHeader } from 'mysql2'
import { createConnection } from 'mysql2'
import type { Lines } from '../engine.ts'
import type { Decoder } from './decode.ts'
import { isLost } from './errors.ts'
import { Flow } from './flow.ts'
import { LineEncoder } from './line-encoder.ts'
import { cellsOfRow, type RowScanner, scanRows, type WireRowVisitor } from './wire-rows.ts'

/** A row as the server sent it: bytes, or null. */
export type RawRow = (Buffer | null)[]

/** What the protocol says of a result's column. */
export interface Field {
  name: string
  /** https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html */
  columnType: number
  /** 63 is binary. */
  characterSet: number
}

export interface RawResult {
  fields: Field[]
  rows: RawRow[]
}

export interface Outcome {
  /** Rows that were written; an UPDATE counts the rows that it found. */
  affected: number
  warnings: number
  /** Whether a transaction was still open afterwards. */
  inTransaction: boolean
}

/** Of the protocol's status flags. */
const IN_TRANSACTION = 1

const BATCH = 1000
const CONNECT_TIMEOUT_MS = 15_000
/** Zero dates and what older modes let in must be readable and restorable. */
export const OWN_MODE =
  "time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'"
/** Variables of the session. */
const SESSION = `SET NAMES utf8mb4, autocommit = 1, ${OWN_MODE}, net_read_timeout = 3600, net_write_timeout = 3600`

/** One session with exact bytes: nothing is decoded by the driver. */
export class Connection {
  readonly #driver: Driver
  #lost = false
  #streaming = false

  private constructor(driver: Driver) {
    this.#driver = driver
    driver.on('error', (error) => {
      if (isLost(error)) this.#lost = true
    })
  }

  /** @throws the driver's error when there is no way in */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const driver = createConnection({
      ...options,
      charset: 'UTF8MB4_GENERAL_CI',
      connectTimeout: CONNECT_TIMEOUT_MS,
      rowsAsArray: true,
      typeCast: false,
      multipleStatements: false,
      // It would be kept in the sql_mode of triggers that are put back.
      flags: ['-IGNORE_SPACE']
    })
    await new Promise<void>((resolve, reject) => {
      driver.connect((error) => (error ? reject(error) : resolve()))
    })
    const connection = new Connection(driver)
    await connection.execute(SESSION)
    return connection
  }

  /** The session ended by itself; the server has aborted its transaction. */
  get lost(): boolean {
    return this.#lost
  }

  async close(): Promise<void> {
    if (this.#lost) this.#driver.destroy()
    else await new Promise<void>((resolve) => this.#driver.end(() => resolve()))
  }

  /** Runs a statement that gives no rows. */
  async execute(sql: string): Promise<Outcome> {
    return outcomeOf(await this.#send(sql))
  }

  async read(sql: string): Promise<RawResult> {
    const { fields, rows } = await this.#send(sql)
    return { fields, rows }
  }

  /** Runs a `LOAD DATA LOCAL INFILE` statement with these bytes for the file. */
  async load(sql: string, bytes: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Outcome> {
    return outcomeOf(await this.#send(sql, () => Readable.from(bytes, { objectMode: false })))
  }

  #send(
    sql: string,
    infileStreamFactory?: () => Readable
  ): Promise<{ header: ResultSetHeader | null; fields: Field[]; rows: RawRow[] }> {
    // The driver would let it wait for a stream that may wait for it.
    if (this.#streaming) throw new Error(`a statement was sent while rows are streamed: ${sql.slice(0, 80)}`)
    return new Promise((resolve, reject) => {
      this.#driver.query({ sql, ...(infileStreamFactory && { infileStreamFactory }) }, (error, result, fields) => {
        if (error) reject(this.#noted(error))
        else if (fields === undefined) resolve({ header: result as ResultSetHeader, fields: [], rows: [] })
        else
          resolve({
            header: null,
            fields: fields as FieldPacket[] as unknown as Field[],
            rows: result as unknown as RawRow[]
          })
      })
    })
  }

  /**
   * Hands every row of a query to `visit` as it stands in the protocol: nothing is made of it, and the bytes are only good
   * during the call.
   */
  async scan(sql: string, visit: WireRowVisitor): Promise<void> {
    const scanner = { begin: () => {}, visit, end: () => {} }
    for await (const _piece of this.#flow(sql, () => scanner)) throw new Error('a scan gives no pieces')
  }

  /** Streams a query's rows in batches; nothing else can be sent meanwhile. The rest is read and dropped when left early. */
  async *stream(sql: string): AsyncIterable<RawResult> {
    yield* this.#flow<RawResult>(sql, (push) => new RowBatches(push))
  }

  /**
   * Streams a query's rows as canonical lines, see {@link LineEncoder}; what comes is good until the next is asked for.
   * @param own decoders that go before those that the protocol suggests
   */
  async *lines(sql: string, own: readonly (Decoder | null)[]): AsyncIterable<Lines> {
    const spare: Buffer<ArrayBuffer>[] = []
    for await (const lines of this.#flow<Lines>(sql, (push) => new LineEncoder(own, push, spare))) {
      yield lines
      spare.push(Buffer.from(lines.bytes.buffer as ArrayBuffer))
    }
  }

  async *#flow<T>(sql: string, scannerFor: (push: (piece: T) => void) => RowScanner): AsyncIterable<T> {
    if (this.#streaming) throw new Error('rows are streamed already')
    this.#streaming = true
    const flow = new Flow<T>(this.#driver)
    scanRows(
      this.#driver,
      sql,
      scannerFor((piece) => flow.push(piece))
    ).then(
      () => flow.finish(null),
      (error: unknown) => flow.finish(error)
    )
    try {
      yield* flow.pieces()
    } catch (error) {
      throw this.#noted(error)
    } finally {
      await flow.drain()
      this.#streaming = false
    }
  }

  #noted(error: unknown): unknown {
    if (isLost(error)) this.#lost = true
    return error
  }
}

function outcomeOf({ header }: { header: ResultSetHeader | null }): Outcome {
  return {
    affected: header?.affectedRows ?? 0,
    warnings: header?.warningStatus ?? 0,
    inTransaction: header === null || ((header.serverStatus ?? 0) & IN_TRANSACTION) !== 0
  }
}

/** Gathers rows as buffers of their own. */
class RowBatches implements RowScanner {
  readonly #push: (batch: RawResult) => void
  #fields: Field[] = []
  #rows: RawRow[] = []

  constructor(push: (batch: RawResult) => void) {
    this.#push = push
  }

  begin(fields: Field[]): void {
    this.#fields = fields
  }

  visit(bytes: Buffer, at: number): void {
    this.#rows.push(cellsOfRow(bytes, at, this.#fields.length))
    if (this.#rows.length === BATCH) this.end()
  }

  end(): void {
    if (this.#rows.length > 0) this.#push({ fields: this.#fields, rows: this.#rows })
    this.#rows = []
  }
}
