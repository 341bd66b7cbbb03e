import { ExitCode, RowbackError } from '../errors.ts'
import { misleadingChanges, unsettledChanges } from '../strategies/schema-change.ts'
import type { Context } from './context.ts'
import { recoverRuns } from './recover.ts'

/** What to say of runs that were found interrupted. */
export function interruptedNotes(interrupted: readonly number[]): string[] {
  return interrupted.map(
    (number) => `Version ${number} had been interrupted; nothing of it was written. It is marked as failed.`
  )
}

/**
 * Finishes or takes back what interrupted runs left in tables and schema, before an operation looks at them to write.
 * @param wait for a run that is at work, in milliseconds
 * @returns what was done, in sentences
 * @throws RowbackError `locked`, or (exit code 6) what cannot be finished
 */
export async function recoverFirst(context: Context, wait: number): Promise<string[]> {
  if ((await unsettledChanges(context.ledger)).length === 0) return []
  const { recovered, notes = [] } = await recoverRuns(context, wait)
  return [...interruptedNotes(recovered), ...notes]
}

/**
 * Makes sure that the tables are in the state of a version, for who only reads: a run that is at work is no concern of
 * readers, what one left behind is. On a cluster a run that is pending may be at work on another server.
 * @throws RowbackError `run.interrupted` (exit code 6)
 */
export async function refuseInterrupted({ engine, ledger }: Context): Promise<void> {
  const look = () => misleadingChanges(ledger, engine.capabilities.exclusiveEverywhere)
  if ((await look()).length === 0) return
  const left = await engine.exclusively(0, look).catch((error: unknown) => {
    if (error instanceof RowbackError && error.exit === ExitCode.locked) return []
    throw error
  })
  if (left.length === 0) return
  throw new RowbackError({
    code: 'run.interrupted',
    message: `A run was interrupted, and its tables are not in the state of any version: ${left.join('; ')}.`,
    hint: 'Put that right first: rowback recover. See what is left with: rowback status',
    exit: ExitCode.interrupted
  })
}
