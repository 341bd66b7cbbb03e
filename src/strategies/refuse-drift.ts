import { ExitCode, RowbackError } from '../errors.ts'
import type { DriftJson } from '../model/drift.ts'
import { driftJson, driftsInWords, listed, MOST_NAMED } from '../model/drift.ts'
import { plural } from '../model/plural.ts'
import type { Drift } from './find-drift.ts'

/**
 * @param to the version to go back to
 * @param head the newest version
 * @throws RowbackError `drift` (exit code 5) where rows of others would be lost, `drift.unknown` where
 *   that is not known because a record is lost: they go only when the user says so
 */
export function refuseDrift({ tables, unknown, notes }: Drift, to: number, head: number): void {
  if (tables.length === 0) {
    if (unknown.length > 0) throw notKnown(unknown, notes)
    return
  }
  const drift = tables.map(driftJson)
  const see =
    to === head
      ? 'To see them: rowback status --drift'
      : `To see them, among what versions changed since: ${diffOf(to, drift)}`
  throw new RowbackError({
    code: 'drift',
    message: `Others changed ${driftsInWords(drift)} since version ${to}, which would be lost.`,
    hint: `To overwrite them, add --yes; a backup or the history keeps them. ${see}`,
    exit: ExitCode.conflict,
    details: { drift, notes }
  })
}

function notKnown(unknown: Drift['unknown'], notes: string[]): RowbackError {
  const named = unknown.slice(0, MOST_NAMED).map(({ table, versions }) => {
    return `what ${versions.length > 1 ? 'versions' : 'version'} ${versions.join(', ')} left of ${table}`
  })
  const more = unknown.length - named.length
  const all = listed(more > 0 ? [...named, `what versions left of ${plural(more, 'more table')}`] : named)
  return new RowbackError({
    code: 'drift.unknown',
    message: `The repository has lost the record of ${all}: it is not known which rows others changed then, and they would be lost.`,
    hint: 'If the folder left of the repository stands elsewhere, put it back. To overwrite such rows unseen, add --yes; a backup keeps them. To see what is missing: rowback backup verify',
    exit: ExitCode.conflict,
    details: { drift: [], unknown, notes }
  })
}

/** @throws RowbackError `drift` (exit code 5) where histories would be closed with rows of others as what versions left */
export function refuseClosing({ tables, notes }: Drift): void {
  if (tables.length === 0) return
  const drift = tables.map(driftJson)
  throw new RowbackError({
    code: 'drift',
    message: `Others changed ${driftsInWords(drift)} since the versions that wrote them. A history that is closed now would show this as what those versions left.`,
    hint: 'Record it first: rowback adopt. To see it: rowback status --drift. To close the history all the same, add --yes.',
    exit: ExitCode.conflict,
    details: { drift, notes }
  })
}

function diffOf(to: number, drift: readonly DriftJson[]): string {
  const [only] = drift.length === 1 ? drift : []
  return `rowback diff ${to}${only && /^\w+$/.test(only.table) ? ` --table ${only.table}` : ''}`
}
