/** What a database holds besides tables, in an order in which it can be made. */
export const SCHEMA_OBJECT_KINDS = [
  'sequence',
  'function',
  'procedure',
  'package',
  'package body',
  'view',
  'event'
] as const

export type SchemaObjectKind = (typeof SCHEMA_OBJECT_KINDS)[number]

/** A view, stored routine, event or sequence, with what makes it anew. */
export interface SchemaObject {
  kind: SchemaObjectKind
  name: string
  /** Run one by one, in this order; a sequence's second one sets where it goes on. */
  statements: string[]
  /** The default collation of the database when the object was made; null where nothing depends on it. */
  databaseCollation: string | null
  /** The name of the database, where the object's text says it: made in another one, it still means this one. */
  namesDatabase: string | null
}

/** The objects of a database, in an order in which they can be made. */
export interface SchemaObjects {
  objects: SchemaObject[]
  /** What could not be read, and why; sentences. */
  notes: string[]
}

/** What an object is, without what moves by itself: where a sequence goes on. */
export function definitionOf(object: SchemaObject): string {
  const { kind, statements } = object
  return (kind === 'sequence' ? statements.slice(0, 1) : statements).join('\n')
}
