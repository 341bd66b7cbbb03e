import { membersOf } from './columns.ts'
import type { Connection } from './connection.ts'
import { quote } from './sql-text.ts'

const BEYOND_BMP = /[\u{10000}-\u{10FFFF}]/gu
const LITERAL = /'(?:[^']|'')*'/g
/** As long as the session waits for others that change the table, in seconds. */
const WAIT = 2

/** A column of ENUM or SET. */
export interface MemberColumn {
  table: string
  column: string
  isSet: boolean
  /** As the server declares it. */
  declared: string
}

/** Whether the declaration may not be what it says: the servers print `?` for characters beyond the Basic Multilingual Plane. */
export function mayHideMembers(declared: string): boolean {
  return declared.includes('?')
}

/**
 * The declaration with the members as they are: a copy of the column in a table of the session's own is filled by number and
 * read back.
 * @param session of its own, because that may be no part of a transaction that only reads
 * @returns null when it cannot be found out, as without the privilege for temporary tables
 */
export async function trueDeclaration(
  session: Connection,
  schema: string,
  column: MemberColumn
): Promise<string | null> {
  const shown = membersOf(column.declared)
  const members = await readMembers(session, schema, column, shown.length).catch(() => null)
  if (members?.map((member) => member.replace(BEYOND_BMP, '?')).join('\n') !== shown.join('\n')) return null
  let next = 0
  return column.declared.replace(LITERAL, () => `'${(members[next++] as string).replaceAll("'", "''")}'`)
}

async function readMembers(
  session: Connection,
  schema: string,
  { table, column, isSet }: MemberColumn,
  count: number
): Promise<string[]> {
  const place = 'rowback_members'
  await session.execute(`SET SESSION lock_wait_timeout = ${WAIT}`)
  await session.execute(`DROP TEMPORARY TABLE IF EXISTS ${place}`)
  await session.execute(
    `CREATE TEMPORARY TABLE ${place} (n INT NOT NULL PRIMARY KEY) SELECT 0 AS n, ${quote(column)} AS v FROM ${quote(schema)}.${quote(table)} LIMIT 0`
  )
  const numbers = Array.from({ length: count }, (_, i) => `(${i}, ${isSet ? 2n ** BigInt(i) : i + 1})`)
  await session.execute(`INSERT INTO ${place} (n, v) VALUES ${numbers.join(', ')}`)
  const { rows } = await session.read(`SELECT v FROM ${place} ORDER BY n`)
  await session.execute(`DROP TEMPORARY TABLE ${place}`)
  return rows.map(([cell]) => (cell as Buffer).toString('utf8'))
}

/** The statement of a table, as SHOW CREATE TABLE prints it, with another declaration of a column. */
export function withDeclaration(statement: string, column: string, from: string, to: string): string {
  const begin = `  ${quote(column)} `
  const lines = statement.split('\n')
  const changed = (line: string) => `${begin}${to}${line.slice(begin.length + from.length)}`
  return lines.map((line) => (line.startsWith(`${begin}${from}`) ? changed(line) : line)).join('\n')
}

/** Finds the true declaration of a column, as {@link trueDeclaration} does. */
export type AskMembers = (column: MemberColumn) => Promise<string | null>
