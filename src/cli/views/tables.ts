import type { DriftJson } from '../../model/drift.ts'
import { plural } from '../../model/plural.ts'
import type { InspectedTable, InspectOutput } from '../../operations/inspect.ts'
import { lossOf } from '../../operations/lost-repository.ts'
import type { QueryOutput } from '../../operations/query.ts'
import type { StatusOutput } from '../../operations/status.ts'
import type { Style } from '../render.ts'
import { cellsText } from './changes.ts'
import { textTable } from './table.ts'

export function inspectView(output: InspectOutput, style: Style): string {
  const unsupported = output.unsupported.map(
    (name) => `${name}: no plain table, or of a column type that is not known; it is left out of backups`
  )
  const tables = output.tables.length > 0 ? output.tables.map((table) => tableView(table, style)) : ['No tables yet.']
  return [`${style.bold(output.database)}  ${style.dim(output.engine)}`, ...tables, ...unsupported].join('\n\n')
}

function tableView(table: InspectedTable, style: Style): string {
  const fact = (name: string, value: string) => (value === '' ? [] : [`  ${style.dim(name.padEnd(14))}${value}`])
  const columns = textTable(
    style,
    ['column', 'type', ''],
    table.columns.map((column) => [
      column.name,
      column.type,
      [
        table.key?.includes(column.name) ? 'key' : '',
        column.nullable ? '' : 'required',
        column.generated ? 'computed' : ''
      ]
        .filter((word) => word !== '')
        .join(', ')
    ])
  )
  return [
    `${style.bold(table.table)}  ${plural(table.rows, 'row')}`,
    ...columns.split('\n').map((line) => `  ${line}`),
    ...fact('storage', table.storage ?? ''),
    ...fact('key', table.key?.join(', ') ?? 'none'),
    ...fact('refers to', table.foreignKeys.join('; ')),
    ...fact('referenced by', table.referencedBy.join('; ')),
    ...fact('triggers', table.triggers.join(', ')),
    ...fact('tracked since', table.trackedSince === null ? '' : `version ${table.trackedSince}`),
    ...fact('snapshot', table.fitness.snapshot),
    ...fact('incremental', table.fitness.incremental),
    ...fact('advice', table.advice)
  ].join('\n')
}

export function queryView(output: QueryOutput, style: Style): string {
  const notes = (output.notes ?? []).map((note) => style.yellow(note))
  const table = textTable(style, output.columns, output.rows, false)
  return [table, style.dim(plural(output.rows.length, 'row')), ...notes].join('\n')
}

export function statusView(output: StatusOutput, style: Style): string {
  const head = output.head
  return [
    `${style.bold(output.database)}  ${style.dim(output.engine)}`,
    head ? `Head: version ${head.version}, ${head.description}` : 'Nothing was migrated yet.',
    ...output.interrupted.map((version) =>
      style.yellow(
        `Version ${version.version} is running or was interrupted; unless it commits, nothing of it is written. When nothing runs: rowback recover`
      )
    ),
    ...output.unsettled.map((what) => style.yellow(`To be finished by rowback recover, ${what}.`)),
    ...missingLines(output, style),
    ...output.changedColumns.map((what) => style.yellow(`${what} The next version notices, or rowback recover does.`)),
    ...[...output.madeAgain, ...output.lostHistories].map((what) => style.red(style.command(what))),
    ...(output.alteredVersions.length > 0
      ? [
          style.red(
            `The ledger was altered: the entries of version ${output.alteredVersions.join(', ')} do not fit the chain of hashes.`
          )
        ]
      : []),
    '',
    output.tables.length === 0
      ? 'No tables yet.'
      : textTable(
          style,
          ['table', 'rows', 'history'],
          output.tables.map((table) => [table.table, table.rows, historyOf(table)])
        ),
    ...driftLines(output, style)
  ].join('\n')
}

function historyOf({ tracked, historySince }: StatusOutput['tables'][number]): string {
  if (!tracked) return 'in backups'
  return historySince === undefined ? 'tracked' : `tracked, before version ${historySince} in the repository`
}

function driftLines({ drift, head, tables: all }: StatusOutput, style: Style): string[] {
  if (!head) return []
  if (!drift) return ['', style.dim(style.command('Rows that others changed since: rowback status --drift'))]
  const { tables, notes } = drift
  const found =
    tables.length === 0
      ? [
          notes.length === 0
            ? style.green('No row was changed by others since.')
            : 'No row is known to be changed by others since.'
        ]
      : [style.yellow('Changed by others since:'), ...tables.flatMap((table) => driftOf(table, style))]
  const isTracked = tables.some(({ table }) => all.some((other) => other.table === table && other.tracked))
  const next = isTracked ? [style.dim(style.command('Record it as a version: rowback adopt -m "..."'))] : []
  return ['', ...found, ...notes.map((note) => style.yellow(note)), ...next]
}

/** What others did to one table. */
export function driftOf(table: DriftJson, style: Style): string[] {
  const counts = [style.green(`+${table.inserted}`), style.yellow(`~${table.updated}`), style.red(`-${table.deleted}`)]
  const more = table.inserted + table.updated + table.deleted - table.rows.length
  const signs = { insert: '+', update: '~', delete: '-' }
  return [
    `${style.bold(table.table)}  ${counts.join(' ')}`,
    ...table.rows.map(({ op, key }) => `  ${signs[op]} ${cellsText(key)}`),
    ...(more > 0 ? [style.dim(`  ... and ${plural(more, 'more row')}`)] : [])
  ]
}

function missingLines({ missing: { repository, backups, versions } }: StatusOutput, style: Style): string[] {
  if (backups.length === 0) return []
  const what = `${plural(backups.length, 'backup')} of the versions ${backups.length === 1 ? 'is' : 'are'} not in ${repository}.`
  return [style.red(`${what} ${lossOf(versions)}`), style.red('Name the folder that holds them with --repository DIR.')]
}
