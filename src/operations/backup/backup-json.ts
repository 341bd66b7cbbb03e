import type { Manifest } from '../../store/manifest.ts'
import { scopeOf } from '../../strategies/recovery.ts'

/** A full backup as JSON. */
export interface BackupJson {
  backup: string
  /** ISO 8601, UTC. */
  takenAt: string
  /** The version whose state it holds. */
  state: number
  /** The version that took it before it wrote; null for one that was taken by itself. */
  version: number | null
  tables: number
  /** The names of these tables, where it is a backup of some tables and not of the whole database; else null. */
  only: string[] | null
  rows: number
  /** The uncompressed rows, in bytes. */
  bytes: number
  /** What it added to the repository, in bytes. */
  added: number
  /** Views, stored routines, events and sequences whose definitions it holds. */
  objects: number
  /** What it could not keep, and why; sentences. */
  notes: string[]
}

export function backupJson(backup: string, manifest: Manifest): BackupJson {
  const { takenAt, state, version, tables, added, objects = [], objectNotes = [] } = manifest
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
  return {
    backup,
    takenAt,
    state,
    version,
    tables: tables.length,
    only: scopeOf(manifest) === 'tables' ? tables.map(({ name }) => name) : null,
    rows: sum(tables.map((table) => table.rows)),
    bytes: sum(tables.flatMap((table) => table.chunks.map((chunk) => chunk.bytes))),
    added,
    objects: objects.length,
    notes: objectNotes
  }
}
