import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { TrackedTable } from '../model/version.ts'
import type { ChangeSet, TableChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { headOf, touching } from './lifetimes.ts'
import { changeSetsOf, lostBetween, rebuildOf } from './rebuild-at.ts'
import type { KnownHistory, LiveState } from './session.ts'

/**
 * Marks the histories that others took away. What they held is in the repository alone: each state of their tables is made
 * of change sets, like those that were taken out on purpose.
 */
export async function markLost(engine: Engine, { everTracked, versions }: KnownHistory): Promise<void> {
  if (everTracked.length === 0) return
  const there = new Set((await engine.controlTables()).map((name) => name.toLowerCase()))
  for (const tracked of everTracked) {
    if (there.has(tracked.history.toLowerCase())) continue
    tracked.isLost = true
    tracked.keptFrom = headOf(versions) + 1
  }
}

/** @throws RowbackError `history.missing` (exit code 7) where others took the history of a table away */
export function assertHistoryThere({ table, history, isLost }: TrackedTable): void {
  if (!isLost) return
  throw new RowbackError({
    code: 'history.missing',
    message: `${historyGone(table, history)} No version can write ${table} without it.`,
    state: 'The live rows are unharmed; nothing was changed.',
    hint: 'Make it again, empty, with earlier states in the repository alone: rowback recover. To write an earlier state elsewhere: rowback backup restore VERSION --to URL',
    exit: ExitCode.backupDamaged
  })
}

/** What is said of a table whose history others took away, a sentence. */
export function historyGone(table: string, history: string): string {
  return `The table ${history}, which kept the history of ${table}, is gone: others took it away.`
}

/**
 * Makes the histories again that others took away from tables that are there, empty: states before the last version that
 * wrote such a table are in the repository alone from then on. To be called where no version is being made.
 * @param wait for other writers, in milliseconds
 * @returns what was made, and which states are lost because the repository does not have them; sentences
 */
export async function remakeHistories(
  engine: Engine,
  ledger: Ledger,
  repository: Repository | null,
  live: LiveState,
  wait: number
): Promise<string[]> {
  const notes: string[] = []
  for (const tracked of live.everTracked.filter(({ isLost }) => isLost)) {
    const isKept = live.tracked.get(tracked.table) === tracked
    const table = isKept ? live.tables.find(({ name }) => name === tracked.table) : undefined
    if (!table) {
      notes.push(
        `${historyGone(tracked.table, tracked.history)} What it held is in the repository alone; to write a state elsewhere: rowback backup restore VERSION --to URL`
      )
      continue
    }
    const before = touching(live.versions, tracked).at(-1) ?? tracked.since
    const mark = () => ledger.keepHistoryFrom(tracked, before)
    const make = () => engine.makeHistory(table, { history: tracked.history, live: true })
    const how = { wait, foreignKeys: true }
    // Where making a table commits, the mark is there first: an empty history without it would tell a wrong past.
    if (engine.capabilities.transactionalDdl) await engine.transaction(how, () => mark().then(make))
    else await engine.transaction(how, mark).then(make)
    notes.push(
      `${historyGone(tracked.table, tracked.history)} It is made again, empty; states before version ${before} are in the repository alone.`,
      ...(await lossNotes(repository, live, tracked))
    )
  }
  return notes
}

/** That the repository has all states, or which it has not, and why. */
async function lossNotes(repository: Repository | null, live: KnownHistory, tracked: TrackedTable): Promise<string[]> {
  const { table } = tracked
  try {
    const lost = repository ? await statesLost(repository, live, tracked) : null
    if (lost === null) return [`There is no repository: no earlier state of ${table} can be made any more.`]
    if (lost.size === 0) return [`Every state of ${table} was made once from there, and is whole.`]
    const versions = [...lost.keys()].sort((a, b) => a - b)
    return [
      `It does not have ${table} as version ${versions.join(', ')} left it, which is lost: ${[...new Set(lost.values())].join(' ')}`
    ]
  } catch (error) {
    if (!(error instanceof RowbackError)) throw error
    return [`What it has of ${table} cannot be read. ${error.message}`]
  }
}

/** By version, why the repository does not make a table as that version left it. */
async function statesLost(
  repository: Repository,
  live: KnownHistory,
  tracked: TrackedTable
): Promise<Map<number, string>> {
  const lost = new Map<number, string>()
  const changeSets = await changeSetsOf(repository, live, tracked)
  let since: number[] = []
  for (const [i, version] of touching(live.versions, tracked).entries()) {
    const all = changeSets.filter((changeSet) => changeSet.version <= version)
    const gap = lostBetween(live, tracked, all, version)
    if (gap !== undefined) {
      lost.set(version, `${repository.root} lacks the change set of version ${gap}.`)
      continue
    }
    since.push(version)
    const next = touching(live.versions, tracked)[i + 1]
    // What the newest is made of makes those before as well, down to one that lists all rows.
    const then = next === undefined ? undefined : entryOf(changeSets, tracked, next)
    if (then && !then.all && then.rows !== null) continue
    const fault = await faultAt(repository, live, tracked, version, all)
    if (fault !== null) for (const one of since) lost.set(one, fault)
    since = []
  }
  return lost
}

async function faultAt(
  repository: Repository,
  live: KnownHistory,
  tracked: TrackedTable,
  at: number,
  changeSets: readonly ChangeSet[]
): Promise<string | null> {
  if (entryOf(changeSets, tracked, at)?.rows === null) return null
  try {
    for await (const _ of (await rebuildOf(repository, live, tracked, at, changeSets)).rows());
    return null
  } catch (error) {
    if (error instanceof RowbackError) return error.message
    throw error
  }
}

function entryOf(
  changeSets: readonly ChangeSet[],
  { table, since }: TrackedTable,
  at: number
): TableChangeSet | undefined {
  const changeSet = changeSets.find(({ version }) => version === at)
  return changeSet?.tables.find((entry) => entry.name === table && entry.since === since)
}
