import { ExitCode, RowbackError } from '../errors.ts'
import type { DriftJson } from '../model/drift.ts'
import { driftInWords, driftJson } from '../model/drift.ts'
import { plural } from '../model/plural.ts'
import type { Drift } from './find-drift.ts'

/** So many tables are named. */
const MOST_NAMED = 3

/**
 * @param to the version to go back to
 * @param head the newest version
 * @throws RowbackError `drift` (exit code 5) where rows of others would be lost: they go only when the user says so
 */
export function refuseDrift({ tables, notes }: Drift, to: number, head: number): void {
  if (tables.length === 0) return
  const drift = tables.map(driftJson)
  const named = drift.slice(0, MOST_NAMED).map(driftInWords)
  const all =
    tables.length > named.length ? [...named, `rows of ${plural(tables.length - named.length, 'more table')}`] : named
  const see =
    to === head
      ? 'To see them: rowback status --drift'
      : `To see them, among what versions changed since: ${diffOf(to, drift)}`
  throw new RowbackError({
    code: 'drift',
    message: `Others changed ${listed(all)} since version ${to}, which would be lost.`,
    hint: `To overwrite them, add --yes; a backup or the history keeps them. ${see}`,
    exit: ExitCode.conflict,
    details: { drift, notes }
  })
}

function diffOf(to: number, drift: readonly DriftJson[]): string {
  const [only] = drift.length === 1 ? drift : []
  return `rowback diff ${to}${only && /^\w+$/.test(only.table) ? ` --table ${only.table}` : ''}`
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join() : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}
