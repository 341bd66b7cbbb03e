import type { Column, ColumnType, Table } from '../../model/table.ts'
import type { Decoder } from './decode.ts'
import { decodeTagged } from './decode.ts'
import { quote } from './sql-text.ts'

/** A column as the server's catalogue has it. */
export interface MysqlColumn extends Column {
  /** `varchar`, without its length. */
  dataType: string
  /** Of text; null for what is not text. */
  charset: string | null
  collation: string | null
  /** Of ENUM and SET. */
  members: string[]
  /** Digits after the second; of times. */
  fractionDigits: number
  /** FLOAT(M,D) and the like round to so many digits. */
  rounded: boolean
  /** AUTO_INCREMENT. */
  counts: boolean
}

const INTEGER_BITS: Record<string, bigint> = { tinyint: 8n, smallint: 16n, mediumint: 24n, int: 32n, bigint: 64n }
const UNICODE = new Set(['utf8mb4', 'utf8mb3', 'utf8'])
const TEXTS = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'])
const BYTES = new Set(['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob', 'vector'])
/** Character sets that may hold half of a surrogate pair, which some servers carry over into UTF-8. */
const WIDE = new Set(['ucs2', 'utf16', 'utf16le', 'utf32'])
const GEOMETRIES = new Set([
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
  'geomcollection'
])
const WORDS = new Set(['uuid', 'inet4', 'inet6'])

/**
 * What a declared type means in words that every engine shares.
 * @param declared as the catalogue has it: `decimal(10,2) unsigned`
 * @returns null for a type that this program does not know
 */
export function columnType(dataType: string, declared: string): ColumnType | null {
  const [first, second] = [...declared.matchAll(/\d+/g)].map((match) => Number(match[0]))
  const unsigned = declared.includes('unsigned')
  const bits = INTEGER_BITS[dataType]
  if (declared === 'tinyint(1)') return { kind: 'boolean' }
  if (bits !== undefined) return { kind: 'integer', ...integerRange(bits, unsigned) }
  if (dataType === 'bit')
    return first === 1 ? { kind: 'boolean' } : { kind: 'integer', min: 0n, max: 2n ** BigInt(first ?? 1) - 1n }
  if (dataType === 'year') return { kind: 'integer', min: 0n, max: 2155n }
  if (dataType === 'decimal') return { kind: 'decimal', precision: first ?? 10, scale: second ?? 0 }
  if (dataType === 'float' || dataType === 'double') return { kind: 'double' }
  if (dataType === 'char' || dataType === 'varchar') return { kind: 'text', maxLength: first ?? 1 }
  if (TEXTS.has(dataType) || WORDS.has(dataType) || dataType === 'enum' || dataType === 'set')
    return { kind: 'text', maxLength: null }
  if (dataType === 'date') return { kind: 'date' }
  if (dataType === 'datetime' || dataType === 'timestamp') return { kind: 'datetime' }
  if (dataType === 'time') return { kind: 'time' }
  if (dataType === 'json') return { kind: 'json' }
  if (BYTES.has(dataType) || GEOMETRIES.has(dataType)) return { kind: 'blob' }
  return null
}

function integerRange(bits: bigint, unsigned: boolean): { min: bigint; max: bigint } {
  return unsigned ? { min: 0n, max: 2n ** bits - 1n } : { min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n }
}

/** `enum('a','it''s')` becomes its members. */
export function membersOf(declared: string): string[] {
  return [...declared.matchAll(/'((?:[^']|'')*)'/g)].map((match) => (match[1] as string).replaceAll("''", "'"))
}

/**
 * The expression by which a column is read exactly, and what its cells then mean: null where the protocol says it.
 * FLOAT would be printed with too few digits, ENUM and SET hide numbers behind equal text, and character sets other
 * than Unicode may hold bytes that stand for no character, or half of one.
 */
