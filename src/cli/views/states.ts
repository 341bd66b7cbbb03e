import type { WrittenState } from '../../operations/write-state.ts'
import type { Style } from '../render.ts'
import { textTable } from './table.ts'

export function writtenStateView({ from, to, tables, notes }: WrittenState, style: Style): string {
  const title = `${style.green(`Version ${from}`)} is in ${to}, read back and compared.`
  const rows = tables.map(({ table, rows }) => [table, rows])
  return [
    title,
    ...notes.map((note) => style.yellow(`  ${note}`)),
    '',
    tables.length === 0 ? 'There were no tables.' : textTable(style, ['table', 'rows'], rows)
  ].join('\n')
}
