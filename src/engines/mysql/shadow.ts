import type { ForeignKey } from '../../model/table.ts'
import type { Shadow } from '../engine.ts'
import { quote } from './sql-text.ts'
import { isTriggerStatement } from './trigger-text.ts'

const NAME = '`(?:[^`]|``)*`'
const NAMES = `\\(${NAME}(?:, ?${NAME})*\\)`
/** A line of SHOW CREATE TABLE; names of constraints are unique in a schema, so two tables cannot have it at once. */
const FOREIGN_KEY = new RegExp(
  `,\\n {2}(CONSTRAINT ${NAME} FOREIGN KEY (${NAMES}) REFERENCES (${NAME}(?:\\.${NAME})?) (${NAMES})[^\\n]*?)(?=,?\\n)`,
  'g'
)
/** So are those of checks in MySQL; in MariaDB they are the table's own. */
const CHECK = new RegExp(`,\\n {2}(CONSTRAINT ${NAME} CHECK \\([^\\n]*?)(?=,?\\n)`, 'g')

/**
 * How a table is made under another name while the one of its name still stands, and what is left to do once it bears
 * its own: foreign keys and triggers, whose names are taken until then.
 * @param ddl as SHOW CREATE TABLE and the triggers' statements have it
 */
export function shadowOf(name: string, ddl: readonly string[], under: string, isMysql: boolean): Shadow {
  const [table = '', ...rest] = ddl
  const foreignKeys: ForeignKey[] = []
  const clauses: string[] = []
  let made = table.replace(FOREIGN_KEY, (_line, clause: string, columns: string, parent: string, parents: string) => {
    clauses.push(clause)
    const parentTable = namesIn(parent)
    // A reference into another schema is not looked after.
    if (parentTable.length === 1) {
      const reference = { table: name, columns: namesIn(columns), parentTable: parentTable[0] as string }
      foreignKeys.push({ ...reference, parentColumns: namesIn(parents), onDelete: '', onUpdate: '', deferred: false })
    }
    return ''
  })
  if (isMysql) {
    made = made.replace(CHECK, (_line, clause: string) => {
      clauses.push(clause)
      return ''
    })
  }
  return {
    make: [made.replace(new RegExp(`^CREATE TABLE ${NAME}`), `CREATE TABLE ${quote(under)}`)],
    finish: [...clauses.map((clause) => addTo(name) + clause), ...rest],
    foreignKeys
  }
}

/** Whether a statement of {@link Shadow.finish} was run already. */
export function isFinished(name: string, statement: string, ddl: readonly string[]): boolean {
  return isTriggerStatement(statement)
    ? ddl.includes(statement)
    : (ddl[0] ?? '').includes(statement.slice(addTo(name).length))
}

function addTo(name: string): string {
  return `ALTER TABLE ${quote(name)} ADD `
}

function namesIn(text: string): string[] {
  return (text.match(new RegExp(NAME, 'g')) ?? []).map((name) => name.slice(1, -1).replaceAll('``', '`'))
}
