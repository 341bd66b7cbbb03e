import { conflictsCounted } from '../../model/conflicts-counted.ts'
import { plural } from '../../model/plural.ts'
import type { RevertOutput } from '../../operations/revert.ts'
import type { Style } from '../render.ts'
import { shorten, textTable } from './table.ts'
import { changedTables } from './versions.ts'

export type Conflict = RevertOutput['conflicts'][number]

const SHOWN = 20

export function revertView(output: RevertOutput, style: Style): string {
  const { version, targetVersion, conflicts, conflictCount } = output
  const title =
    version === null
      ? style.yellow(`Dry run of a revert of ${targetVersion}: nothing was changed.`)
      : `${style.green(`Version ${version}`)}  ${output.description}  ${style.dim(`what version ${targetVersion} changed is taken back`)}`
  const settled = output.onConflict === 'take-old' ? 'the old values won' : 'left as they are now'
  const told = conflictCount === 0 ? [] : [`  ${conflictsCounted(conflicts, conflictCount)}: ${settled}`]
  const lines = conflictCount === 0 ? [] : ['', ...conflictLines(conflicts, conflictCount, style)]
  const notes = output.notes.map((note) => style.dim(`  ${note}`))
  return [title, ...notes, ...told, '', changedTables(output.tables, style), ...lines].join('\n')
}

/** A line per cell in conflict, or per row where it is about the row. */
export function conflictLines(conflicts: readonly Conflict[], count: number, style: Style): string[] {
  const cells = conflicts.slice(0, SHOWN).flatMap(linesOf)
  const more = count - Math.min(conflicts.length, SHOWN)
  const table = textTable(style, ['table', 'row', 'cell', 'base', 'then', 'now', 'why'], cells, false)
  return [
    ...table.split('\n').map((line) => `  ${line}`),
    ...(more > 0 ? [style.dim(`  ... and ${plural(more, 'more conflict')}; up to 1,000 of them with --json`)] : [])
  ]
}

function linesOf({ table, key, columns, base, then, now, reason, versions }: Conflict): string[][] {
  const row = key
    ? shorten(
        Object.entries(key)
          .map(([name, value]) => `${name}=${value}`)
          .join(' '),
        40
      )
    : ''
  const why = versions.length > 0 ? `${reason}, by ${versionsNamed(versions)}` : reason
  if (columns.length === 0) return [[table, row, '', '', '', '', shorten(why, 100)]]
  const cell = (cells: Conflict['base'], name: string) => (cells === null ? '-' : shorten(String(cells[name]), 30))
  return columns.map((name) => [table, row, name, cell(base, name), cell(then, name), cell(now, name), why])
}

function versionsNamed(versions: readonly number[]): string {
  return `version${versions.length === 1 ? '' : 's'} ${versions.join(', ')}`
}
