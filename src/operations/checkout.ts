import { namesBackup } from './backup/named-backup.ts'
import { operation } from './operation.ts'
import type { WrittenState } from './write-state.ts'
import { WRITE_STATE_DETAILS, writeState, writeStateInput } from './write-state.ts'

export const checkout = operation({
  name: 'checkout',
  summary: 'write the state that a version left, or a backup holds, into another database, to be looked at there',
  details: WRITE_STATE_DETAILS,
  example: 'rowback checkout 6 --to shop-at-6.db',
  positional: ['version'],
  input: writeStateInput,
  makesDatabase: false,
  whenInterrupted: ({ version }) => (namesBackup(version) ? null : 'refuse'),
  worksWithoutDatabase: true,
  run: (context, input): Promise<WrittenState> => writeState(context, input, { fromRepository: false })
})
