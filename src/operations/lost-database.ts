import { RowbackError } from '../errors.ts'
import { plural } from '../model/plural.ts'
import { Repository } from '../store/repository.ts'
import type { NewestState } from '../strategies/lost-state.ts'
import { shownName } from './backup/named-backup.ts'
import type { Context } from './context.ts'

const LIST = 'rowback backup list'
const RESTORE = 'rowback backup restore'

/**
 * An error for who asked what only a ledger knows, where there is none: with backups in the repository it shows the way
 * without it.
 * @param error what is wrong with the database
 * @param why the ledger is needed, a sentence
 */
export async function ledgerNeeded(context: Context, error: unknown, why: string): Promise<unknown> {
  if (!(error instanceof RowbackError)) return error
  if ((await heldBy(await context.repositoryByItself())) === null) return error
  const { code, message, state, hint, exit } = error
  const way = `${LIST}, then ${RESTORE} BACKUP --to URL, each with --repository DIR where the backups are elsewhere.`
  // Where the database is not there at all, another first load is no way to what is in its backups.
  const isGone = code === 'target.missing' || code === 'version.unknown'
  return new RowbackError({
    code,
    message: `${message} ${why}`,
    state,
    hint: `${isGone ? '' : withStop(hint)} If the database is lost: ${way}`.trimStart(),
    exit,
    cause: error
  })
}

/**
 * An error about a database that is not there, which says so where the repository beside it has backups.
 * @param error what is wrong with the database
 * @param root the repository's folder
 */
export async function pointAtBackups(error: unknown, root: string): Promise<unknown> {
  if (!(error instanceof RowbackError) || error.code !== 'target.missing') return error
  const held = await heldIn(root)
  if (held === null) return error
  const { code, message, exit } = error
  return new RowbackError({
    code,
    message: `${message} The repository ${root} has ${held}.`,
    hint: `If the database is lost, see what there is with: ${LIST}; and write the newest state with: ${RESTORE} latest --to URL. Another database is named with --target URL.`,
    exit,
    cause: error
  })
}

/** The same of a folder; null also where it cannot be read, which is another matter. */
async function heldIn(root: string): Promise<string | null> {
  try {
    const repository = await Repository.openForReading(root, null)
    try {
      return await heldBy(repository)
    } finally {
      repository.close()
    }
  } catch (error) {
    if (error instanceof RowbackError) return null
    throw error
  }
}

/** Of what a repository can make states, in words; null where it has nothing. */
async function heldBy(repository: Repository): Promise<string | null> {
  const backups = (await repository.names()).length
  const changeSets = (await repository.changeSets.names()).length
  if (backups + changeSets === 0) return null
  return changeSets === 0
    ? plural(backups, 'backup')
    : `${plural(backups, 'backup')} and ${plural(changeSets, 'change set')}`
}

/** What writes the newest state that a repository makes; it is the latest only where no newer one is damaged. */
export function restoreNewest({ version, backup, fault }: NewestState): string {
  const word = fault === null ? 'latest' : backup === null ? version : shownName(backup)
  return `${RESTORE} ${word} --to URL`
}

/** What becomes of a database without its ledger, a sentence. @param to the database that a state was written into */
export function ledgerStays(to: string): string {
  return `The ledger does not come back with it: in ${to} versions begin anew, and need a new folder for their backups, named with --repository DIR or as repository: DIR in rowback.yaml. The old folder keeps the earlier states.`
}

function withStop(hint: string): string {
  return hint === '' || /[.!?]$/.test(hint) ? hint : `${hint}.`
}
