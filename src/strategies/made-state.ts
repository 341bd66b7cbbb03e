import { RowbackError } from '../errors.ts'
import type { ReadableState, StateTable } from './backup-reader.ts'
import { DoNotFit } from './increments.ts'

/** A state that is made of change sets, which only turn out not to make a table when all its rows are read. */
export interface MadeState extends ReadableState {
  /** The tables that were asked for and are made of change sets. */
  made(): StateTable[]
  /** Reads a table in another way from now on. @returns false where there is none */
  readOtherwise(table: string): boolean
}

/**
 * Does work that reads a state, and all of it again where change sets do not make a table: that is looked for when the work
 * fails, for a target may refuse such rows before the last of them was read.
 * @param work leaves nothing behind when it fails
 * @throws RowbackError `backup.drift` (exit code 5) where there is no other way to read the table
 */
export async function readingMade<T>(state: MadeState, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const misfit = error instanceof RowbackError ? await findMisfit(state.made()) : null
      if (misfit === null) throw error
      if (!state.readOtherwise(misfit.table)) throw misfit
    }
  }
}

async function findMisfit(tables: readonly StateTable[]): Promise<DoNotFit | null> {
  try {
    for (const table of tables) for await (const _ of table.rows());
    return null
  } catch (error) {
    if (error instanceof DoNotFit) return error
    throw error
  }
}
