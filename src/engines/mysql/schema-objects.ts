import { RowbackError } from '../../errors.ts'
import type { SchemaObject, SchemaObjectKind, SchemaObjects } from '../../model/schema-object.ts'
import { SCHEMA_OBJECT_KINDS } from '../../model/schema-object.ts'
import type { Row } from '../../model/value.ts'
import type { Read } from './catalogue.ts'
import { quote } from './sql-text.ts'
import { definerOf, inItsSession, keepsClientCharset, withoutDefiner } from './trigger-text.ts'

/** The view of the versions among the data; this program makes it. */
const OWN_VIEW = 'rowback_version'

interface Entry {
  kind: SchemaObjectKind
  name: string
  definer: string | null
}

/**
 * Reads views, stored routines, events and sequences of a schema, which must be the session's own: only then do views
 * name their tables without it.
 */
export async function readSchemaObjects(read: Read, schema: string): Promise<SchemaObjects> {
  const notes: string[] = []
  const objects: SchemaObject[] = []
  for (const entry of await entries(read, schema, notes)) {
    const object = await readOne(read, schema, entry, notes)
    if (object) objects.push(object)
  }
  return { objects: SCHEMA_OBJECT_KINDS.flatMap((kind) => inOrder(objects.filter((one) => one.kind === kind))), notes }
}

/** Kind, name and definer; one by one, as a union of them is a temporary table on the server's disk. */
const LISTS = [
  "SELECT LOWER(TABLE_TYPE), TABLE_NAME, NULL FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('SEQUENCE', 'VIEW')",
  'SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?',
  "SELECT 'event', EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?"
]

