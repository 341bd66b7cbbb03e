import { plural } from '../../model/plural.ts'
import type { BackupJson } from '../../operations/backup/backup-json.ts'
import type { ExportOutput } from '../../operations/backup/export.ts'
import type { BackupListOutput } from '../../operations/backup/list.ts'
import { shownName } from '../../operations/backup/named-backup.ts'
import type { BackupPruneOutput } from '../../operations/backup/prune.ts'
import type { KeptHistory, PrunedHistory } from '../../operations/backup/prune-history.ts'
import type { BackupVerifyOutput } from '../../operations/backup/verify.ts'
import { ranges } from '../../operations/ranges.ts'
import type { Style } from '../render.ts'
import { rehearsalView } from './states.ts'
import { shorten, textTable } from './table.ts'

export function backupCreateView(backup: BackupJson, style: Style): string {
  return [textTable(style, HEAD, [cellsOf(backup)]), ...backup.notes.map((note) => style.yellow(note))].join('\n')
}

export function backupListView(
  { backups, damaged, records, newest, disk, notes }: BackupListOutput,
  style: Style
): string {
  if (backups.length + damaged.length === 0 && !newest) return 'No backups yet. Take one with: rowback backup create'
  const bad = damaged.length > 0 ? `, ${damaged.length} of them damaged` : ''
  const trash = disk.trash > 0 ? `, ${bytesForPeople(disk.trash)} of it in the trash` : ''
  return [
    ...(backups.length + damaged.length > 0 ? [listTable(backups, style, damaged), ''] : []),
    ...damaged.map(({ message }) => style.red(message)),
    `${plural(backups.length + damaged.length, 'backup')}${bad}; the repository takes ${bytesForPeople(disk.total)} on disk${trash}.`,
    ...(records.length > 0 ? [recordsInWords(records)] : []),
    ...notes.map((note) => style.yellow(style.command(note)))
  ].join('\n')
}

export function backupExportView({ version, file, tables, rows, bytes, notes }: ExportOutput, style: Style): string {
  const size = `${plural(tables.length, 'table')}, ${plural(rows, 'row')}, ${bytesForPeople(bytes)}`
  return [
    `${style.bold(file)}  ${style.dim(`version ${version}, ${size}`)}`,
    ...notes.map((note) => style.yellow(note))
  ].join('\n')
}

function listTable(
  backups: BackupListOutput['backups'],
  style: Style,
  damaged: BackupListOutput['damaged'] = []
): string {
  const unknown = ['', '', '', '', '', '', '']
  const bad = damaged.map(({ backup, neededBy }) => ({
    backup,
    cells: ['damaged', ...unknown, shownName(backup), versionsInWords(neededBy, [])]
  }))
  const good = backups.map((backup) => ({
    backup: backup.backup,
    cells: [...cellsOf(backup), versionsInWords(backup.neededBy, backup.tags)]
  }))
  const rows = damaged.length === 0 ? good : [...good, ...bad].sort((a, b) => (a.backup < b.backup ? 1 : -1))
  return textTable(
    style,
    [...HEAD, 'needed by'],
    rows.map(({ cells }) => cells)
  )
}

const HEAD = ['taken at', 'state of', 'taken by', 'tables', 'objects', 'rows', 'size', 'added', 'backup']

function cellsOf(backup: BackupJson): (string | number)[] {
  return [
    backup.takenAt,
    `version ${backup.state}`,
    backup.version === null ? 'itself' : `version ${backup.version}`,
    backup.only === null ? backup.tables : shorten(`${backup.tables}, only ${backup.only.join(', ')}`, 50),
    backup.objects,
    backup.rows,
    bytesForPeople(backup.bytes),
    bytesForPeople(backup.added),
    shownName(backup.backup)
  ]
}

