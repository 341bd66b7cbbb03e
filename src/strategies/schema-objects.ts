import type { Engine } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { SchemaObject } from '../model/schema-object.ts'
import { definitionOf } from '../model/schema-object.ts'
import type { StoredState } from './recovery.ts'

/**
 * Makes views, stored routines, events and sequences of a backup in another, empty database of the same engine. What
 * cannot be made yet is tried again after the others, until nothing more comes of it. Sequences that tables draw their
 * defaults from must be there before those tables, and tables before the views of them: call it with a part of the
 * objects each time.
 * @param objects in the order of the backup
 * @returns what is not as it was, or could not be made; sentences
 */
export async function restoreSchemaObjects(engine: Engine, objects: readonly SchemaObject[]): Promise<string[]> {
  const notes: string[] = []
  let open = [...objects]
  for (;;) {
    const refused: { object: SchemaObject; reason: string }[] = []
    for (const object of open) {
      try {
        notes.push(...(await engine.makeSchemaObject(object)))
      } catch (error) {
        if (!(error instanceof RowbackError) || error.code === 'connection.lost') throw error
        refused.push({ object, reason: error.message })
      }
    }
    if (refused.length === 0) return notes
    if (refused.length === open.length) {
      return [...notes, ...refused.map(({ object, reason }) => `${named(object)} could not be made: ${reason}`)]
    }
    open = refused.map(({ object }) => object)
  }
}

/** What became of a backup's objects since, which a rollback leaves as they are; sentences. */
export async function changedObjectNotes(
  engine: Engine,
  stored: Pick<StoredState, 'objects' | 'objectNotes'>
): Promise<string[]> {
  // What the backup does not know, or the server does not show, did not change as far as anybody can tell.
  if (stored.objects === undefined) return []
  const { objects: now, notes } = await engine.schemaObjects()
  const isHidden = (object: SchemaObject) =>
    [...notes, ...(stored.objectNotes ?? [])].some((note) => note.startsWith(`${named(object)} `))
  const before = new Map(stored.objects.map((object) => [idOf(object), object]))
  const there = new Set(now.map(idOf))
  const changed = now.flatMap((object) => {
    const old = before.get(idOf(object))
    if (old === undefined) return isHidden(object) ? [] : [`${named(object)} was made since; it is left as it is.`]
    return definitionOf(old) === definitionOf(object)
      ? []
      : [`${named(object)} was changed since; it is left as it is.`]
  })
  const gone = stored.objects.filter((object) => !there.has(idOf(object)) && !isHidden(object))
  return [...changed, ...gone.map((object) => `${named(object)} was dropped since; it is not made again.`)]
}

function idOf({ kind, name }: SchemaObject): string {
  return `${kind} ${name}`
}

function named({ kind, name }: SchemaObject): string {
  return `The ${kind} ${name}`
}
