import type { FailedRow } from '../../model/failed-row.ts'
import { plural } from '../../model/plural.ts'
import type { ChangeJson } from '../../operations/change-json.ts'
import type { DiffOutput, TableDiff } from '../../operations/diff.ts'
import type { RowsOutput, SucceededRow } from '../../operations/rows.ts'
import type { Style } from '../render.ts'
import { shorten, textTable } from './table.ts'

const SHOWN_ROWS = 20

export function diffView({ from, to, notes, tables, sql, csv }: DiffOutput, style: Style): string {
  const asText = sql ?? csv
  if (asText !== undefined) return asText.replace(/\n$/, '')
  const parts = [
    ...notes.map((note) => style.yellow(note)),
    ...(tables.length === 0 ? [`Nothing differs between version ${from} and ${to}.`] : []),
    ...tables.map((table) => tableView(table, `from version ${from} to ${to}`, style))
  ]
  return parts.join('\n\n')
}

function tableView(table: TableDiff, between: string, style: Style): string {
  const shown = table.rows.slice(0, SHOWN_ROWS)
  const more = table.inserted + table.updated + table.deleted - shown.length
  const counts = [style.green(`+${table.inserted}`), style.yellow(`~${table.updated}`), style.red(`-${table.deleted}`)]
  return [
    `${style.bold(table.table)}  ${counts.join(' ')}  ${style.dim(between)}`,
    ...columnLines(table, style),
    ...shown.flatMap((row) => changeLines(row, style)),
    ...(more > 0 ? [style.dim(`  ... and ${plural(more, 'more row')}; all of them with --json`)] : [])
  ].join('\n')
}

function columnLines({ columns }: TableDiff, style: Style): string[] {
  if (!columns) return []
  return [
    ...columns.added.map(({ column, type }) => style.green(`  + column ${column} ${type}`)),
    ...columns.dropped.map(({ column, type }) => style.red(`  - column ${column} ${type}`)),
    ...columns.retyped.map(({ column, before, after }) => style.yellow(`  ~ column ${column}: ${before} -> ${after}`))
  ]
}

function changeLines(row: ChangeJson, style: Style): string[] {
  const key = cellsText(row.key)
  if (row.op === 'insert') return [style.green(`  + ${rest(row.after, row.key, key)}`)]
  if (row.op === 'delete') return [style.red(`  - ${rest(row.before, row.key, key)}`)]
  return [
    style.yellow(`  ~ ${key}`),
    ...row.changed.map(
      (name) => `      ${name}: ${cell(row.before?.[name])} ${style.dim('->')} ${cell(row.after?.[name])}`
    )
  ]
}

function rest(cells: ChangeJson['before'], key: ChangeJson['key'], keyText: string): string {
  const others = Object.entries(cells ?? {}).filter(([name]) => !(name in key))
  return `${keyText}  ${shorten(cellsText(Object.fromEntries(others)), 100)}`.trimEnd()
}

export function cellsText(cells: ChangeJson['key']): string {
  return Object.entries(cells)
    .map(([name, value]) => `${name}=${cell(value)}`)
    .join(' ')
}

function cell(value: null | number | string | undefined): string {
  return value === null || value === undefined ? 'null' : shorten(String(value))
}

export function rowsView(output: RowsOutput, style: Style): string {
  if (output.rows.length === 0) return `No row of version ${output.version} ${output.which}.`
  const shown = output.rows.slice(0, 5 * SHOWN_ROWS)
  const more = output.rows.length - shown.length
  const lines =
    output.which === 'failed'
      ? failedLines(shown as FailedRow[], style)
      : succeededLines(shown as SucceededRow[], style)
  return more > 0 ? `${lines}\n${style.dim(`... and ${plural(more, 'more row')}; all of them with --json`)}` : lines
}

/** Failed rows, a line each. */
export function failedLines(rows: FailedRow[], style: Style): string {
  return textTable(
    style,
    ['table', 'line', 'column', 'code', 'reason'],
    rows.map((row) => [row.table, row.line, row.column ?? '', row.code, shorten(row.reason, 90)])
  )
}

function succeededLines(rows: SucceededRow[], style: Style): string {
  const byTable = Map.groupBy(rows, (row) => row.table)
  return [...byTable]
    .map(([table, changes]) => [style.bold(table), ...changes.flatMap((row) => changeLines(row, style))].join('\n'))
    .join('\n\n')
}
