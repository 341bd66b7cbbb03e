import { z } from 'zod'
import type { Row } from '../model/value.ts'
import { decodeRow, encodeRow } from '../model/value.ts'

const hash = z.string().regex(/^[0-9a-f]{64}$/)

/** A half-open key range of a table's rows: from its own first key up to the next chunk's. */
const chunkSchema = z.object({
  /** Lowest key of the range, as {@link encodeRow} writes it; null for "from the beginning". */
  from: z.array(z.unknown()).nullable(),
  rows: z.int().min(0),
  /** Length of the uncompressed rows. */
  bytes: z.int().min(0),
  object: hash
})

const tableSchema = z.object({
  name: z.string(),
  columns: z.array(z.string()),
  order: z.array(z.string()).nullable(),
  hiddenOrder: z.boolean(),
  key: z.array(z.string()).nullable(),
  /** Of key columns that do not compare byte by byte. */
  collations: z.record(z.string(), z.string()),
  ddl: z.array(z.string()),
  rows: z.int().min(0),
  chunks: z.array(chunkSchema)
})

export const manifestSchema = z.object({
  format: z.literal(1),
  sequence: z.int().positive(),
  /** Identity of the database, as its control tables have it. */
  database: z.string(),
  engine: z.string(),
  takenAt: z.string(),
  /** The state that the backup holds: what this version left. */
  state: z.int().min(0),
  tables: z.array(tableSchema)
})

export type Manifest = z.infer<typeof manifestSchema>
export type TableManifest = z.infer<typeof tableSchema>
export type ChunkReference = z.infer<typeof chunkSchema>

export function boundToJson(bound: Row | null): unknown[] | null {
  return bound === null ? null : (JSON.parse(encodeRow(bound)) as unknown[])
}

export function boundFromJson(bound: unknown[] | null): Row | null {
  return bound === null ? null : decodeRow(JSON.stringify(bound))
}
