import type { Table } from '../model/table.ts'
import { imageColumns, sameList, writableColumns } from '../model/table.ts'
import type { TableManifest } from '../store/manifest.ts'

type Shape = Pick<TableManifest['definition'][number], 'name' | 'declared' | 'nullable' | 'generated'>

/** Whether rows of the backup can be written into the table as it is: the same columns, in type and order. */
export function hasSameShape(table: Table, stored: TableManifest): boolean {
  return (
    sameList(imageColumns(table), stored.columns) &&
    sameList(table.order ?? [], stored.order ?? []) &&
    sameList(table.columns.map(textOf), stored.definition.map(textOf))
  )
}

/** Whether rows of a change set stand in the columns that the table has now, of the same types. */
export function hasSameColumns(table: Table, written: readonly string[], columns: readonly Shape[]): boolean {
  const now = writableColumns(table)
  const declared = new Map(columns.map((column) => [column.name, column.declared]))
  const names = now.map(({ name }) => name)
  return sameList(names, written) && now.every((column) => declared.get(column.name) === column.declared)
}

/** The columns that the table has and will have, of the same type. */
export function keptColumns(table: Table, stored: TableManifest): string[] {
  const then = new Map(stored.definition.map((column) => [column.name, typeOf(column)]))
  return table.columns.filter((column) => then.get(column.name) === typeOf(column)).map((column) => column.name)
}

/** What became of a table's columns from one state to another; types as the database declares them, NOT NULL included. */
export interface ColumnChanges {
  added: { column: string; type: string }[]
  dropped: { column: string; type: string }[]
  retyped: { column: string; before: string; after: string }[]
}

export function changedColumns(before: readonly Shape[], after: readonly Shape[]): ColumnChanges {
  const then = new Map(before.map((column) => [column.name, column]))
  const now = new Map(after.map((column) => [column.name, column]))
  const typed = (column: Shape) => ({ column: column.name, type: inWords(column) })
  return {
    added: after.filter(({ name }) => !then.has(name)).map(typed),
    dropped: before.filter(({ name }) => !now.has(name)).map(typed),
    retyped: before.flatMap((old) => {
      const column = now.get(old.name)
      if (!column || textOf(column) === textOf(old)) return []
      return [{ column: old.name, before: inWords(old), after: inWords(column) }]
    })
  }
}

/** What becomes of a table's columns when it is made again as the backup has it; a sentence. */
export function shapeDifferences(table: Table, stored: TableManifest): string {
  const { added, dropped, retyped } = changedColumns(stored.definition, table.columns)
  const parts = [
    ...added.map(({ column }) => `column ${column}, added since, goes with its values`),
    ...dropped.map(({ column }) => `column ${column}, dropped since, comes back with its values`),
    ...retyped.map(({ column, before, after }) => `column ${column} is ${before} again, not ${after}`)
  ]
  if (parts.length === 0) parts.push('its columns stand in their old order, under their old key')
  const triggers = table.triggers.length > 0 ? 'indexes and triggers' : 'indexes'
  return `${parts.join('; ')}; its ${triggers} are those of the backup. What goes stays in the backup taken just before.`
}

/** Why cells of the one state cannot stand in the columns of the other: a list in words; empty where they can. */
export function cellDifferences(then: readonly Shape[], now: readonly Shape[]): string {
  const written = (columns: readonly Shape[]) => columns.filter((column) => !column.generated)
  const [was, is] = [written(then), written(now)]
  const nameOf = (column: Shape) => column.name
  const added = is.filter(({ name }) => !was.some((old) => old.name === name)).map(({ name }) => `+${name}`)
  const dropped = was.filter(({ name }) => !is.some((column) => column.name === name)).map(({ name }) => `-${name}`)
  const retyped = was.flatMap((old) => {
    const column = is.find(({ name }) => name === old.name)
    return column && typeOf(column) !== typeOf(old)
      ? [`${old.name} is ${inWords(column)}, and was ${inWords(old)}`]
      : []
  })
  const all = [...added, ...dropped, ...retyped]
  return all.length > 0 || sameList(was.map(nameOf), is.map(nameOf)) ? all.join(', ') : 'their order differs'
}

function textOf(column: Shape): string {
  return `${column.name} ${typeOf(column)} ${column.nullable} ${column.generated}`
}

/** The width of an integer says nothing of its values, and newer servers leave it out. */
function typeOf(column: Shape): string {
  return column.declared
    .replace(/\b(smallint|mediumint|int|integer|bigint|year|tinyint)\((?!1\))\d+\)/i, '$1')
    .toLowerCase()
}

function inWords({ declared, nullable, generated }: Shape): string {
  return `${declared || 'untyped'}${nullable ? '' : ' NOT NULL'}${generated ? ' (computed)' : ''}`
}
