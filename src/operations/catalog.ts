import { adopt } from './adopt.ts'
import { backupCreate } from './backup/create.ts'
import { backupExport } from './backup/export.ts'
import { backupList } from './backup/list.ts'
import { backupPrune } from './backup/prune.ts'
import { backupRestore } from './backup/restore.ts'
import { backupVerify } from './backup/verify.ts'
import { blame } from './blame.ts'
import { checkout } from './checkout.ts'
import { diff } from './diff.ts'
import { enable } from './enable.ts'
import { exec } from './exec.ts'
import { init } from './init.ts'
import { inspect } from './inspect.ts'
import { log } from './log.ts'
import { migrate } from './migrate.ts'
import type { Operation } from './operation.ts'
import { query } from './query.ts'
import { recover } from './recover.ts'
import { retry } from './retry.ts'
import { revert } from './revert.ts'
import { rollback } from './rollback.ts'
import { rows } from './rows.ts'
import { show } from './show.ts'
import { status } from './status.ts'

/** Every verb, in the order in which a newcomer meets them. Each face is made from this list. */
export const catalog = [
  init,
  inspect,
  migrate,
  exec,
  log,
  show,
  rows,
  retry,
  diff,
  blame,
  query,
  checkout,
  rollback,
  revert,
  adopt,
  enable,
  backupCreate,
  backupList,
  backupVerify,
  backupPrune,
  backupExport,
  backupRestore,
  status,
  recover
] as unknown as readonly Operation[]
