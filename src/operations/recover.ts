import { z } from 'zod'
import { carrySchema } from '../strategies/carry-schema.ts'
import { remakeHistories } from '../strategies/lost-history.ts'
import { settle } from '../strategies/run.ts'
import { readLiveState } from '../strategies/session.ts'
import type { Context } from './context.ts'
import { wait } from './inputs.ts'
import { operation } from './operation.ts'

export interface RecoverOutput {
  /** Runs that were found interrupted and are now marked as failed; they left nothing. */
  recovered: number[]
  /** Which rows were put back, where a table is not atomic, and which columns others changed, and which histories they took away; sentences, left out where there were none. */
  notes?: string[]
}

export const recover = operation({
  name: 'recover',
  summary: 'mark interrupted runs as failed, put right what they left, and bring histories up to their tables',
  details: `A run that was killed left nothing: its rows and its entry commit in one transaction. Rows of tables that are not atomic, such as MyISAM, are put back from the backup taken before. Its entry stays pending until this command, or whatever makes a version or a backup, marks it. Where others changed the columns of a table whose history is kept, the history follows, as it does with the next migration. A history that others took away is made again, empty: each earlier state is made once from the backup and the change sets in the repository, and what that lacks is said. Only where changes of tables are no part of a transaction (MySQL, MariaDB) can a run leave tables in the middle of one: what reads them then ends with exit code 6 until that is put right.`,
  example: 'rowback recover',
  positional: [],
  input: z.object({ wait }),
  makesDatabase: false,
  async run(context, options): Promise<RecoverOutput> {
    return recoverRuns(context, options.wait * 1000)
  }
})

/**
 * Marks interrupted runs as failed, and finishes or takes back what is left of them and of others.
 * @param wait for another migration, in milliseconds
 */
export async function recoverRuns(context: Context, wait: number): Promise<RecoverOutput> {
  const { engine, ledger } = context
  if (!ledger.exists) return { recovered: [] }
  const repository = await context.repository()
  return engine.exclusively(wait, async () => {
    const recovered = await ledger.recover(wait)
    const notes = await settle({ engine, ledger, repository })
    notes.push(...(await remakeHistories(engine, ledger, repository, await readLiveState(engine, ledger), wait)))
    notes.push(...(await carryColumns(context, wait)))
    return { recovered, ...(notes.length > 0 && { notes }) }
  })
}

/** What others did to the columns of tracked tables is carried into their histories, as of the version that comes next. */
async function carryColumns({ engine, ledger }: Context, wait: number): Promise<string[]> {
  const carry = async () => {
    const live = await readLiveState(engine, ledger)
    const { notes, refused } = await carrySchema(engine, ledger, live, (live.versions.at(-1)?.number ?? 0) + 1)
    return [...notes, ...[...refused.values()].map(({ message, hint }) => `${message} ${hint}`)]
  }
  return engine.capabilities.transactionalDdl ? engine.transaction({ wait, foreignKeys: true }, carry) : carry()
}
