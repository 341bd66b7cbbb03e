import type { Style } from '../render.ts'
import { adoptView } from './adopt.ts'
import { backupCreateView, backupExportView, backupListView, backupPruneView, backupVerifyView } from './backups.ts'
import { blameView } from './blame.ts'
import { diffView, rowsView } from './changes.ts'
import { enableView } from './enable.ts'
import { execView } from './exec.ts'
import { revertView } from './revert.ts'
import { writtenStateView } from './states.ts'
import { inspectView, queryView, statusView } from './tables.ts'
import { initView, logView, migrateView, recoverView, rollbackView, showView } from './versions.ts'

type View = (output: never, style: Style) => string

const VIEWS: Record<string, View> = {
  init: initView,
  inspect: inspectView,
  migrate: migrateView,
  exec: execView,
  log: logView,
  show: showView,
  rows: rowsView,
  retry: migrateView,
  diff: diffView,
  blame: blameView,
  query: queryView,
  checkout: writtenStateView,
  rollback: rollbackView,
  enable: enableView,
  revert: revertView,
  adopt: adoptView,
  'backup create': backupCreateView,
  'backup list': backupListView,
  'backup verify': backupVerifyView,
  'backup prune': backupPruneView,
  'backup export': backupExportView,
  'backup restore': writtenStateView,
  status: statusView,
  recover: recoverView
}

/** How a person sees the result of an operation. */
export function viewOf(operation: string): (output: unknown, style: Style) => string {
  const view = VIEWS[operation]
  if (!view) throw new Error(`${operation} has no view`)
  return view as (output: unknown, style: Style) => string
}