export function readExpression(column: MysqlColumn, name: string): { sql: string; decoder: Decoder | null } {
  const { dataType, charset } = column
  if (dataType === 'float' || (dataType === 'double' && column.rounded)) return { sql: `${name} * 1e0`, decoder: null }
  if (dataType === 'bit') return { sql: `${name} + 0`, decoder: null }
  if (dataType === 'enum') return { sql: tagged(name, `${name} + 0 = 0`), decoder: decodeTagged }
  if (dataType === 'set') return { sql: tagged(name, hasEmptyMember(column, name)), decoder: decodeTagged }
  if (charset === null || UNICODE.has(charset) || !TEXTS.has(dataType)) return { sql: name, decoder: null }
  const unicode = `CONVERT(${name} USING utf8mb4)`
  const isWhole = WIDE.has(charset) ? `AND HEX(${unicode}) NOT REGEXP '^(..)*ED[AB]' ` : ''
  const sql =
    `CASE WHEN CAST(CONVERT(${unicode} USING ${charset}) AS BINARY) = CAST(${name} AS BINARY) ${isWhole}` +
    `THEN CONCAT('=', ${unicode}) WHEN ${name} IS NOT NULL THEN CONCAT('x', HEX(${name})) END`
  return { sql, decoder: decodeTagged }
}

/** Condition: a SET's member '' is chosen, which its text does not always show. */
function hasEmptyMember({ members }: MysqlColumn, name: string): string {
  const at = members.indexOf('')
  return at < 0 ? '0' : `${name} & ${2n ** BigInt(at)} <> 0`
}

function tagged(name: string, isNumber: string): string {
  return `CASE WHEN ${name} IS NULL THEN NULL WHEN ${isNumber} THEN CONCAT('#', ${name} + 0) ELSE CONCAT('=', CONVERT(${name} USING utf8mb4)) END`
}

/**
 * The expression by which one statement copies a cell into a column of the same type: servers copy a SET as its text,
 * which hides the member ''.
 */
export function copyExpression(column: MysqlColumn, name: string): string {
  return column.dataType === 'set' && column.members.includes('') ? `${name} + 0` : name
}

/** Condition: both cells hold the same, exactly; collations would call 'a' and 'A' the same. */
export function sameCell(column: MysqlColumn, a: string, b: string): string {
  const { dataType } = column
  if (dataType === 'enum' || dataType === 'set') return `${a} + 0 <=> ${b} + 0`
  if (dataType === 'json') return `CAST(CAST(${a} AS CHAR) AS BINARY) <=> CAST(CAST(${b} AS CHAR) AS BINARY)`
  if (GEOMETRIES.has(dataType) || dataType === 'vector') return `HEX(${a}) <=> HEX(${b})`
  if (TEXTS.has(dataType)) return `CAST(${a} AS BINARY) <=> CAST(${b} AS BINARY)`
  return `${a} <=> ${b}`
}

/** Whether the column's cells stand in LOAD DATA as bytes in hex. */
export function isBytes(column: MysqlColumn): boolean {
  return BYTES.has(column.dataType) || GEOMETRIES.has(column.dataType)
}

/** Whether rows can be put in the order of such a column and cut at its values: ENUM compares as text, but sorts as number. */
export function canOrder(column: MysqlColumn): boolean {
  return column.dataType !== 'enum' && column.dataType !== 'set' && column.dataType !== 'bit'
}

/** What is selected of an aliased table so that columns of the same types take it as it is. */
export function copiesOf(columns: readonly MysqlColumn[], alias: string): string {
  return columns.map((column) => copyExpression(column, `${alias}.${quote(column.name)}`)).join(', ')
}

/** The expressions by which columns, of an aliased table if given, are read exactly. */
export function cellsOf(columns: readonly MysqlColumn[], alias?: string): string[] {
  const prefix = alias === undefined ? '' : `${alias}.`
  return columns.map((column) => readExpression(column, prefix + quote(column.name)).sql)
}

/** Columns of a table by their names. */
export function columnsNamed(table: Pick<Table, 'columns'>, names: readonly string[]): MysqlColumn[] {
  return names.map((name) => table.columns.find((column) => column.name === name) as MysqlColumn)
}

/**
 * Definitions of columns with their type and character set, and nothing that would refuse or make up a value.
 * @param required the columns that are never NULL
 */
export function bareColumns(columns: readonly MysqlColumn[], required: readonly string[] = []): string[] {
  return columns.map(({ name, declared, charset, collation }) => {
    const text = charset === null || declared === 'json' ? '' : ` CHARACTER SET ${charset} COLLATE ${collation}`
    // Without NULL an old server gives a TIMESTAMP a default and an update of its own.
    return `${quote(name)} ${declared}${text} ${required.includes(name) ? 'NOT NULL' : 'NULL DEFAULT NULL'}`
  })
}
