const MARK = /^\/\* sql_mode=([\w,]*) collation_connection=(\w+) \*\/ /

/** What a trigger's statement means depends on the session that made it; it is kept in a comment before the statement. */
export function inItsSession(statement: string, sqlMode: string, collation: string): string {
  return `/* sql_mode=${sqlMode} collation_connection=${collation} */ ${statement}`
}

/** The session in which a statement of {@link inItsSession} is to be run, as SET assignments; null for other statements. */
export function sessionOf(sql: string): string | null {
  const [, sqlMode, collation] = MARK.exec(sql) ?? []
  return sqlMode === undefined ? null : `sql_mode = '${sqlMode}', collation_connection = ${collation}`
}

/** The statement itself. */
export function withoutSession(sql: string): string {
  return sql.replace(MARK, '')
}

export function isTriggerStatement(sql: string): boolean {
  return MARK.test(sql)
}

/** Whose rights a trigger has: `user@host`. */
export function definerOf(sql: string): string | null {
  const [, user, host] = /\bDEFINER\s*=\s*`((?:[^`]|``)*)`@`((?:[^`]|``)*)`/i.exec(sql) ?? []
  return user === undefined ? null : `${user}@${host}`
}
