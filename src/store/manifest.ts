import { z } from 'zod'
import type { SchemaObject } from '../model/schema-object.ts'
import { SCHEMA_OBJECT_KINDS } from '../model/schema-object.ts'
import type { Column, ColumnType, Table } from '../model/table.ts'
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

export const columnSchema = z.object({
  name: z.string(),
  /** A {@link ColumnType}; integers as text. */
  type: z.looseObject({ kind: z.string() }),
  declared: z.string(),
  nullable: z.boolean(),
  generated: z.boolean()
})

export const tableSchema = z.object({
  name: z.string(),
  /** Of the stored rows, in their order: a hidden order column first, and no generated ones. */
  columns: z.array(z.string()),
  /** All columns of the table. */
  definition: z.array(columnSchema),
  order: z.array(z.string()).nullable(),
  hiddenOrder: z.boolean(),
  key: z.array(z.string()).nullable(),
  /** Of key columns that do not compare byte by byte. */
  collations: z.record(z.string(), z.string()),
  ddl: z.array(z.string()),
  rows: z.int().min(0),
  chunks: z.array(chunkSchema)
})

const objectSchema: z.ZodType<SchemaObject> = z.object({
  kind: z.enum(SCHEMA_OBJECT_KINDS),
  name: z.string(),
  statements: z.array(z.string()),
  databaseCollation: z.string().nullable(),
  namesDatabase: z.string().nullable()
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
  /** The version that took it before it wrote; null for one that was taken by itself. */
  version: z.int().positive().nullable(),
  /** Only of a backup of some tables: another table may have been there. Left out where all tables are in it. */
  scope: z.literal('tables').optional(),
  /** Compressed bytes of rows that the repository did not have before. */
  added: z.int().min(0),
  tables: z.array(tableSchema),
  /** Views, stored routines, events and sequences, in an order in which they can be made; left out where not looked for. */
  objects: z.array(objectSchema).optional(),
  /** Of which objects the database did not show enough to keep them; sentences. */
  objectNotes: z.array(z.string()).optional()
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

/** What a manifest keeps of a table's columns. */
export function columnsToJson(table: Table): TableManifest['definition'] {
  return table.columns.map(({ name, type, declared, nullable, generated }) => ({
    name,
    type: Object.fromEntries(
      Object.entries(type).map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : value])
    ) as { kind: string },
    declared,
    nullable,
    generated
  }))
}

/** The inverse of {@link columnsToJson}; whether a column has a default is not kept. */
export function columnsFromJson(columns: TableManifest['definition']): Column[] {
  return columns.map((column) => ({ ...column, type: typeFromJson(column.type), hasDefault: false }))
}

function typeFromJson(type: { kind: string; [key: string]: unknown }): ColumnType {
  if (type.kind !== 'integer') return type as unknown as ColumnType
  return { kind: 'integer', min: BigInt(type.min as string), max: BigInt(type.max as string) }
}
