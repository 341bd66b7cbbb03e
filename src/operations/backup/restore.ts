import { usageError } from '../../errors.ts'
import { BackupReader } from '../../strategies/backup-reader.ts'
import type { Context } from '../context.ts'
import { versionReference } from '../inputs.ts'
import { operation } from '../operation.ts'
import type { WriteStateInput, WrittenState } from '../write-state.ts'
import { WRITE_STATE_DETAILS, writeInto, writeState, writeStateInput } from '../write-state.ts'
import { backupNamed, namesBackup, shownName } from './named-backup.ts'

const input = writeStateInput.extend({
  version: versionReference(
    'the version whose state is written, or a backup: its name, a beginning of it such as 000003, or latest'
  ).meta({ placeholder: 'VERSION|BACKUP' })
})

/** `checkout` by the name under which those look for it who think of backups; and the way without the database. */
export const backupRestore = operation({
  name: 'backup restore',
  summary: 'write the state that a version left, or a backup holds, into another, empty database',
  details: `${WRITE_STATE_DETAILS} A backup that is named as such (see: rowback backup list) needs nothing but the repository: it can be written when its database is lost, and holds what there was when it was taken. To bring this database itself back, see: rowback rollback`,
  example: 'rowback backup restore 6 --to mysql://root@127.0.0.1/shop_at_6',
  positional: ['version'],
  input,
  makesDatabase: false,
  worksWithoutDatabase: true,
  run: (context, input): Promise<WrittenState> =>
    namesBackup(input.version) ? writeBackup(context, input) : writeState(context, input)
})

/** Writes what a backup holds, with nothing but the repository. */
async function writeBackup(context: Context, input: WriteStateInput): Promise<WrittenState> {
  await refuseTag(context, input.version)
  const repository = await context.repositoryByItself()
  const backup = await backupNamed(repository, input.version)
  const manifest = await repository.manifest(backup)
  const { state, takenAt, engine } = manifest
  return writeInto(context, input, async (write, to) => {
    const reader = new BackupReader(repository, manifest)
    const { tables, notes } = await write({ reader, from: engine, state: `backup ${shownName(backup)}` })
    const holds = `The backup holds the state of version ${state}, taken at ${takenAt}; changes made after that are not in it.`
    return { from: state, backup, to, tables, notes: [holds, ...notes] }
  })
}

/** @throws RowbackError `backup.ambiguous` where the word is also a version's tag, as far as the database can be asked */
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
