import type { BackupJson } from '../../operations/backup/backup-json.ts'
import type { ExportOutput } from '../../operations/backup/export.ts'
import type { Style } from '../render.ts'
import { plural, textTable } from './table.ts'

export function backupCreateView(backup: BackupJson, style: Style): string {
  return backupsTable([backup], style)
}

export function backupListView({ backups }: { backups: BackupJson[] }, style: Style): string {
  return backups.length === 0 ? 'No backups yet. Take one with: rowback backup create' : backupsTable(backups, style)
}

export function backupExportView({ version, file, tables, rows, bytes, notes }: ExportOutput, style: Style): string {
  const size = `${plural(tables.length, 'table')}, ${plural(rows, 'row')}, ${bytesForPeople(bytes)}`
  return [
    `${style.bold(file)}  ${style.dim(`version ${version}, ${size}`)}`,
    ...notes.map((note) => style.yellow(note))
  ].join('\n')
}

function backupsTable(backups: BackupJson[], style: Style): string {
  return textTable(
    style,
    ['taken at', 'state of', 'taken by', 'tables', 'rows', 'size', 'added', 'backup'],
    backups.map((backup) => [
      backup.takenAt,
      `version ${backup.state}`,
      backup.version === null ? 'itself' : `version ${backup.version}`,
      backup.tables,
      backup.rows,
      bytesForPeople(backup.bytes),
      bytesForPeople(backup.added),
      backup.backup.slice(0, 15)
    ])
  )
}

function bytesForPeople(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  const power = bytes === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
