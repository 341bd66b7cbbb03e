const MARK = /^\/\* ((?:(?:sql_mode|collation_connection|character_set_client|time_zone)=[\w,+:/-]* )+)\*\/ /
/** Character sets whose text is sent as the session's own, UTF-8. */
const UNICODE = /^utf8(mb[34])?$/
/** Of printable ASCII alone: the same bytes in every character set that a client may have. */
const ASCII = /^[\t\n\r -~]*$/

/** What the meaning of a statement depends on. */
export interface StatementSession {
  sqlMode: string
  collation: string
  /** Of the client; left out where it is all the same. */
  charset?: string
  /** Left out where it is all the same. */
  timeZone?: string
}

/**
 * What a stored program's statement means depends on the session that made it; it is kept in a comment before the
 * statement.
 */
export function inItsSession(statement: string, session: StatementSession): string {
  const { sqlMode, collation, charset, timeZone } = session
  const settings = [
    `sql_mode=${sqlMode}`,
    `collation_connection=${collation}`,
    ...(charset === undefined ? [] : [`character_set_client=${charset}`]),
    ...(timeZone === undefined ? [] : [`time_zone=${timeZone}`])
  ]
  return `/* ${settings.join(' ')} */ ${statement}`
}

/** The session in which a statement of {@link inItsSession} is to be run, as SET assignments; null for other statements. */
export function sessionOf(sql: string): string | null {
  const settings = settingsOf(sql)
  if (settings === null) return null
  if (!keepsClientCharset(sql)) settings.delete('character_set_client')
  return [...settings].map(([name, value]) => `${name} = '${value}'`).join(', ')
}

/** Whether the statement can be sent in the character set of the client that made the object. */
export function keepsClientCharset(sql: string): boolean {
  const charset = settingsOf(sql)?.get('character_set_client')
  if (charset === undefined || ASCII.test(sql)) return true
  return UNICODE.test(charset) && (charset === 'utf8mb4' || !/[\u{10000}-\u{10FFFF}]/u.test(sql))
}

function settingsOf(sql: string): Map<string, string> | null {
  const words = MARK.exec(sql)?.[1]?.trim().split(' ')
  return words ? new Map(words.map((word) => word.split('=') as [string, string])) : null
}

/** The statement itself. */
export function withoutSession(sql: string): string {
  return sql.replace(MARK, '')
}

export function isTriggerStatement(sql: string): boolean {
  return MARK.test(sql)
}

const DEFINER = /\bDEFINER\s*=\s*(?:`((?:[^`]|``)*)`@`((?:[^`]|``)*)`|"((?:[^"]|"")*)"@"((?:[^"]|"")*)") ?/i

/** Whose rights a stored program has: `user@host`. */
export function definerOf(sql: string): string | null {
  const [found, user, host, ansiUser, ansiHost] = DEFINER.exec(sql) ?? []
  return found === undefined ? null : `${user ?? ansiUser}@${host ?? ansiHost}`
}

/** The statement as whoever runs it would write it: the object is then theirs. */
export function withoutDefiner(sql: string): string {
  return sql.replace(DEFINER, '')
}
