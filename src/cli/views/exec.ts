import { plural } from '../../model/plural.ts'
import type { ExecOutput } from '../../operations/exec.ts'
import type { Style } from '../render.ts'
import { changedTables } from './versions.ts'

export function execView(output: ExecOutput, style: Style): string {
  const ran = plural(output.statements, 'statement')
  const title =
    output.version === null
      ? style.yellow(`Dry run of ${ran}: nothing was changed.`)
      : `${style.green(`Version ${output.version}`)}  ${output.description}  ${style.dim(`${ran}, ${output.strategy}, ${(output.durationMs ?? 0).toLocaleString('en')} ms`)}`
  const changed = output.tables.length > 0 ? ['', changedTables(output.tables, style)] : ['  No row was changed.']
  return [title, ...output.notes.map((note) => style.dim(`  ${note}`)), ...changed].join('\n')
}
