import type { RowChange } from '../../model/change.ts'
import type { Column } from '../../model/table.ts'
import type { Row, Value } from '../../model/value.ts'
import { RawText, sameValue } from '../../model/value.ts'
import type { ChangedTable, DumpedTable, DumpText } from '../dump-text.ts'
import { InsertBuilder } from '../dump-text.ts'
import type { MysqlColumn } from './columns.ts'
import { membersOf } from './columns.ts'
import { literalFor } from './range.ts'
import { sameCells } from './same-cells.ts'
import { list, literal, quote } from './sql-text.ts'
import { isTriggerStatement, sessionOf, withoutSession } from './trigger-text.ts'

/** Characters of one INSERT: at most 3 MiB of UTF-8, where servers and clients take 4 MiB and more. */
const INSERT_CHARACTERS = 1 << 20
const LOOSE = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'
const STRICT = `STRICT_ALL_TABLES,${LOOSE}`
/** What is set for the file, and set back at its end. */
const VARIABLES = [
  'character_set_client',
  'character_set_results',
  'collation_connection',
  'time_zone',
  'sql_mode',
  'foreign_key_checks'
]
/** MariaDB can hold rows that break a CHECK; other servers take this for a comment. */
const CHECKS_OFF =
  '/*M!100201 SET @rowback_check_constraint_checks = @@check_constraint_checks, check_constraint_checks = 0 */;\n'
const CHECKS_BACK = '/*M!100201 SET check_constraint_checks = @rowback_check_constraint_checks */;\n'
// biome-ignore lint/suspicious/noControlCharactersInRegex: what the driver's escaping looks for
const NEEDS_ESCAPE = /[\0\b\t\n\r\x1a"'\\]/
const TEXTS = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum', 'set'])

/** SQL files for the programs `mysql` and `mariadb`. */
export class MysqlDumpText implements DumpText {
  begin(): string {
    return `${this.#session()}${CHECKS_OFF}`
  }

  end(): string {
    return `${CHECKS_BACK}${this.#sessionBack()}`
  }

  startChanges(): string {
    return 'START TRANSACTION;\n'
  }

  endChanges(): string {
    return 'COMMIT;\n'
  }

  #session(): string {
    const kept = VARIABLES.map((name) => `@rowback_${name} = @@${name}`).join(', ')
    return `SET ${kept};\nSET NAMES utf8mb4;\nSET time_zone = '+00:00', foreign_key_checks = 0, sql_mode = '${STRICT}';\n`
  }

  #sessionBack(): string {
    return `SET ${VARIABLES.map((name) => `${name} = @rowback_${name}`).join(', ')};\n`
  }

  table(ddl: readonly string[]): string {
    return ddl
      .filter((statement) => !isTriggerStatement(statement))
      .map((statement) => `${statement};\n`)
      .join('')
  }

  counter(table: string, counter: bigint): string {
    return `ALTER TABLE ${quote(table)} AUTO_INCREMENT = ${counter};\n`
  }

  async *inserts(table: DumpedTable, batches: AsyncIterable<Row[]>): AsyncIterable<string> {
    const columns = table.columns.map(asMysqlColumn)
    const head = `INSERT INTO ${quote(table.name)} (${list(columns.map((column) => column.name))}) VALUES\n`
    const builder = new InsertBuilder(head, ',\n', INSERT_CHARACTERS)
    const refusable = columns.flatMap(({ charset }, i) => (charset === null ? [] : [i]))
    let isLoose = false
    for await (const rows of batches) {
      for (const row of rows) {
        const needsLoose = table.hasGenerated || refusable.some((i) => isRefused(columns[i]!, row[i] ?? null))
        if (needsLoose !== isLoose) {
          yield `${builder.take()}${modeIs(needsLoose)}`
          isLoose = needsLoose
        }
        const full = builder.add(tupleOf(columns, row))
        if (full !== '') yield full
      }
    }
    yield `${builder.take()}${isLoose ? modeIs(false) : ''}`
  }

  /** An index made later is no faster here. */
  afterRows(): string {
    return ''
  }

  triggers(ddl: readonly string[]): string {
    return this.object(ddl.filter(isTriggerStatement))
  }

  object(statements: readonly string[]): string {
    return statements.map(bodyOf).join('')
  }

  deleteRow(table: ChangedTable, before: Row): string {
    return `DELETE FROM ${quote(table.name)} WHERE ${condition(table, before)}${table.key ? '' : ' LIMIT 1'};\n`
  }

  updateRow(table: ChangedTable, { before, after }: RowChange): string {
    const columns = table.columns.map(asMysqlColumn)
    const changed = columns.flatMap((column, i) => {
      const value = (after as Row)[i] ?? null
      return sameValue((before as Row)[i] ?? null, value) ? [] : [[column, value] as const]
    })
    const sets = changed.map(([column, value]) => `${quote(column.name)} = ${cell(column, value)}`)
    const update = `UPDATE ${quote(table.name)} SET ${sets.join(', ')} WHERE ${condition(table, before as Row)}${table.key ? '' : ' LIMIT 1'};\n`
    const isLoose = changed.some(([column, value]) => isRefused(column, value))
    return isLoose ? `${modeIs(true)}${update}${modeIs(false)}` : update
  }

  dropTable(name: string): string {
    return `DROP TABLE ${quote(name)};\n`
  }

  dropTriggers(names: readonly string[]): string {
    return names.map((name) => `DROP TRIGGER IF EXISTS ${quote(name)};\n`).join('')
  }
}

