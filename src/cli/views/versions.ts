import type { DriftJson } from '../../model/drift.ts'
import { driftInWords } from '../../model/drift.ts'
import { plural } from '../../model/plural.ts'
import { shownName } from '../../operations/backup/named-backup.ts'
import type { InitOutput } from '../../operations/init.ts'
import type { LogOutput } from '../../operations/log.ts'
import type { MigrateOutput } from '../../operations/migrate.ts'
import type { RecoverOutput } from '../../operations/recover.ts'
import type { RollbackOutput } from '../../operations/rollback.ts'
import type { TableJson, VersionJson } from '../../operations/version-json.ts'
import type { Style } from '../render.ts'
import { failedLines } from './changes.ts'
import { shellWord, shorten, textTable } from './table.ts'

export function migrateView(output: MigrateOutput, style: Style): string {
  const title =
    output.version === null
      ? style.yellow('Dry run: nothing was changed.')
      : `${style.green(`Version ${output.version}`)}  ${output.description}  ${style.dim(`${output.strategy}, ${(output.durationMs ?? 0).toLocaleString('en')} ms`)}`
  const failed = output.tables.filter((table) => table.failed > 0)
  return [
    title,
    ...output.notes.map((note) => style.dim(`  ${note}`)),
    '',
    tablesView(output.tables, style),
    ...(output.sample ?? []).flatMap((sample) => sampleView(sample, style)),
    ...(output.failedSample?.length ? ['', failedLines(output.failedSample, style)] : []),
    ...failed.flatMap((table) => failedView(output.version, table, output.tables.length > 1, style))
  ].join('\n')
}

function tablesView(tables: readonly TableJson[], style: Style): string {
  return textTable(
    style,
    ['table', 'read', 'inserted', 'updated', 'deleted', 'unchanged', 'failed', ''],
    tables.map((table) => [
      table.table,
      table.read,
      table.inserted,
      table.updated,
      table.deleted,
      table.unchanged,
      table.failed,
      table.tracking ? `history ${table.tracking}` : table.created ? 'made' : table.dropped ? 'dropped' : ''
    ])
  )
}

function sampleView(sample: NonNullable<MigrateOutput['sample']>[number], style: Style): string[] {
  if (sample.changes.length === 0) return []
  const cells = (values: unknown[] | null) =>
    values === null ? '' : shorten(values.map((value, i) => `${sample.columns[i]}=${value ?? 'null'}`).join(' '), 100)
  return [
    '',
    `${sample.table}, for example:`,
    ...sample.changes.map(({ before, after }) =>
      before === null
        ? style.green(`  + ${cells(after)}`)
        : after === null
          ? style.red(`  - ${cells(before)}`)
          : `${style.red(`  - ${cells(before)}`)}\n${style.green(`  + ${cells(after)}`)}`
    )
  ]
}

function failedView(
  version: number | null,
  table: MigrateOutput['tables'][number],
  several: boolean,
  style: Style
): string[] {
  const lines = ['', style.yellow(`${plural(table.failed, 'row')} of ${table.table} failed.`)]
  const named = several ? ` --table ${shellWord(table.table)}` : ''
  if (version === null || table.failedRows === null) return lines
  return [
    ...lines,
    style.command(`  See why:  rowback rows ${version} --failed${named}`),
    `  Correct:  ${table.failedRows}`,
    style.command(`  Resubmit: rowback retry ${version} ${shellWord(table.failedRows)}${named}`)
  ]
}

export function rollbackView(output: RollbackOutput, style: Style): string {
  const title =
    output.version === null
      ? style.yellow(`Dry run of a rollback to ${output.targetVersion}: nothing was changed.`)
      : `${style.green(`Version ${output.version}`)}  ${output.description}  ${style.dim(`back at what version ${output.targetVersion} left`)}`
  const changed = output.tables.length > 0 ? ['', changedTables(output.tables, style)] : ['  No row differs.']
  const lost = output.drift.map((table) => style.yellow(`  ${lostInWords(table, output)}`))
  const route = output.route.map((step) => style.dim(`  ${step}`))
  return [title, ...output.notes, ...route, ...lost, ...changed].join('\n')
}

