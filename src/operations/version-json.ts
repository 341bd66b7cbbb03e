import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { VersionHeader } from '../ledger/ledger.ts'
import { failedRowsFileName } from '../migrate/failed-rows-csv.ts'
import type { WriteCounts } from '../model/change.ts'
import type { TableReport, Version } from '../model/version.ts'

/** A version as programs get it. */
export interface VersionJson {
  version: number
  uuid: string
  kind: Version['kind']
  status: Version['status']
  strategy: Version['strategy']
  author: Version['author']
  description: string
  remarks: string | null
  tag: string | null
  targetVersion: number | null
  source: { name: string; sha256: string | null } | null
  tables: TableJson[]
  /** The file of the failed rows, to be corrected and submitted again; the first one where several tables have one. */
  failedRows: string | null
  anchor: string | null
  /** The record of what the version left, by which changes of others are told; null where none was made. */
  leftRecord: string | null
  error: string | null
  startedAt: string
  finishedAt: string | null
  durationMs: number | null
  host: string
  toolVersion: string
  previousHash: string | null
  hash: string | null
}

export interface TableJson extends WriteCounts {
  table: string
  read: number
  failed: number
  mode?: TableReport['mode']
  key?: string[] | null
  created?: boolean
  dropped?: boolean
  /** From this version on the history of the table is kept, or no longer. */
  tracking?: TableReport['tracking']
  /** The file of its failed rows; null where there is none. */
  failedRows: string | null
}

/** @param repository the folder in which files of failed rows are looked for */
export function versionJson(version: Version, repository: string): VersionJson {
  const { number, sourceName, sourceSha256, tables, ...rest } = version
  const { uuid, kind, status, strategy, author, description, remarks, tag, targetVersion, ...technical } = rest
  const shown = tables.map((report) => tableJson(report, failedRowsFile(number, report, repository)))
  return {
    version: number,
    uuid,
    kind,
    status,
    strategy,
    author,
    description,
    remarks,
    tag,
    targetVersion,
    source: sourceName === null ? null : { name: sourceName, sha256: sourceSha256 },
    tables: shown,
    failedRows: shown.find((table) => table.failedRows !== null)?.failedRows ?? null,
    ...technical,
    durationMs: version.finishedAt === null ? null : Date.parse(version.finishedAt) - Date.parse(version.startedAt)
  }
}

/** A table's part of a version; bookkeeping is left out. */
export function tableJson(
  { history: _history, rules: _rules, ...report }: TableReport,
  file: string | null
): TableJson {
  return { ...report, failedRows: file }
}

function failedRowsFile(version: number, report: TableReport, repository: string): string | null {
  if (report.failed === 0) return null
  const path = join(repository, 'failed', failedRowsFileName(version, report.table))
  return existsSync(path) ? relative(process.cwd(), path) : null
}

/** A version that was only rehearsed, as programs get it. */
export type RehearsedJson = Omit<VersionJson, 'version' | 'status'> & { version: null; status: 'dry-run' }

/** What a rehearsal would have recorded; what only a real version has is null or empty. */
export function rehearsedJson(header: VersionHeader, tables: TableReport[], startedAt: string): RehearsedJson {
  const { sourceName, sourceSha256, ...said } = header
  const finishedAt = new Date().toISOString()
  return {
    version: null,
    status: 'dry-run',
    uuid: '',
    ...said,
    source: sourceName === null ? null : { name: sourceName, sha256: sourceSha256 },
    tables: tables.map((report) => tableJson(report, null)),
    failedRows: null,
    anchor: null,
    leftRecord: null,
    error: null,
    startedAt,
    finishedAt,
    durationMs: Date.parse(finishedAt) - Date.parse(startedAt),
    host: '',
    toolVersion: '',
    previousHash: null,
    hash: null
  }
}
