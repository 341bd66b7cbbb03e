import { operation } from '../operation.ts'
import type { WrittenState } from '../write-state.ts'
import { WRITE_STATE_DETAILS, writeState, writeStateInput } from '../write-state.ts'
import { namesBackup } from './named-backup.ts'

/** `checkout` by the name under which those look for it who think of backups; and the way without the database. */
export const backupRestore = operation({
  name: 'backup restore',
  summary: 'write the state that a version left, or a backup holds, into another, empty database',
  details: `${WRITE_STATE_DETAILS} Tables under the incremental strategy are made of a full backup and the change sets after it, one after the other, and not of their history in the database. To bring this database itself back, see: rowback rollback`,
  example: 'rowback backup restore 6 --to mysql://root@127.0.0.1/shop_at_6',
  positional: ['version'],
  input: writeStateInput,
  makesDatabase: false,
  whenInterrupted: ({ version }) => (namesBackup(version) ? null : 'refuse'),
  worksWithoutDatabase: true,
  run: (context, input): Promise<WrittenState> => writeState(context, input, { fromRepository: true })
})
