import type { RowChange } from '../../model/change.ts'
import type { Row, Value } from '../../model/value.ts'
import { RawText, sameValue } from '../../model/value.ts'
import type { ChangedTable, DumpedTable, DumpText } from '../dump-text.ts'
import { InsertBuilder } from '../dump-text.ts'
import { isTriggerStatement, list, quote } from './sql-text.ts'

/** Characters of one INSERT. It is one line: after each line with a semicolon the client reads the whole statement again. */
const INSERT_CHARACTERS = 1 << 16
const TABLE = /^\s*CREATE\s+TABLE\b/i
const LINE_ENDS = /[\r\n]/
const UTF_8 = 'UTF-8'
/** Below this the client's own reading of decimal numbers is a bit off (seen in 3.40). */
const SMALLEST_SAFE = 1e-270
const SCALE_STEPS = 10
const SCALE_STEP = 2 ** 52

/** SQL files for the program `sqlite3`. */
export class SqliteDumpText implements DumpText {
  readonly #encoding: string

  /** @param encoding of the file's text, as `PRAGMA encoding` has it */
  constructor(encoding: string) {
    this.#encoding = encoding
  }

  /** Without `.bail` the client would go on after an error, and commit the rest. */
  begin(): string {
    const encoding = this.#encoding === UTF_8 ? '' : `PRAGMA encoding = '${this.#encoding}';\n`
    return `.bail on\n${encoding}PRAGMA foreign_keys = OFF;\nBEGIN;\n`
  }

  end(): string {
    return 'COMMIT;\n'
  }

  startChanges(): string {
    return ''
  }

  endChanges(): string {
    return ''
  }

  table(ddl: readonly string[]): string {
    return ended(ddl.filter((statement) => TABLE.test(statement)))
  }

  /** The table that keeps the counters has no key. */
  counter(table: string, counter: bigint): string {
    const name = this.#literal(table)
    return (
      `DELETE FROM sqlite_sequence WHERE name = ${name};\n` +
      `INSERT INTO sqlite_sequence (name, seq) VALUES (${name}, ${counter});\n`
    )
  }

  async *inserts(table: DumpedTable, batches: AsyncIterable<Row[]>): AsyncIterable<string> {
    const head = `INSERT INTO ${quote(table.name)} (${list(table.columns.map((column) => column.name))}) VALUES `
    const builder = new InsertBuilder(head, ',', INSERT_CHARACTERS)
    for await (const rows of batches) {
      for (const row of rows) {
        const full = builder.add(`(${row.map((value) => this.#literal(value)).join(',')})`)
        if (full !== '') yield full
      }
    }
    yield builder.take()
  }

  afterRows(ddl: readonly string[]): string {
    return ended(ddl.filter((statement) => !TABLE.test(statement) && !isTriggerStatement(statement)))
  }

  triggers(ddl: readonly string[]): string {
    return ended(ddl.filter(isTriggerStatement))
  }

  object(statements: readonly string[]): string {
    return ended(statements)
  }

  deleteRow(table: ChangedTable, before: Row): string {
    return `DELETE FROM ${quote(table.name)} WHERE ${this.#condition(table, before)};\n`
  }

  updateRow(table: ChangedTable, { before, after }: RowChange): string {
    const sets = table.columns.flatMap(({ name }, i) => {
      const value = (after as Row)[i] ?? null
      return sameValue((before as Row)[i] ?? null, value) ? [] : [`${quote(name)} = ${this.#literal(value)}`]
    })
    const where = this.#condition(table, before as Row)
    return `UPDATE ${quote(table.name)} SET ${sets.join(', ')} WHERE ${where};\n`
  }

  dropTable(name: string): string {
    return `DROP TABLE ${quote(name)};\n`
  }

  dropTriggers(names: readonly string[]): string {
    return names.map((name) => `DROP TRIGGER IF EXISTS ${quote(name)};\n`).join('')
  }

