import { z } from 'zod'
import { columnSchema } from './manifest.ts'

/** A part of the rows of a list, as one object. */
const pieceSchema = z.object({
  rows: z.int().min(0),
  /** Length of the uncompressed rows. */
  bytes: z.int().min(0),
  object: z.string().regex(/^[0-9a-f]{64}$/)
})

/** What a version did to a tracked table: the rows that it took away and those that it wrote, or all that it left. */
const tableSchema = z.object({
  name: z.string(),
  /** The version that began to track it. */
  since: z.int().positive(),
  /** Of the rows, in the order of their cells. */
  columns: z.array(z.string()),
  definition: z.array(columnSchema),
  key: z.array(z.string()).nullable(),
  collations: z.record(z.string(), z.string()),
  ddl: z.array(z.string()),
  /** The backup that holds the table as it was before it was tracked; null where the version that began to track it made it. */
  base: z.string().nullable(),
  /** The version before it that had a hand in the table; null for the first. Left out where that was not recorded. */
  previous: z.int().positive().nullable().optional(),
  /** How many rows there were afterwards; null where the version took the table away, or ended its tracking. */
  rows: z.int().min(0).nullable(),
  /** Rows as they were before; where `all` is said, not listed. */
  removed: z.array(pieceSchema),
  /** Rows as they were afterwards. */
  added: z.array(pieceSchema),
  /** `added` are all rows that there were afterwards. */
  all: z.boolean(),
  /** Of all rows, those that the version wrote; left out where these are all, or where that was not recorded. */
  own: z.array(pieceSchema).optional(),
  /** The version ended its tracking: from then on backups have it. */
  ended: z.boolean()
})

export const changeSetSchema = z.object({
  format: z.literal(1),
  /** Identity of the database, as its control tables have it. */
  database: z.string(),
  engine: z.string(),
  version: z.int().positive(),
  /** The version before it: what is between them left nothing. */
  after: z.int().min(0),
  kind: z.string(),
  madeAt: z.string(),
  tables: z.array(tableSchema)
})

/** One version's increment: what it wrote and superseded in tracked tables. */
export type ChangeSet = z.infer<typeof changeSetSchema>
export type TableChangeSet = z.infer<typeof tableSchema>
export type Piece = z.infer<typeof pieceSchema>
