import type { Connection as Driver } from 'mysql2'
import { SpentBuffers } from '../../model/spent-buffers.ts'
import type { Value } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'
import { widened } from '../../model/widened.ts'
import type { Field } from './connection.ts'

/**
 * Takes a row of the text protocol: its cells stand one after the other from `at` to `end`, each behind its length.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_row.html
 */
export type WireRowVisitor = (bytes: Buffer, at: number, end: number) => void

/** What the driver's packets are like, of which it has no types. */
interface Packet {
  buffer: Buffer
  offset: number
  end: number
  isEOF(): boolean
}

type TakePacket = (this: Command, packet: Packet, connection: unknown) => unknown

/** The driver's command, which handles each packet of rows by its method `row` and goes on with what that returns. */
interface Command {
  row: TakePacket
}

/** What becomes of a query's rows. */
export interface RowScanner {
  begin(fields: Field[]): void
  visit: WireRowVisitor
  /** All rows were visited. */
  end(): void
}

/** Runs a query and hands its rows on as they come, without an object or a buffer of their own. */
export async function scanRows(driver: Driver, sql: string, scanner: RowScanner): Promise<void> {
  const spent = new SpentBuffers('minor')
  let failure: unknown = null
  await new Promise<void>((resolve, reject) => {
    const query = driver.query({ sql })
    const command = query as unknown as Command
    const finish = command.row
    command.row = function take(packet, connection) {
      if (packet.isEOF()) return finish.call(this, packet, connection)
      spent.add(packet.end - packet.offset)
      try {
        if (failure === null) scanner.visit(packet.buffer, packet.offset, packet.end)
      } catch (error) {
        // The rest of the rows has to be read all the same.
        failure = error
      }
      return take
    }
    query.on('fields', (fields: unknown) => scanner.begin(fields as Field[]))
    query.on('error', reject)
    query.on('end', () => resolve())
  })
  if (failure !== null) throw failure
  scanner.end()
}

/** What stands for a cell that is NULL. */
export const NULL = 0xfb
const TWO_BYTES = 0xfc
const THREE_BYTES = 0xfd
const EIGHT_BYTES = 0xfe

/** Where the cell that begins at `at` ends, which is where the next one begins. */
export function endOfCell(bytes: Buffer, at: number): number {
  const first = bytes[at] as number
  if (first < NULL) return at + 1 + first
  if (first === NULL) return at + 1
  if (first === TWO_BYTES) return at + 3 + bytes.readUInt16LE(at + 1)
  if (first === THREE_BYTES) return at + 4 + bytes.readUIntLE(at + 1, 3)
  return at + 9 + Number(bytes.readBigUInt64LE(at + 1))
}

/** The cells of a row, each in a buffer of its own. */
export function cellsOfRow(bytes: Buffer, at: number, count: number): (Buffer | null)[] {
  const cells = new Array<Buffer | null>(count)
  let from = at
  for (let i = 0; i < count; i++) {
    const to = endOfCell(bytes, from)
    cells[i] = bytes[from] === NULL ? null : bytes.subarray(startOfCell(bytes, from), to)
    from = to
  }
  return cells
}

/** Where the content of a cell that is not NULL begins. */
export function startOfCell(bytes: Buffer, at: number): number {
  const first = bytes[at] as number
  if (first < NULL) return at + 1
  return at + (first === TWO_BYTES ? 3 : first === THREE_BYTES ? 4 : 9)
}

const TAG = 0x3d
const LONGEST_LENGTH = 9
/** UTF-8 takes at most so many bytes for a UTF-16 code unit. */
const WIDEST = 3

/** Writes cells as the server would send them. */
export class WireRow {
  bytes = Buffer.allocUnsafeSlow(1 << 16)
  length = 0

  /** Begins a new row. */
  begin(): void {
    this.length = 0
  }

  /** @param isTagged the server's cell begins with `=`, and this one does not */
  addText(text: string | null, isTagged: boolean): void {
    if (text === null) this.#addNull()
    else if (isTagged || !this.#addAscii(text)) this.#addUtf8(isTagged ? String.fromCharCode(TAG) + text : text)
  }

  /** A formatted value, as the server would print it; where it prints otherwise, the bytes are others. */
  addValue(value: Value, isTagged: boolean): void {
    if (value === null || typeof value === 'string') this.addText(value, isTagged)
    else if (value instanceof RawText) this.addBytes(value.bytes)
    else if (value instanceof Uint8Array) this.addBytes(value)
    else this.addText(String(value), isTagged)
  }

  addBytes(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.#addNull()
      return
    }
    this.#room(bytes.length)
    this.#addLength(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /**
   * Character by character: for short text that is faster than a call into the engine.
   * @returns false, and nothing is added, for a text that is more than ASCII
   */
  #addAscii(text: string): boolean {
    const { length } = text
    this.#room(length)
    const begun = this.length
    this.#addLength(length)
    const { bytes } = this
    let at = this.length
    let all = 0
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      all |= code
      bytes[at++] = code
    }
    this.length = all > 127 ? begun : at
    return all <= 127
  }

  #addUtf8(text: string): void {
    this.#room(WIDEST * text.length)
    const length = Buffer.byteLength(text)
    this.#addLength(length)
    this.length += this.bytes.write(text, this.length)
  }

  #addNull(): void {
    this.#room(1)
    this.bytes[this.length++] = NULL
  }

  #addLength(length: number): void {
    const { bytes } = this
    if (length < NULL) {
      bytes[this.length++] = length
      return
    }
    const width = length < 1 << 16 ? 2 : length < 1 << 24 ? 3 : 6
    bytes[this.length] = width === 2 ? TWO_BYTES : width === 3 ? THREE_BYTES : EIGHT_BYTES
    bytes.writeUIntLE(length, this.length + 1, width)
    this.length += 1 + width
    if (width === 6) this.length = bytes.writeUInt16LE(0, this.length)
  }

  #room(more: number): void {
    this.bytes = widened(this.bytes, this.length, this.length + LONGEST_LENGTH + more)
  }
}
