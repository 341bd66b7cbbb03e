import type { Row } from '../../model/value.ts'
import type { Outcome, RawResult } from './connection.ts'
import type { Product } from './product.ts'
import type { WireRowVisitor } from './wire-rows.ts'

/** What the parts of this engine send to the server, inside the transaction that is open. */
export interface Statements {
  readonly product: Product
  execute(sql: string): Promise<Outcome>
  read(sql: string): Promise<Row[]>
  /** Rows as the server sends them; nothing else can be asked until they are read. */
  stream(sql: string): AsyncIterable<RawResult>
  /** Hands rows on as they stand in the protocol, the cheapest way to look at many. */
  scan(sql: string, visit: WireRowVisitor): Promise<void>
  /** Loads bytes by a `LOAD DATA LOCAL INFILE` statement. */
  load(sql: string, bytes: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Outcome>
}

const SAVEPOINT = 'rowback_step'
/** One INSERT takes so many rows or characters, whichever is reached first; servers take 16 MiB and more. */
const INSERT_ROWS = 1000
const INSERT_CHARACTERS = 1 << 20

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

/** Runs an INSERT over many tuples in as few statements as are wise. */
export async function insertTuples(statements: Statements, insert: string, tuples: Iterable<string>): Promise<void> {
  let batch: string[] = []
  let characters = 0
  for (const tuple of tuples) {
    batch.push(tuple)
    characters += tuple.length
    if (batch.length < INSERT_ROWS && characters < INSERT_CHARACTERS) continue
    await statements.execute(insert + batch.join(', '))
    batch = []
    characters = 0
  }
  if (batch.length > 0) await statements.execute(insert + batch.join(', '))
}
