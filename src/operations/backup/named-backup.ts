import { ExitCode, RowbackError, usageError } from '../../errors.ts'
import type { Manifest } from '../../store/manifest.ts'
import type { Repository } from '../../store/repository.ts'
import { BackupReader } from '../../strategies/backup-reader.ts'
import type { Context } from '../context.ts'

/** The newest backup; where the database is lost, the newest state. */
export const LATEST = 'latest'
const SHOWN = 15

/**
 * Whether a word names a backup and not a version: `latest`, or the beginning of a backup's name. A number of six digits
 * without leading zeros is a version, and so may be a tag such as 202611-01.
 */
export function namesBackup(word: string): boolean {
  return word === LATEST || /^0\d{5}(-[0-9a-f]{0,64})?$/.test(word) || /^\d{6,}-[0-9a-f]{8,64}$/.test(word)
}

/** A backup's name as people see it. */
export function shownName(backup: string): string {
  return backup.slice(0, SHOWN)
}

/**
 * The name of the backup that a user names by a beginning of it, or as the latest.
 * @throws RowbackError `backup.missing` (exit code 7), or `backup.ambiguous` where several begin so
 */
export async function backupNamed(repository: Repository, word: string): Promise<string> {
  const names = await repository.names()
  const beginning = word === LATEST ? (names.at(-1)?.replace(/[^-]*$/, '') ?? word) : word
  const found = names.filter((name) => name.startsWith(beginning))
  const [name] = found
  if (found.length > 1) {
    throw usageError(
      'backup.ambiguous',
      `"${word}" may be ${found.length} backups: ${found.map((name) => shortest(name, found)).join(', ')}.`,
      'Write more of the name.'
    )
  }
  if (name === undefined) throw missing(repository, word, names)
  return name
}

/** A backup that a user named, to be read. */
export interface NamedBackup {
  name: string
  /** In words, for messages: `backup 000003-67489c16`. */
  title: string
  manifest: Manifest
  reader: BackupReader
}

/**
 * Opens the backup that a user names where a version could be named, too.
 * @param word one that {@link namesBackup} takes for a backup's
 * @throws RowbackError as {@link backupNamed} does, `backup.damaged`, and `backup.ambiguous` where the word is also the tag of
 *   a version, as far as the database can be asked
 */
export async function openBackup(context: Context, repository: Repository, word: string): Promise<NamedBackup> {
  await refuseTag(context, word)
  const name = await backupNamed(repository, word)
  const manifest = await repository.manifest(name)
  return { name, title: `backup ${shownName(name)}`, manifest, reader: new BackupReader(repository, manifest) }
}

async function refuseTag(context: Context, word: string): Promise<void> {
  if (context.lost || !context.ledger.exists) return
  const tagged = await context.tagged(word)
  if (!tagged) return
  throw usageError(
    'backup.ambiguous',
    `"${word}" is the tag of version ${tagged.number}, and may be a backup.`,
    `Name the version by its number, ${tagged.number}, or the backup by its whole name; see: rowback backup list`
  )
}

/** As much of a name as tells it from the others. */
function shortest(name: string, others: readonly string[]): string {
  let length = SHOWN
  while (length < name.length && others.some((other) => other !== name && other.startsWith(name.slice(0, length)))) {
    length += 1
  }
  return name.slice(0, length)
}

function missing(repository: Repository, word: string, names: readonly string[]): RowbackError {
  return new RowbackError({
    code: 'backup.missing',
    message:
      names.length === 0
        ? `There are no backups in ${repository.root}.`
        : `There is no backup "${word}" in the repository ${repository.root}.`,
    hint:
      names.length === 0
        ? 'Name the folder that holds them with --repository DIR, or a version by its number.'
        : 'See its backups with: rowback backup list. Name another folder with --repository DIR.',
    exit: ExitCode.backupDamaged
  })
}