function lostInWords(table: DriftJson, { version, anchor }: RollbackOutput): string {
  const rows = driftInWords(table)
  const isOne = table.inserted + table.updated + table.deleted === 1
  if (version === null) return `${rows} changed by others would be overwritten; that takes --yes.`
  return `${rows} changed by others ${isOne ? 'was overwritten; it is' : 'were overwritten; they are'} in the backup ${shownName(anchor ?? '')}.`
}

/** What a version did to tables, where no rows of a source were read. */
export function changedTables(tables: readonly TableJson[], style: Style): string {
  return textTable(
    style,
    ['table', 'inserted', 'updated', 'deleted', ''],
    tables.map((table) => [
      table.table,
      table.inserted,
      table.updated,
      table.deleted,
      table.created ? 'made' : table.dropped ? 'dropped' : ''
    ])
  )
}

export function logView({ versions }: LogOutput, style: Style): string {
  if (versions.length === 0) return 'Nothing was migrated yet. Load a first file: rowback migrate FILE -m "..."'
  return textTable(
    style,
    ['version', 'when', 'who', 'what', 'rows', 'tag'],
    versions.map((version) => [
      version.version,
      when(version.startedAt),
      who(version.author),
      shorten(version.status === 'committed' ? version.description : `${version.description} (${version.status})`),
      rowsOf(version),
      version.tag ?? ''
    ])
  )
}

function rowsOf(version: VersionJson): string {
  if (version.status !== 'committed') return ''
  const sum = (name: 'inserted' | 'updated' | 'deleted' | 'failed') =>
    version.tables.reduce((total, table) => total + table[name], 0)
  const parts = [
    [sum('inserted'), '+'],
    [sum('updated'), '~'],
    [sum('deleted'), '-']
  ].filter(([count]) => Number(count) > 0)
  const failed = sum('failed')
  return [...parts.map(([count, sign]) => `${sign}${count}`), ...(failed > 0 ? [`${failed} failed`] : [])].join(' ')
}

/** The shortest name of an author. */
export function who({ name, alias, email, given }: VersionJson['author']): string {
  return name ?? alias ?? email ?? given
}

/** A moment, in UTC. */
export function when(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ')
}

export function showView(version: VersionJson, style: Style): string {
  const facts: [string, string | number | null][] = [
    [
      'kind',
      version.kind +
        (version.targetVersion === null ? '' : ` ${version.kind === 'revert' ? 'of' : 'to'} ${version.targetVersion}`)
    ],
    ['status', version.status + (version.error ? `: ${version.error}` : '')],
    ['strategy', version.strategy],
    ['author', version.author.given],
    ['description', version.description],
    ['remarks', version.remarks],
    ['tag', version.tag],
    ['source', version.source?.name ?? null],
    ['SHA-256', version.source?.sha256 ?? null],
    ['started', `${when(version.startedAt)} UTC`],
    ['finished', version.finishedAt ? `${when(version.finishedAt)} UTC` : null],
    ['host', version.host],
    ['backup', version.anchor],
    ['hash', version.hash]
  ]
  const known = facts.filter(([, value]) => value !== null && value !== '')
  return [
    style.green(`Version ${version.version}`),
    ...known.map(([name, value]) => `  ${style.dim(name.padEnd(12))}${value}`),
    ...(version.tables.length > 0 ? ['', tablesView(version.tables, style)] : [])
  ].join('\n')
}

export function initView(output: InitOutput, style: Style): string {
  const tables = output.tables.length > 0 ? output.tables.join(', ') : 'no tables yet'
  return [
    style.green(`Wrote ${output.configuration}. The baseline of ${output.database} is recorded (${tables}).`),
    ...output.notes.map((note) => `  ${note}`),
    '  Next: rowback migrate FILE --create -m "..."'
  ].join('\n')
}

export function recoverView(output: RecoverOutput): string {
  const marked =
    output.recovered.length === 0
      ? 'No run was interrupted.'
      : `Marked as failed: version ${output.recovered.join(', ')}. Nothing of it was written.`
  return [marked, ...(output.notes ?? [])].join('\n')
}
