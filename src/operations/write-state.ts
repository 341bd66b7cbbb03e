import { z } from 'zod'
import type { Restored } from '../strategies/restore-into.ts'
import { restoreInto } from '../strategies/restore-into.ts'
import { StateReader } from '../strategies/state-reader.ts'
import type { Context } from './context.ts'
import { names, text, versionReference } from './inputs.ts'

/** A state that was written into another database. */
export interface WrittenState extends Restored {
  /** The version that left it. */
  from: number
  /** The database that it is in. */
  to: string
}

/** What every operation that writes a state elsewhere asks for. */
export const writeStateInput = z.object({
  version: versionReference('the version whose state is written; 0 is what was there before the first'),
  to: text('the database to write into, such as shop-at-6.db or mysql://user@host/shop_at_6', 'URL'),
  table: names('only these tables', 'TABLE[,TABLE]').optional()
})

export const WRITE_STATE_DETAILS = `The database has none of these tables yet; a SQLite file is made. What is written is read back and compared; on any error nothing of it stays. In a database of the same kind the tables are what they were. In one of another kind (MySQL, SQLite) every value is the same, and notes say what else is not: types, defaults, indexes, foreign keys.`

/** Writes the state that a version left into another database. */
export async function writeState(context: Context, input: z.output<typeof writeStateInput>): Promise<WrittenState> {
  const from = await context.versionNumberOrTime(input.version)
  const repository = await context.repository()
  const target = await context.openOther(urlOf(input.to))
  try {
    return await context.engine.readTransaction(async () => {
      const reader = await StateReader.open(context.engine, await context.liveState(), repository, from)
      const restored = await restoreInto(
        {
          reader,
          from: context.engine.name,
          state: `version ${from}`,
          tables: input.table ?? null,
          events: true,
          signal: context.signal
        },
        target
      )
      const notes = input.table ? restored.notes : [...(await leftOut(context)), ...restored.notes]
      return { from, to: target.database, tables: restored.tables, notes }
    })
  } finally {
    await target.close()
  }
}

async function leftOut({ engine }: Context): Promise<string[]> {
  const names = await engine.unsupportedTables()
  return names.map((name) => `${name} is left out: it is no plain table, or has a type that is not known.`)
}

/** A plain path is a SQLite file; a single letter before the colon is a drive. */
function urlOf(to: string): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(to) ? to : `sqlite:${to}`
}
