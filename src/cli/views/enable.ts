import type { EnableOutput } from '../../operations/enable.ts'
import type { Style } from '../render.ts'
import { textTable } from './table.ts'

export function enableView(output: EnableOutput, style: Style): string {
  const rows = output.tables.map(({ table, unchanged, tracking }) => [
    table,
    unchanged,
    tracking === 'begun' ? 'its history is kept' : 'its history is closed'
  ])
  return [
    titleOf(output, style),
    ...output.notes.map((note) => style.dim(`  ${note}`)),
    ...output.left.map(({ table, reason, hint }) =>
      style.yellow(`  ${table} stays under snapshot: ${reason}. ${hint}`)
    ),
    ...(rows.length > 0 ? ['', textTable(style, ['table', 'rows', ''], rows)] : [])
  ].join('\n')
}

function titleOf({ version, status, strategy, description, durationMs }: EnableOutput, style: Style): string {
  if (status === 'dry-run') return style.yellow(`Dry run of a switch to ${strategy}: nothing was changed.`)
  if (version === null) return style.green(`Nothing had to be done: ${strategy} is enabled.`)
  const took = style.dim(`${strategy}, ${(durationMs ?? 0).toLocaleString('en')} ms`)
  return `${style.green(`Version ${version}`)}  ${description}  ${took}`
}
