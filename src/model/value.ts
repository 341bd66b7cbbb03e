/**
 * One cell as the database holds it. `bigint` is an integer and `number` a floating-point value, so that
 * 1 and 1.0 stay apart; only rows on their way into an integer column may carry safe integers as `number`.
 */
export type Value = null | number | bigint | string | Uint8Array | RawText

export type Row = Value[]

/** Text whose bytes are not valid in the database's encoding: kept as bytes, because a string would alter it. */
export class RawText {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/**
 * A row as one canonical line of JSON (no line feed at the end): the text that chunks hold and hashes cover.
 * Equal rows give equal text. What JSON cannot say is tagged: integers beyond 2^53 `{"i":"…"}`, floating-point
 * values that look like integers `{"r":"1"}`, bytes `{"b":"base64"}`, undecodable text `{"t":"base64"}`.
 */
export function encodeRow(row: readonly Value[]): string {
  const plain = plainCells(row)
  // One call for all cells takes half the time of one for each.
  if (plain) return JSON.stringify(plain)
  let line = '['
  for (let i = 0; i < row.length; i++) {
    if (i > 0) line += ','
    line += encodeValue(row[i] as Value)
  }
  return `${line}]`
}

/** The cells as JSON has them; null where one of them needs a tag. */
function plainCells(row: readonly Value[]): (null | number | string)[] | null {
  const cells = new Array<null | number | string>(row.length)
  for (let i = 0; i < row.length; i++) {
    const value = row[i] as Value
    if (typeof value === 'string' || value === null) cells[i] = value
    else if (typeof value === 'bigint') {
      const number = Number(value)
      if (!Number.isSafeInteger(number)) return null
      cells[i] = number
    } else if (typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value)) cells[i] = value
    else return null
  }
  return cells
}

/** One cell of {@link encodeRow}. */
export function encodeValue(value: Value): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'bigint':
      return isSafe(value) ? value.toString() : `{"i":"${value}"}`
    case 'number':
      if (Number.isFinite(value) && !Number.isInteger(value)) return String(value)
      return `{"r":"${Object.is(value, -0) ? '-0' : String(value)}"}`
    default:
      if (value === null) return 'null'
      if (value instanceof RawText) return `{"t":"${base64(value.bytes)}"}`
      return `{"b":"${base64(value)}"}`
  }
}

/**
 * The inverse of {@link encodeRow}.
 * @throws SyntaxError when the line is not one that encodeRow wrote.
 */
export function decodeRow(line: string): Row {
  const cells: unknown = JSON.parse(line)
  if (!Array.isArray(cells)) throw new SyntaxError('a row is a JSON array')
  return cells.map(decodeValue)
}

/** Whole lines in UTF-8, each with its line feed, as text without it. */
export function linesOf(bytes: Buffer): string[] {
  return bytes.length === 0 ? [] : bytes.toString('utf8', 0, bytes.length - 1).split('\n')
}

/** The rows of whole canonical lines in UTF-8. */
export function decodeLines(bytes: Buffer): Row[] {
  return linesOf(bytes).map(decodeRow)
}

function decodeValue(cell: unknown): Value {
  if (cell === null || typeof cell === 'string') return cell
  if (typeof cell === 'number') return Number.isInteger(cell) ? BigInt(cell) : cell
  if (typeof cell === 'object') {
    if ('i' in cell) return BigInt(String(cell.i))
    if ('r' in cell) return Number(cell.r)
    if ('b' in cell) return new Uint8Array(Buffer.from(String(cell.b), 'base64'))
    if ('t' in cell) return new RawText(new Uint8Array(Buffer.from(String(cell.t), 'base64')))
  }
  throw new SyntaxError(`not a value: ${JSON.stringify(cell)}`)
}

/** Whether two cells hold the same value exactly: bytes for bytes, and 1 equals 1.0 only where both are the same type. */
export function sameValue(a: Value, b: Value): boolean {
  if (a === b) return true
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false
  return encodeValue(a) === encodeValue(b)
}

/** A cell as JSON for programs: integers beyond 2^53 are strings, bytes are `0x…` text. */
export function toJson(value: Value): null | number | string {
  if (typeof value === 'bigint') return isSafe(value) ? Number(value) : value.toString()
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof RawText) return hex(value.bytes)
  if (value instanceof Uint8Array) return hex(value)
  return value
}

/** A cell as a person reads it; NULL is `null`. */
export function display(value: Value): string {
  return value === null ? 'null' : String(toJson(value))
}

function isSafe(value: bigint): boolean {
  return value >= -9007199254740991n && value <= 9007199254740991n
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`
}