function tupleOf(columns: readonly MysqlColumn[], row: Row): string {
  let tuple = '('
  for (let i = 0; i < columns.length; i++) {
    if (i > 0) tuple += ','
    tuple += cell(columns[i] as MysqlColumn, row[i] ?? null)
  }
  return `${tuple})`
}

function modeIs(loose: boolean): string {
  return `SET sql_mode = '${loose ? LOOSE : STRICT}';\n`
}

/** What the strict mode would refuse, although it was in the table: bytes that are no text, and the number 0 of an ENUM. */
function isRefused(column: MysqlColumn, value: Value): boolean {
  return value instanceof RawText || (column.dataType === 'enum' && typeof value === 'bigint')
}

/** A literal that a column takes as it is; bytes have no character set, so that they are not converted. */
function cell(column: MysqlColumn, value: Value): string {
  if (typeof value === 'string' && column.dataType !== 'decimal') {
    return NEEDS_ESCAPE.test(value) ? literal(value) : `'${value}'`
  }
  return value instanceof RawText ? literal(value) : literalFor(column, value)
}

function condition({ columns, key }: ChangedTable, row: Row): string {
  const at = columns.map((_, i) => i).filter((i) => key === null || key.includes((columns[i] as Column).name))
  const compared = at.map((i) => asMysqlColumn(columns[i] as Column))
  const cells = at.map((i) => row[i] ?? null)
  if (key === null || cells.some((value) => value instanceof RawText)) return sameCells(compared, cells)
  // By = alone the server finds rows in the index of the key.
  const plain = compared.every(({ dataType }) => dataType !== 'float')
  if (!plain) return sameCells(compared, cells)
  return compared.map((column, i) => `${quote(column.name)} = ${literalFor(column, cells[i])}`).join(' AND ')
}

/** A column as this engine reads it; from a backup it comes with no more than its declared type. */
export function asMysqlColumn(column: Column): MysqlColumn {
  if ('dataType' in column) return column as MysqlColumn
  const dataType = /^\w+/.exec(column.declared.toLowerCase())?.[0] ?? ''
  const isText = TEXTS.has(dataType)
  return {
    ...column,
    dataType,
    charset: isText ? 'utf8mb4' : null,
    collation: null,
    members: dataType === 'enum' || dataType === 'set' ? membersOf(column.declared) : [],
    fractionDigits: 0,
    rounded: /^(float|double)\(/.test(column.declared),
    counts: false
  }
}

/** A statement with a body, between lines that tell the client what ends it. */
function bodyOf(statement: string): string {
  const session = sessionOf(statement)
  const text = withoutSession(statement)
  const end = delimiterFor(text)
  const body = `DELIMITER ${end}\n${text}\n${end}\nDELIMITER ;\n`
  return session === null ? body : `SET ${session};\n${body}${modeIs(false)}SET NAMES utf8mb4;\n`
}

/** The first that the text does not hold. */
function delimiterFor(text: string): string {
  let delimiter = ';;'
  for (let i = 0; text.includes(delimiter); i++) delimiter = `$$${i}`
  return delimiter
}
