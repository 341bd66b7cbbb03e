import { expect } from 'vitest'
import type { RowbackError } from '../../src/errors.ts'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import { keyOf } from './properties-model.ts'
import type { Played, PlayedVersion } from './properties-scenario.ts'
import type { DatabaseState, ExactCell, TableState } from './properties-state.ts'
import { show } from './properties-state.ts'
import type { TableSpec } from './properties-tables.ts'

interface Counts {
  table: string
  inserted: number
  updated: number
  deleted: number
}

/** Every rollback says how many rows of others it overwrote, and one that is not told to is refused. */
export async function checkDrift(played: Played): Promise<void> {
  for (const version of played.versions) {
    if (version.kind !== 'rollback') continue
    const to = version.output.targetVersion as number
    const expected = lostBy(played, to, version.number, version.before)
    expect(countsOf(version.output as RollbackOutput), `drift of rollback ${version.number} to ${to}`).toEqual(expected)
  }
  if (played.versions.length === 0) return
  await checkStatus(played)
  for (const hundredth of played.scenario.picks) await checkRefusal(played, played.pick(hundredth))
}

async function checkStatus(played: Played): Promise<void> {
  const last = played.versions.at(-1) as PlayedVersion
  const expected = [...(await played.read())].flatMap(([name, now]) => {
    const then = last.after.get(name)
    return then ? counted(played.spec(name), rowChanges(played.spec(name), then, now)) : []
  })
  const { drift } = await played.db.status({ drift: true })
  expect(drift?.notes).toEqual([])
  expect(countsOf({ drift: drift?.tables ?? [] }), 'drift that status shows').toEqual(bySize(expected))
}

/** Refused where rows of others would be lost, and nothing changes; done with `yes`. The head may be the aim, too. */
async function checkRefusal(played: Played, to: number): Promise<void> {
  const before = await played.read()
  const expected = to === played.head ? lostSinceHead(played, before) : lostBy(played, to, played.head + 1, before)
  const told = await played.db.rollback(to).catch((error: unknown) => error)
  if (to === played.head && expected.length === 0) {
    expect(told, `rollback to the head ${to}`).toMatchObject({ code: 'rollback.head' })
    return
  }
  if (expected.length === 0) {
    expect(told, `rollback to ${to}`).toMatchObject({ targetVersion: to, drift: [] })
    await played.take(told as RollbackOutput)
    return
  }
  expect(told, `rollback to ${to}`).toMatchObject({ code: 'drift', exit: 5 })
  expect(
    countsOf((told as RowbackError).details as unknown as { drift: Counts[] }),
    `rollback to ${to} is refused for`
  ).toEqual(expected)
  expect(show(await played.read()), 'a rollback that is refused changes nothing').toEqual(show(before))
  const rehearsed = await played.db.rollback(to, { yes: true, dryRun: true })
  expect(countsOf(rehearsed), `rehearsal of a rollback to ${to}`).toEqual(expected)
  const aim = to === played.head ? (played.versions.at(-1) as PlayedVersion).after : played.stateOf(to)
  const { after } = await played.rollBackTo(to)
  expect(show(after), `rollback to ${to}`).toEqual(show(aim))
}

function lostSinceHead(played: Played, present: DatabaseState): Counts[] {
  const left = (played.versions.at(-1) as PlayedVersion).after
  return bySize(
    [...present].flatMap(([name, now]) => {
      const then = left.get(name)
      return then ? counted(played.spec(name), rowChanges(played.spec(name), then, now)) : []
    })
  )
}

function countsOf({ drift }: { drift: readonly Counts[] }): Counts[] {
  return bySize(drift.map(({ table, inserted, updated, deleted }) => ({ table, inserted, updated, deleted })))
}

function bySize(counts: Counts[]): Counts[] {
  return counts.sort((a, b) => (a.table < b.table ? -1 : 1))
}

/** What a rollback takes from others, by comparing whole states. @param number of the rollback */
function lostBy(played: Played, to: number, number: number, present: DatabaseState): Counts[] {
  const since = played.versions.filter((version) => version.number > to && version.number < number)
  const counts = [...present].flatMap(([name, now]) => {
    const writers = since.filter(({ output }) => output.tables.some(({ table }) => table === name))
    const isMade = writers.some(({ output }) => output.tables.some(({ table, created }) => table === name && created))
    const stored = played.stateOf(to).get(name)
    const wanted = stored && isMade && stored.schema !== now.schema ? undefined : stored
    if (!wanted && !isMade) return []
    const gaps: [TableState | undefined, TableState | undefined][] = []
    let left = wanted
    for (const { before, after } of writers) {
      gaps.push([left, before.get(name)])
      left = after.get(name)
    }
    gaps.push([left, now])
    const spec = played.spec(name)
    const theirs = gaps.flatMap(([a, b]) => (a && b && sameColumns(a, b) ? rowChanges(spec, a, b) : []))
    const route = rowChanges(spec, now, wanted ?? { ...now, rows: [] })
    const lost = route.flatMap((change) => {
      const traced = theirs.find((other) => other.id === change.id && isLost(other, change))
      if (!traced) return []
      return [{ id: change.id, before: traced.before && change.before, after: change.before }]
    })
    return counted(spec, lost)
  })
  return bySize(counts)
}

interface Change {
  id: string
  before: ExactCell[] | null
  after: ExactCell[] | null
}

function counted(spec: TableSpec, changes: Change[]): Counts[] {
  const of = (test: (change: Change) => boolean) => changes.filter(test).length
  const deleted = of(({ after }) => after === null)
  const inserted = of(({ before, after }) => before === null && after !== null)
  const updated = changes.length - deleted - inserted
  return changes.length === 0 ? [] : [{ table: spec.name, inserted, updated, deleted }]
}

function sameColumns(a: TableState, b: TableState): boolean {
  return a.columns.join() === b.columns.join()
}

function isLost(theirs: Change, { before: present, after: wanted }: Change): boolean {
  if (present === null) return theirs.after === null
  const { after: left } = theirs
  if (left === null) return false
  if (theirs.before === null && wanted === null) return true
  return left.some(
    (cell, i) => cell === present[i] && cell !== theirs.before?.[i] && (wanted === null || wanted[i] !== cell)
  )
}

/** By the key; a row with a NULL in it is told from others by all that it holds. */
function rowChanges(spec: TableSpec, before: TableState, after: TableState): Change[] {
  const [old, now] = [rowsById(spec, before), rowsById(spec, after)]
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((id) => {
    const [a = [], b = []] = [old.get(id), now.get(id)]
    if (a.length < 2 && b.length < 2) {
      const [x = null, y = null] = [a[0], b[0]]
      return x?.join() === y?.join() ? [] : [{ id, before: x, after: y }]
    }
    const more = Array.from({ length: Math.abs(a.length - b.length) })
    return more.map(() =>
      a.length > b.length ? { id, before: a[0] ?? null, after: null } : { id, before: null, after: b[0] ?? null }
    )
  })
}

function rowsById(spec: TableSpec, { columns, rows }: TableState): Map<string, ExactCell[][]> {
  const generated = spec.columns.filter((column) => column.generated).map((column) => column.name)
  const at = columns.flatMap((name, i) => (generated.includes(name) ? [] : [i]))
  return Map.groupBy(
    rows.map((row) => at.map((i) => row[i] ?? 'null')),
    (cells) => {
      const named = Object.fromEntries(at.map((i, position) => [columns[i] ?? '', cells[position] ?? 'null']))
      return keyOf(spec, spec.key ?? [], named) ?? `null ${cells.join('|')}`
    }
  )
}