async function entries(read: Read, schema: string, notes: string[]): Promise<Entry[]> {
  const found: Row[] = []
  for (const list of LISTS) found.push(...(await read(list, [schema])))
  const known: Entry[] = []
  for (const [kind, name, definer] of found) {
    if (kind === 'view' && name === OWN_VIEW) continue
    if ((SCHEMA_OBJECT_KINDS as readonly unknown[]).includes(kind)) {
      known.push({ kind: kind as SchemaObjectKind, name: String(name), definer: definer as string | null })
    } else notes.push(`The ${kind} ${name} is not kept in backups: it is of a kind that this program does not know.`)
  }
  return known.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

/** @returns null, and a note, where the server does not show the object */
async function readOne(read: Read, schema: string, entry: Entry, notes: string[]): Promise<SchemaObject | null> {
  const { kind, name, definer } = entry
  try {
    const shown = await showCreate(read, schema, entry)
    const statements = shown && (await statementsOf(read, schema, entry, shown))
    if (shown && statements) {
      const { databaseCollation } = shown
      const text = statements[0] as string
      const namesDatabase = (kind === 'view' ? names(text, schema) : mentions(text, schema)) ? schema : null
      return { kind, name, statements, databaseCollation, namesDatabase }
    }
    notes.push(
      `The ${kind} ${name} is not kept in backups: the server shows its text only to ${definer ?? 'its definer'}, or to a user with more privileges.`
    )
  } catch (error) {
    // Without a connection nothing else is known either.
    if (!(error instanceof RowbackError) || error.code === 'connection.lost') throw error
    notes.push(`The ${kind} ${name} is not kept in backups: ${error.message}`)
  }
  return null
}

interface Shown {
  text: string
  sqlMode: string
  charset: string
  collation: string
  timeZone: string | undefined
  databaseCollation: string | null
}

/** The answers to SHOW CREATE have the same cells in each kind's own order. */
async function showCreate(read: Read, schema: string, { kind, name }: Entry): Promise<Shown | null> {
  const what = kind === 'sequence' ? 'TABLE' : kind.toUpperCase()
  const [row] = await read(`SHOW CREATE ${what} ${quote(schema)}.${quote(name)}`)
  const cells = (row ?? []) as Row
  const at = kind === 'event' ? 3 : kind === 'view' || kind === 'sequence' ? 1 : 2
  const text = cells[at]
  if (text === null || text === undefined) return null
  const word = (i: number) => String(cells[i] ?? '')
  return {
    text: String(text),
    sqlMode: at > 1 ? word(1) : '',
    charset: word(at + 1),
    collation: word(at + 2),
    timeZone: kind === 'event' ? word(2) : undefined,
    databaseCollation: at > 1 ? word(at + 3) : null
  }
}

async function statementsOf(read: Read, schema: string, entry: Entry, shown: Shown): Promise<string[]> {
  const { sqlMode, charset, collation, timeZone } = shown
  if (entry.kind === 'sequence') return sequenceStatements(read, schema, entry.name)
  const text = entry.kind === 'view' ? withoutSchema(shown.text, schema) : shown.text
  return [inItsSession(text, { sqlMode, collation, charset, ...(timeZone !== undefined && { timeZone }) })]
}

/**
 * A sequence goes on behind the values that sessions hold ready, as after a restart of the server.
 * SETVAL takes the value, whether it was used, and how often the sequence began anew:
 * https://mariadb.com/kb/en/setval/
 */
async function sequenceStatements(read: Read, schema: string, name: string): Promise<string[]> {
  const place = `${quote(schema)}.${quote(name)}`
  const [made] = await read(`SHOW CREATE SEQUENCE ${place}`)
  const [state] = await read(`SELECT next_not_cached_value, cycle_count FROM ${place}`)
  return [String(made?.[1]), `DO SETVAL(${quote(name)}, ${state?.[0]}, 0, ${state?.[1]})`]
}

const QUOTED = /'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`/g

/**
 * A view's text without the name of its database, which the server writes where a view looks into several. Where
 * something else in the view bears that name as well, the text stays as it is.
 */
function withoutSchema(text: string, schema: string): string {
  const own = quote(schema)
  const isBare = [...text.matchAll(QUOTED)].some(
    ({ 0: token, index }) => token === own && text[index - 1] !== '.' && text[index + token.length] !== '.'
  )
  if (isBare) return text
  return text.replace(new RegExp(`${QUOTED.source}\\.?`, 'g'), (token, index: number) =>
    token === `${own}.` && text[index - 1] !== '.' ? '' : token
  )
}

/** Whether a view's text has the name of the database outside its quoted text. */
function names(text: string, schema: string): boolean {
  return [...text.matchAll(QUOTED)].some(([token]) => token === quote(schema))
}

/** Whether a program's text names the database as the place of something, be it in a comment or in SQL that it builds. */
function mentions(text: string, schema: string): boolean {
  const plain = schema.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<![\\w$.\`"])(?:${plain}|\`${plain}\`|"${plain}")\\s*\\.\\s*[\\w$\`"]`, 'i').test(text)
}

/** Objects behind those that they name; a circle is left as it is. */
function inOrder(objects: readonly SchemaObject[]): SchemaObject[] {
  const done = new Set<SchemaObject>()
  const visit = (object: SchemaObject): void => {
    if (done.has(object)) return
    done.add(object)
    for (const other of objects) if (object.statements[0]?.includes(quote(other.name))) visit(other)
    ordered.push(object)
  }
  const ordered: SchemaObject[] = []
  for (const object of objects) visit(object)
  return ordered
}

/** What making an object takes. */
export interface Place {
  read: Read
  run: (sql: string) => Promise<number>
  database: string
}

/**
 * Makes an object with its definer, sql_mode and character sets.
 * @returns what is not as it was
 * @throws RowbackError when the server refuses it
 */
export async function makeSchemaObject(place: Place, object: SchemaObject): Promise<string[]> {
  const notes: string[] = []
  await inCollation(place, object.databaseCollation, async () => {
    for (const statement of object.statements) notes.push(...(await runAsDefiner(place, object, statement)))
  })
  if (object.namesDatabase !== null && object.namesDatabase.toLowerCase() !== place.database.toLowerCase()) {
    notes.push(
      `The ${object.kind} ${object.name} names the database ${object.namesDatabase} in its text; it still means that one.`
    )
  }
  if (!object.statements.every(keepsClientCharset)) {
    notes.push(`The ${object.kind} ${object.name} was made in the character set utf8mb4 of the client.`)
  }
  return notes
}

/** Where this user may not make objects in another's name, the object becomes this user's. */
async function runAsDefiner(place: Place, object: SchemaObject, statement: string): Promise<string[]> {
  const definer = definerOf(statement)
  try {
    await place.run(statement)
    return []
  } catch (error) {
    if (!(error instanceof RowbackError && error.code === 'privilege.missing') || definer === null) throw error
    await place.run(withoutDefiner(statement))
    return [
      `The ${object.kind} ${object.name} belonged to ${definer}, in whose name this user may not make any: it is this user's now.`
    ]
  }
}

/** Parameters and variables without a character set take that of the database. */
async function inCollation(place: Place, collation: string | null, work: () => Promise<void>): Promise<void> {
  const [row] = await place.read('SELECT @@collation_database')
  const own = String(row?.[0])
  if (collation === null || collation === own) return work()
  const alter = (name: string) => place.run(`ALTER DATABASE ${quote(place.database)} COLLATE ${name}`)
  await alter(collation)
  try {
    await work()
  } finally {
    await alter(own)
  }
}
