import { plural } from '../../model/plural.ts'
import { shownName } from '../../operations/backup/named-backup.ts'
import type { Rehearsal } from '../../operations/backup/verify.ts'
import type { WrittenState } from '../../operations/write-state.ts'
import type { Style } from '../render.ts'
import { textTable } from './table.ts'

export function writtenStateView({ from, backup, to, tables, notes }: WrittenState, style: Style): string {
  const what = backup === undefined ? `Version ${from}` : `Backup ${shownName(backup)}`
  const title = `${style.green(what)} is in ${to}, read back and compared.`
  const rows = tables.map(({ table, rows }) => [table, rows])
  return [
    title,
    ...notes.map((note) => style.yellow(`  ${style.command(note)}`)),
    '',
    tables.length === 0 ? 'There were no tables.' : textTable(style, ['table', 'rows'], rows)
  ].join('\n')
}

export function rehearsalView({ version, backup, tables, changedSince, notes }: Rehearsal, style: Style): string {
  const what =
    backup === null
      ? `The state of version ${version}`
      : `Backup ${shownName(backup)}, the state of version ${version},`
  const differing = tables.reduce((sum, table) => sum + table.differing, 0)
  const title =
    differing === 0
      ? style.green(`${what} was restored into a scratch database, and every row is the same.`)
      : style.red(
          `${what} was restored into a scratch database: ${plural(differing, 'row')} ${differing === 1 ? 'differs' : 'differ'}.`
        )
  const rows = tables.map(({ table, rows, differing }) => [table, rows, differing])
  return [
    title,
    ...notes.map((note) => `  ${note}`),
    ...changedSince.map(({ table, differing }) =>
      style.yellow(`  Others changed ${plural(differing, 'row')} of ${table} since.`)
    ),
    '',
    tables.length === 0 ? 'There were no tables.' : textTable(style, ['table', 'rows', 'differing'], rows)
  ].join('\n')
}
