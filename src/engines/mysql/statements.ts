import type { Row } from '../../model/value.ts'
import type { Outcome, RawResult } from './connection.ts'
import type { Product } from './product.ts'

/** What the parts of this engine send to the server, inside the transaction that is open. */
export interface Statements {
  readonly product: Product
  execute(sql: string): Promise<Outcome>
  read(sql: string): Promise<Row[]>
  /** Rows as the server sends them; nothing else can be asked until they are read. */
  stream(sql: string): AsyncIterable<RawResult>
  /** Loads bytes by a `LOAD DATA LOCAL INFILE` statement. */
  load(sql: string, bytes: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Outcome>
}

const SAVEPOINT = 'rowback_step'

/**
 * Does some work whole or not at all within the transaction.
 * @throws what the work throws, after the savepoint was taken back; a lost or aborted transaction has none any more
 */
export async function allOrNothing<T>(statements: Statements, work: () => Promise<T>): Promise<T> {
  await statements.execute(`SAVEPOINT ${SAVEPOINT}`)
  try {
    const result = await work()
    await statements.execute(`RELEASE SAVEPOINT ${SAVEPOINT}`)
    return result
  } catch (error) {
    await statements.execute(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`).catch(() => {})
    throw error
  }
}
