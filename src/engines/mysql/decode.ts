import type { Row, Value } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'
import type { Field, RawResult, RawRow } from './connection.ts'

/** Turns the bytes of one cell into a value; never asked for NULL. */
export type Decoder = (bytes: Buffer) => Value

const BINARY = 63

// https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
const INTEGERS = new Set([1, 2, 3, 8, 9, 13])
const FLOATS = new Set([4, 5])
const PLAIN = new Set([0, 7, 10, 11, 12, 14, 17, 18, 19, 246])
const BIT = 16
const JSON_TEXT = 245
const BYTES = new Set([242, 255])

/** How the cells of a result's column are decoded, by what the protocol says of it. */
export function decoderOf(field: Field): Decoder {
  if (INTEGERS.has(field.columnType)) return decodeInteger
  if (FLOATS.has(field.columnType)) return decodeDouble
  if (PLAIN.has(field.columnType)) return decodeLatin1
  if (field.columnType === BIT) return decodeBits
  if (field.columnType === JSON_TEXT) return decodeText
  if (BYTES.has(field.columnType) || field.characterSet === BINARY) return decodeBytes
  return decodeText
}

/** Decodes all rows; `own` decoders go before those that the protocol suggests. */
export function decodeRows({ fields, rows }: RawResult, own: readonly (Decoder | null)[] = []): Row[] {
  const decoders = fields.map((field, i) => own[i] ?? decoderOf(field))
  return rows.map((row) => decodeRow(row, decoders))
}

function decodeRow(row: RawRow, decoders: readonly Decoder[]): Row {
  const decoded: Row = new Array(row.length)
  for (let i = 0; i < row.length; i++) {
    const bytes = row[i] ?? null
    decoded[i] = bytes === null ? null : (decoders[i] as Decoder)(bytes)
  }
  return decoded
}

/** Integers as the server prints them. */
export function decodeInteger(bytes: Buffer): bigint {
  return BigInt(bytes.toString('latin1'))
}

/** Decimals, dates and the like, which are ASCII. */
export function decodeLatin1(bytes: Buffer): string {
  return bytes.toString('latin1')
}

function decodeDouble(bytes: Buffer): number {
  return Number(bytes.toString('latin1'))
}

function decodeBits(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`)
}

function decodeBytes(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes)
}

/** Text that is not UTF-8 stays bytes: a string would alter it. */
export function decodeText(bytes: Buffer): string | RawText {
  const text = bytes.toString('utf8')
  return text.includes('\uFFFD') && !Buffer.from(text).equals(bytes) ? new RawText(new Uint8Array(bytes)) : text
}

/**
 * Cells of {@link readExpression} that say what follows: `=` text, `x` the column's bytes in hex, `#` a number that
 * stands for what text cannot say.
 */
export function decodeTagged(bytes: Buffer): Value {
  const rest = bytes.subarray(1)
  switch (bytes[0]) {
    case 0x78:
      return new RawText(new Uint8Array(Buffer.from(rest.toString('latin1'), 'hex')))
    case 0x23:
      return BigInt(rest.toString('latin1'))
    default:
      return decodeText(rest)
  }
}
