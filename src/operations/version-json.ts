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
  anchor: string | null
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
}

export function versionJson(version: Version): VersionJson {
  const { number, sourceName, sourceSha256, tables, ...rest } = version
  const { uuid, kind, status, strategy, author, description, remarks, tag, targetVersion, ...technical } = rest
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
    tables: tables.map(tableJson),
    ...technical,
    durationMs: version.finishedAt === null ? null : Date.parse(version.finishedAt) - Date.parse(version.startedAt)
  }
}

export function tableJson({ history: _history, rules: _rules, ...report }: TableReport): TableJson {
  return report
}