  /** Without a key all cells together find a row; of equal rows, any will do. */
  #condition({ name, columns, key }: ChangedTable, row: Row): string {
    if (key !== null) {
      const cells = key.map((part) => row[columns.findIndex((column) => column.name === part)] ?? null)
      return key.map((part, i) => `${quote(part)} IS ${this.#literal(cells[i] ?? null)}`).join(' AND ')
    }
    const same = columns.map((column, i) => {
      const value = this.#literal(row[i] ?? null)
      return `${quote(column.name)} IS ${value} COLLATE BINARY AND typeof(${quote(column.name)}) = typeof(${value})`
    })
    const taken = columns.map((column) => column.name.toLowerCase())
    const rowid = ['rowid', '_rowid_', 'oid'].find((alias) => !taken.includes(alias))
    return `${rowid} = (SELECT ${rowid} FROM ${quote(name)} WHERE ${same.join(' AND ')} LIMIT 1)`
  }

  #literal(value: Value): string {
    if (value === null) return 'NULL'
    switch (typeof value) {
      case 'bigint':
        return value.toString()
      case 'number':
        return realLiteral(value)
      case 'string':
        return value.includes('\0') ? castToText(this.#bytesOf(value)) : textLiteral(value)
      default:
        return value instanceof RawText ? castToText(value.bytes) : hexLiteral(value)
    }
  }

  #bytesOf(text: string): Buffer {
    if (this.#encoding === UTF_8) return Buffer.from(text)
    const bytes = Buffer.from(text, 'utf16le')
    return this.#encoding === 'UTF-16be' ? bytes.swap16() : bytes
  }
}

/** A comment at the end would swallow the semicolon. */
function ended(statements: readonly string[]): string {
  return statements.map((statement) => `${statement}${endsInComment(statement) ? '\n' : ''};\n`).join('')
}

function endsInComment(statement: string): boolean {
  return /--[^\n]*$/.test(statement.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]/g, ''))
}

/**
 * A number that every version of SQLite reads as the very same one. Before 3.43 the sum of digits was rounded twice, so
 * that a decimal halfway between two numbers could become either (0.172395698 in 3.40): with 17 digits none is. Very
 * small ones are divided by powers of two, which is exact.
 */
function realLiteral(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '1e999' : '-1e999'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  if (Math.abs(value) >= SMALLEST_SAFE) return digits(value)
  const scaled = value * SCALE_STEP ** (SCALE_STEPS / 2) * SCALE_STEP ** (SCALE_STEPS / 2)
  return `(${digits(scaled)}${`/${SCALE_STEP}.0`.repeat(SCALE_STEPS)})`
}

function digits(value: number): string {
  const [mantissa, exponent] = value.toPrecision(17).split('e') as [string, string?]
  const short = mantissa.includes('.') ? mantissa.replace(/0+$/, '').replace(/\.$/, '.0') : `${mantissa}.0`
  return exponent === undefined ? short : `${short}e${exponent}`
}

/** The client drops a carriage return at the end of a line, so that ends of lines are written as other signs and put back. */
function textLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  if (!LINE_ENDS.test(text)) return quoted
  const [feed, carriage] = [unusedSign(text, 'n'), unusedSign(text, 'r')]
  const oneLine = quoted.replaceAll('\n', feed).replaceAll('\r', carriage)
  return `replace(replace(${oneLine},'${carriage}',char(13)),'${feed}',char(10))`
}

/** The first that the text does not hold. */
function unusedSign(text: string, letter: string): string {
  let sign = `\\${letter}`
  for (let i = 0; text.includes(sign); i++) sign = `(\\${letter}${i})`
  return sign
}

function castToText(bytes: Uint8Array): string {
  return `CAST(${hexLiteral(bytes)} AS TEXT)`
}

function hexLiteral(bytes: Uint8Array): string {
  return `X'${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}'`
}
