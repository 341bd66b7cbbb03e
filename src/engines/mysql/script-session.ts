import { RowbackError } from '../../errors.ts'
import { plural } from '../../model/plural.ts'
import type { ScriptDialect } from '../script.ts'
import { OWN_MODE } from './connection.ts'
import { mysqlDialect } from './script-dialect.ts'
import type { Statements } from './statements.ts'

/** So many of a statement's warnings are told. */
const SHOWN_WARNINGS = 3
const GIVES_ROWS = /^[\s(]*(SELECT|VALUES|TABLE)\b/i

/** Runs the statements of a script, within the transaction that is open. */
export class ScriptSession {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  async dialect(database: string, controlSchema: string): Promise<ScriptDialect> {
    const [row] = await this.#statements.read('SELECT @@GLOBAL.sql_mode')
    const databases = (await this.#statements.read('SELECT SCHEMA_NAME FROM information_schema.SCHEMATA')).map(
      ([name]) => String(name).toLowerCase()
    )
    const others = new Set(databases.filter((name) => name !== database.toLowerCase()))
    return mysqlDialect(String(row?.[0] ?? ''), controlSchema, others)
  }

  /** A script means what it means in the stock client; but values that do not fit are refused, not altered. */
  async during(work: () => Promise<void>): Promise<void> {
    await this.#statements.execute(
      "SET sql_mode = CONCAT(@@GLOBAL.sql_mode, ',STRICT_ALL_TABLES'), time_zone = @@GLOBAL.time_zone"
    )
    try {
      await work()
    } finally {
      // On a lost connection there is nothing to set back.
      await this.#statements.execute(`SET ${OWN_MODE}`).catch(() => {})
    }
  }

  /**
   * @returns what the server warned of
   * @throws RowbackError `script.committed` when the transaction is over
   */
  async run(sql: string): Promise<string[]> {
    if (GIVES_ROWS.test(sql)) {
      await this.#statements.scan(sql, () => {})
      return []
    }
    const { warnings, inTransaction } = await this.#statements.execute(sql)
    if (!inTransaction) throw committed()
    return warnings === 0 ? [] : this.#warnings(warnings)
  }

  async #warnings(count: number): Promise<string[]> {
    const rows = await this.#statements.read(`SHOW WARNINGS LIMIT ${SHOWN_WARNINGS}`)
    const told = rows.map(([, , message]) => `the server warns: ${message}`)
    return count > rows.length && rows.length > 0 ? [...told, `${plural(count - rows.length, 'more warning')}.`] : told
  }
}

function committed(): RowbackError {
  return new RowbackError({
    code: 'script.committed',
    message: 'it ended the transaction, which this server says too late to stop it.',
    state: 'What the script did up to here is in the database, and in no version.',
    hint: 'Take that statement out of the script. To go back to the version before, see: rowback rollback --help'
  })
}
