import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Table } from '../model/table.ts'
import type { Repository } from '../store/repository.ts'
import type { SchemaChange } from './schema-change.ts'
import { diffImages, liveImage, storedImage } from './table-image.ts'

/** A table that a version writes although the database cannot abort that, and the backup taken before. */
export interface Guarded {
  table: string
  /** Of the table: `MyISAM`. */
  storage: string
  anchor: string
}

const WAIT_MS = 60_000

/** What to know before such a table is written. */
export function notAtomicNote({ name, storage }: Pick<Table, 'name' | 'storage'>): string {
  return (
    `${name} is ${storage}, which cannot abort a load: if this one fails or is interrupted, its rows are put back from ` +
    'the backup taken before, and with them whatever others write into it meanwhile.'
  )
}

/**
 * Brings the rows of a table back to what the backup has, by writing those that differ, and proves it by comparing again.
 * To be called outside a transaction; may be repeated after it was interrupted at any moment.
 * @returns what was done, in a sentence
 * @throws RowbackError `rows.half_written` (exit code 6) when that does not come about
 */
export async function putBackRows(
  engine: Engine,
  ledger: Ledger,
  repository: Repository | null,
  version: number,
  guarded: Guarded
): Promise<string> {
  const { table: name, storage, anchor } = guarded
  try {
    const wanted = (await repository?.manifest(anchor))?.tables.find((entry) => entry.name === name)
    const table = (await engine.tables([])).find((entry) => entry.name === name)
    if (!repository || !wanted) throw new Error(`the backup ${anchor} of it is not there`)
    if (!table) throw new Error('the table is not there')
    await repository.prove([wanted])
    await liftTriggers(engine, ledger, version, table)
    const differences = () => diffImages(name, liveImage(engine, table), storedImage(repository, wanted))
    await engine.transaction({ wait: WAIT_MS, foreignKeys: false }, () =>
      engine.applyChanges(table, differences, version, null)
    )
    for await (const _ of differences()) throw new Error('its rows did not read back as the backup has them')
    return `${name} is ${storage}, which cannot abort: its rows were put back from the backup taken before version ${version}; checked.`
  } catch (error) {
    throw halfWritten(version, guarded, error)
  }
}

/** They are put back by whoever settles their note, now or after the next interruption. */
async function liftTriggers(engine: Engine, ledger: Ledger, version: number, table: Table): Promise<void> {
  if (table.triggers.length === 0) return
  const note: SchemaChange = { kind: 'triggers', table: table.name, statements: engine.triggerStatements(table) }
  await ledger.addSchemaNote(version, JSON.stringify(note))
  await engine.liftTriggers(table)
}

function halfWritten(version: number, { table, storage, anchor }: Guarded, cause: unknown): RowbackError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new RowbackError({
    code: 'rows.half_written',
    message: `Version ${version} failed, and the rows of ${table} (${storage}, which cannot abort) could not be put back: ${reason}`,
    state: `${table} may hold half of version ${version}. The backup ${anchor} holds its rows as they were before; that is noted.`,
    hint: 'Mend the cause, then put them back with: rowback recover',
    exit: ExitCode.interrupted,
    cause
  })
}
