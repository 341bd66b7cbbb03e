import { RowbackError } from '../../errors.ts'

/** A plain index as SHOW CREATE TABLE prints it, on a line of its own; unique, full-text and spatial ones say so first. */
const INDEX = /^ {2}KEY (`(?:[^`]|``)+`) .*?,?$/gm

/**
 * The parts of ALTER TABLE that take a table's plain indexes out and make them again; none where foreign keys may need
 * them.
 * @param statement as SHOW CREATE TABLE prints it
 */
export function laterIndexes(statement: string): { drop: string[]; add: string[] } {
  if (/^ {2}CONSTRAINT .* FOREIGN KEY /m.test(statement)) return { drop: [], add: [] }
  const indexes = [...statement.matchAll(INDEX)]
  return {
    drop: indexes.map(([, name]) => `DROP INDEX ${name}`),
    add: indexes.map(([line]) => `ADD ${line.trim().replace(/,$/, '')}`)
  }
}

/** The error for a table whose indexes did not become what they were. */
export function otherDefinition(table: string): RowbackError {
  return new RowbackError({
    code: 'restore.mismatch',
    message: `The indexes of ${table} did not become what they were.`,
    hint: 'Write the state into a database on a server like the one it is of.'
  })
}
