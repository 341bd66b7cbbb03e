import { usageError } from '../errors.ts'
import type { FailureCode, RawCell } from '../model/failed-row.ts'
import type { Column } from '../model/table.ts'
import type { Value } from '../model/value.ts'
import type { SourceRow } from '../sources/source.ts'
import { CellFailure, quote } from './cell-failure.ts'
import { type Coercer, coercerFor } from './coerce.ts'
import { type CellRule, type ColumnRule, compileRule } from './rules.ts'

/** One column on its way from the source into the table. */
export interface FormatColumn {
  /** Its name in the source; null when the rule's default is its only value. */
  source: string | null
  target: Column
  rule?: ColumnRule | undefined
}

export interface RowFormat {
  columns: readonly FormatColumn[]
  /** All columns of the source, in the order of a row's cells. */
  sourceColumns: readonly string[]
}

/** The cell for which a row fails. */
export interface RowFailure {
  /** By its name in the table. */
  column: string
  code: FailureCode
  reason: string
}

/** A row's values in the order of the format's columns, or why it has none. */
export type FormattedRow = { values: Value[]; failure?: undefined } | { failure: RowFailure; values?: undefined }

interface CompiledColumn {
  name: string
  /** Position in the source's row; -1 reads as null. */
  index: number
  rule: CellRule | null
  coerce: Coercer
}

/** Turns a source's rows into typed rows for one table. */
export class RowFormatter {
  readonly #columns: CompiledColumn[]
  readonly #byName: Map<string, CompiledColumn>

  /** @throws RowbackError `plan.column` for a column that the source does not have; and what {@link compileRule} throws */
  constructor(format: RowFormat) {
    this.#columns = format.columns.map((column) => compileColumn(column, format.sourceColumns))
    this.#byName = new Map(this.#columns.map((column) => [column.name, column]))
  }

  /** Formats a row; stops at its first bad cell. */
  format(row: SourceRow): FormattedRow {
    const values: Value[] = []
    for (let i = 0; i < this.#columns.length; i++) {
      const column = this.#columns[i] as CompiledColumn
      const value = formatCell(column, row.cells)
      if (value instanceof CellFailure) {
        return { failure: { column: column.name, code: value.code, reason: value.reason } }
      }
      values.push(value)
    }
    return { values }
  }

  /**
   * The row's key, though other cells may be bad.
   * @param keyColumns names in the table
   * @returns null when a cell of the key is null or bad
   * @throws RowbackError `plan.key` when a key column is not among the format's columns
   */
  key(row: SourceRow, keyColumns: readonly string[]): Value[] | null {
    const key: Value[] = []
    for (let i = 0; i < keyColumns.length; i++) {
      const value = formatCell(this.#column(keyColumns[i] as string), row.cells)
      if (value === null || value instanceof CellFailure) return null
      key.push(value)
    }
    return key
  }

  #column(name: string): CompiledColumn {
    const column = this.#byName.get(name)
    if (column) return column
    throw usageError('plan.key', `The key column ${quote(name)} is not among the columns that the source writes.`)
  }
}

function compileColumn(column: FormatColumn, sourceColumns: readonly string[]): CompiledColumn {
  const { source, target, rule } = column
  const index = source === null ? -1 : sourceColumns.indexOf(source)
  if (source !== null && index < 0) {
    throw usageError(
      'plan.column',
      `The source has no column ${quote(source)} for ${quote(target.name)}.`,
      `Its columns are ${sourceColumns.map(quote).join(', ')}.`
    )
  }
  return { name: target.name, index, rule: rule ? compileRule(rule, target.name) : null, coerce: coercerFor(target) }
}

function formatCell(column: CompiledColumn, cells: readonly RawCell[]): Value | CellFailure {
  const raw = column.index < 0 ? null : (cells[column.index] ?? null)
  const cell = column.rule ? column.rule(raw) : raw
  return cell instanceof CellFailure ? cell : column.coerce(cell)
}
