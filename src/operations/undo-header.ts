import type { VersionHeader } from '../ledger/ledger.ts'
import { parseAuthor } from '../model/author.ts'
import type { LiveState } from '../strategies/session.ts'
import type { Context } from './context.ts'

/** What a version says of itself that takes others back; it goes on with the strategy of the newest one. */
export function undoHeader(
  context: Context,
  live: LiveState,
  given: { author?: string | undefined; remarks?: string | undefined; tag?: string | undefined },
  about: { kind: 'rollback' | 'revert'; description: string; targetVersion: number }
): VersionHeader {
  const latest = live.versions.findLast((version) => version.status === 'committed' && version.kind !== 'baseline')
  return {
    ...about,
    strategy: context.config.strategy ?? latest?.strategy ?? 'snapshot',
    author: parseAuthor(given.author ?? context.config.author),
    remarks: given.remarks ?? null,
    tag: given.tag ?? null,
    sourceName: null,
    sourceSha256: null
  }
}
