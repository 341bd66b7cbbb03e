import type { BackupJson } from '../../operations/backup/backup-json.ts'
import type { Style } from '../render.ts'
import { textTable } from './table.ts'

export function backupCreateView(backup: BackupJson, style: Style): string {
  return [backupsTable([backup], style), ...backup.notes.map((note) => style.yellow(note))].join('\n')
}

export function backupListView({ backups }: { backups: BackupJson[] }, style: Style): string {
  return backups.length === 0 ? 'No backups yet. Take one with: rowback backup create' : backupsTable(backups, style)
}

function backupsTable(backups: BackupJson[], style: Style): string {
  return textTable(
    style,
    ['taken at', 'state of', 'taken by', 'tables', 'objects', 'rows', 'size', 'added', 'backup'],
    backups.map((backup) => [
      backup.takenAt,
      `version ${backup.state}`,
      backup.version === null ? 'itself' : `version ${backup.version}`,
      backup.tables,
      backup.objects,
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
