import type { Table } from '../model/table.ts'
import { imageColumns, sameList } from '../model/table.ts'
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

/** The columns that the table has and will have, of the same type. */
export function keptColumns(table: Table, stored: TableManifest): string[] {
  const then = new Map(stored.definition.map((column) => [column.name, typeOf(column)]))
  return table.columns.filter((column) => then.get(column.name) === typeOf(column)).map((column) => column.name)
}

/** What becomes of a table's columns when it is made again as the backup has it; a sentence. */
export function shapeDifferences(table: Table, stored: TableManifest): string {
  const now = new Map(table.columns.map((column) => [column.name, column]))
  const then = new Map(stored.definition.map((column) => [column.name, column]))
  const added = [...now.keys()].filter((name) => !then.has(name))
  const dropped = [...then.keys()].filter((name) => !now.has(name))
  const retyped = [...then.values()].filter((old) => {
    const column = now.get(old.name)
    return column && textOf(column) !== textOf(old)
  })
  const parts = [
    ...added.map((name) => `column ${name}, added since, goes with its values`),
    ...dropped.map((name) => `column ${name}, dropped since, comes back with its values`),
    ...retyped.map((old) => `column ${old.name} is ${inWords(old)} again, not ${inWords(now.get(old.name) as Shape)}`)
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
