import { RowbackError } from '../errors.ts'
import type { Context } from './context.ts'

/**
 * An error for who asked what only a ledger knows, where there is none: with backups in the repository it shows the way
 * without it.
 * @param error what is wrong with the database
 * @param why the ledger is needed, a sentence
 */
export async function ledgerNeeded(context: Context, error: unknown, why: string): Promise<unknown> {
  if (!(error instanceof RowbackError)) return error
  if ((await (await context.repositoryByItself()).names()).length === 0) return error
  const { code, message, state, hint, exit } = error
  return new RowbackError({
    code,
    message: `${message} ${why}`,
    state,
    hint: `${withStop(hint)} If the database is lost: rowback backup list, then rowback backup restore BACKUP --to URL, each with --repository DIR where the backups are elsewhere.`.trimStart(),
    exit,
    cause: error
  })
}

function withStop(hint: string): string {
  return hint === '' || /[.!?]$/.test(hint) ? hint : `${hint}.`
}