function recordsInWords(records: BackupListOutput['records']): string {
  const added = records.reduce((sum, record) => sum + record.added, 0)
  const versions = records.map((record) => record.version).sort((a, b) => a - b)
  return `On record, to tell what others change: what version ${ranges(versions)} left (${bytesForPeople(added)} added).`
}

function versionsInWords(versions: number[] | null, tags: readonly string[]): string {
  if (versions === null) return 'not known'
  if (versions.length === 0) return 'none'
  return `version ${ranges(versions)}${tags.length > 0 ? ` (${tags.join(', ')})` : ''}`
}

export function backupPruneView(output: BackupPruneOutput, style: Style): string {
  if (output.history) return prunedHistoryView(output.history, output.historyKept ?? [], output.dryRun, style)
  const { pruned, kept, records, lostVersions, objects, bytes, trash, emptied } = output
  const would = output.dryRun ? 'would be ' : ''
  const lost = `Version ${ranges(lostVersions)} ${output.dryRun ? 'could' : 'can'} no longer be gone back to, compared or read.`
  return [
    ...(output.dryRun ? [style.yellow('Dry run: nothing was changed.')] : []),
    ...(pruned.length > 0 ? [listTable(pruned, style), ''] : []),
    `${plural(pruned.length, 'backup')} ${would}pruned, ${kept} kept; ${plural(objects, 'file')} of rows (${bytesForPeople(bytes)}) ${would}moved to the trash.`,
    ...(records > 0 ? [`${plural(records, 'record')} of what a version left ${would}moved there, too.`] : []),
    ...(lostVersions.length > 0 ? [style.yellow(lost)] : []),
    ...(trash === null ? [] : [`In the trash until a later prune: ${trash}`]),
    ...emptied.map((folder) => `Deleted for good: ${folder}`)
  ].join('\n')
}

function prunedHistoryView(history: PrunedHistory[], kept: KeptHistory[], dryRun: boolean, style: Style): string {
  const since = history[0]?.since
  if (since === undefined) return 'No row of history is only needed for older states: nothing was changed.'
  return [
    ...(dryRun ? [style.yellow('Dry run: nothing was changed.')] : []),
    textTable(
      style,
      ['table', 'superseded rows', 'bytes'],
      history.map(({ table, rows, bytes }) => [table, rows, bytes])
    ),
    '',
    `${dryRun ? 'They would go' : 'They went'} from the database; the repository is proven to have them. History from version ${since} on ${dryRun ? 'would stay' : 'stays'}.`,
    ...kept.flatMap(({ table, reason, hint }) => [style.yellow(`The history of ${table} stays. ${reason}`), hint])
  ].join('\n')
}

export function backupVerifyView(output: BackupVerifyOutput, style: Style): string {
  const sets = output.changeSets > 0 ? `${plural(output.changeSets, 'change set')}, ` : ''
  const records = output.records > 0 ? `${plural(output.records, 'record')} of what versions left, ` : ''
  const checked = `${plural(output.backups, 'backup')}, ${sets}${records}${plural(output.objects, 'file')} of rows`
  const notes = output.notes.map((note) => style.yellow(note))
  if (output.problems.length === 0) {
    const found = style.green(`No problem found (${output.level}: ${checked}).`)
    return [found, ...notes, ...(output.rehearsal ? [rehearsalView(output.rehearsal, style)] : [])].join('\n')
  }
  return [
    style.red(`${plural(output.problems.length, 'problem')} found (${output.level}: ${checked}).`),
    ...output.problems.map((problem) => {
      const concerned = [
        problem.backups.length > 0 ? `backup ${problem.backups.map(shownName).join(', ')}` : '',
        problem.versions.length > 0 ? `needed by version ${ranges(problem.versions)}` : ''
      ].filter((part) => part !== '')
      return `${problem.message}${concerned.length > 0 ? ` (${concerned.join('; ')})` : ''}`
    }),
    ...notes
  ].join('\n')
}

function bytesForPeople(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  const power = bytes === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
