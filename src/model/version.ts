import { createHash } from 'node:crypto'
import type { Author } from './author.ts'
import type { WriteCounts, WriteMode } from './change.ts'

export type VersionKind = 'baseline' | 'migrate' | 'rollback' | 'revert' | 'exec' | 'enable' | 'adopt'
export type VersionStatus = 'pending' | 'committed' | 'failed'
export type StrategyName = 'snapshot' | 'incremental'
/** What a backup before a version holds: the whole database, or the tables that the version may change. */
export const BACKUP_SCOPES = ['database', 'tables'] as const
export type BackupScope = (typeof BACKUP_SCOPES)[number]

/** What a version did to one table. */
export interface TableReport extends WriteCounts {
  table: string
  /** Rows of the source, good and bad. */
  read: number
  failed: number
  /** How a migration wrote; absent from rollbacks. */
  mode?: WriteMode
  key?: string[] | null
  /** The plan's rules by column, where there was a plan; `retry` applies them again. */
  rules?: Record<string, unknown>
  /** The version made the table, or took it away. */
  created?: boolean
  dropped?: boolean
  /** The history table, where the table was tracked. */
  history?: string
  /** The version wrote no row of it: from here on its history is kept, or no longer. */
  tracking?: 'begun' | 'ended'
}

/** One immutable, numbered entry of the ledger. */
export interface Version {
  number: number
  uuid: string
  kind: VersionKind
  status: VersionStatus
  strategy: StrategyName
  author: Author
  description: string
  remarks: string | null
  tag: string | null
  /** Of a rollback or revert: the version it leads to or takes back. */
  targetVersion: number | null
  sourceName: string | null
  sourceSha256: string | null
  tables: TableReport[]
  /** The full backup taken just before this version. */
  anchor: string | null
  /** The record of what this version left; null where none was made. */
  leftRecord: string | null
  error: string | null
  /** ISO 8601, UTC. */
  startedAt: string
  finishedAt: string | null
  host: string
  toolVersion: string
  previousHash: string | null
  hash: string | null
}

/**
 * The hash that chains a finished version to the one before it: an altered, removed or reordered entry shows.
 * @returns SHA-256 in hex over all fields but the hash itself; entries of before there was a `leftRecord` have none
 */
export function hashVersion(version: Version): string {
  const { hash: _own, leftRecord, ...content } = version
  const hashed = leftRecord === null ? content : { ...content, leftRecord }
  return createHash('sha256').update(canonicalJson(hashed)).digest('hex')
}

/** JSON with keys in alphabetical order, so that equal content gives equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item
  )
}

/** A table that keeps its superseded rows, from the version that began to track it. */
export interface TrackedTable {
  table: string
  since: number
  history: string
  /** Statements that make the table as it is without bookkeeping, or was when it was last seen. */
  ddl: string[]
  /** What it was like, the oldest first; the first is of the version that began to track it. */
  shapes: TableShape[]
  /** What only states of versions before this one need was taken out of its history; 0 where nothing was. */
  keptFrom: number
  /** Others took its history away, so that no version can write the table; see `recover`. */
  isLost?: true
}

/** What a tracked table was like from a version on: others may change its columns, which the next version notices. */
export interface TableShape {
  since: number
  ddl: string[]
  columns: ShapeColumn[]
}

/** A column that can be written. */
export interface ShapeColumn {
  name: string
  /** Two columns of equal types hold the same values. */
  type: string
}
