import type { WriteMode } from '../model/change.ts'
import type { ForeignKey, Table } from '../model/table.ts'

/** A foreign key by which a write into the table makes the database change rows itself; undefined when there is none. */
export function cascadeFrom(table: Table, mode: WriteMode): ForeignKey | undefined {
  const deletes = mode === 'mirror' || mode === 'replace' || mode === 'delete'
  const updates = mode !== 'insert' && mode !== 'delete'
  const key = new Set(table.key)
  return table.referencedBy.find((reference) => {
    const otherColumns = reference.parentColumns.some((column) => !key.has(column))
    return (deletes && acts(reference.onDelete)) || (updates && otherColumns && acts(reference.onUpdate))
  })
}

/** Every table that cascades of a write may reach, from table to table. */
export function reachedByCascade(table: Table, mode: WriteMode, tables: readonly Table[]): string[] {
  return cascadeFrom(table, mode) ? reachedFrom([table], tables) : []
}

/** Every table that cascades of any write into some tables may reach, from table to table. */
export function reachedFrom(written: readonly Table[], tables: readonly Table[]): string[] {
  const reached = new Set<string>()
  const open = [...written]
  for (let next = open.pop(); next; next = open.pop()) {
    for (const reference of next.referencedBy) {
      if (reached.has(reference.table) || !(acts(reference.onDelete) || acts(reference.onUpdate))) continue
      reached.add(reference.table)
      open.push(...tables.filter((other) => other.name === reference.table))
    }
  }
  return [...reached]
}

/** Whether writing some tables may make the database change another one, or that one itself, by triggers or cascades. */
export function mayReach(tables: readonly Table[], written: readonly string[], name: string): boolean {
  return tables.some(
    (table) =>
      written.includes(table.name) &&
      (table.triggers.length > 0 || reachedByCascade(table, 'mirror', tables).includes(name))
  )
}

function acts(action: string): boolean {
  return action !== 'NO ACTION' && action !== 'RESTRICT'
}
