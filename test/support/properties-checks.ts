import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'vitest'
import { RowbackError } from '../../src/errors.ts'
import { backupRestore } from '../../src/operations/backup/restore.ts'
import type { ChangeJson } from '../../src/operations/change-json.ts'
import { checkout } from '../../src/operations/checkout.ts'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import type { SucceededRow } from '../../src/operations/rows.ts'
import { rows as rowsOperation } from '../../src/operations/rows.ts'
import type { TableJson } from '../../src/operations/version-json.ts'
import type { Counts } from './properties-model.ts'
import { applyLoad, countByKey, keyOf, verdicts } from './properties-model.ts'
import type { Played, PlayedMigration, PlayedVersion } from './properties-scenario.ts'
import { quoteName } from './properties-sqlite.ts'
import type { DatabaseState, TableState } from './properties-state.ts'
import { columnsOf, jsonCell, show, sortRows } from './properties-state.ts'
import type { TableSpec } from './properties-tables.ts'
import { errorOf } from './suite-engine-bench.ts'

/** Each rollback, in the middle and at the end, leaves exactly what its version left. */
export async function checkRollbacks(played: Played): Promise<void> {
  for (const { kind, output, after } of played.versions) {
    if (kind !== 'rollback') continue
    const to = output.targetVersion as number
    expect(show(after), `version ${output.version}, a rollback to ${to}`).toEqual(show(played.stateOf(to)))
  }
  const { reachable, head } = played
  for (const pick of played.scenario.picks) {
    const to = played.pick(pick, reachable)
    if (to === played.head || played.versions.length === 0) continue
    expect(show((await played.rollBackTo(to)).after), `rollback to ${to}`).toEqual(show(played.stateOf(to)))
    expect(show((await played.rollBackTo(head)).after), `and back to ${head}`).toEqual(show(played.stateOf(head)))
  }
}

/** Each state can be asked in the database, cell by cell. */
export async function checkStates(played: Played): Promise<void> {
  for (const number of played.versions.length === 0 ? [] : played.numbers) {
    for (const { name } of played.tables) await checkTable(played, number, name)
  }
}

async function checkTable(played: Played, number: number, name: string): Promise<void> {
  const { engine, db } = played
  const state = played.stateOf(number).get(name)
  const where = `${name} at ${number}`
  if (!state) {
    const asked = db.query(`SELECT * FROM ${engine.quote(name)}`, { at: number })
    const codes = played.lost.has(number)
      ? /^(table.missing|query.invalid|backup.missing)$/
      : /^(table.missing|query.invalid)$/
    expect((await errorOf(asked)).code, where).toMatch(codes)
    return
  }
  const { sql, cells } = engine.exactly(name, state)
  const answer = await unlessLost(played, [number], db.query(sql, { at: number }))
  if (!answer) return
  const { rows } = answer
  const found = new Map([[name, { ...state, rows: sortRows(rows.map(cells)) }]])
  expect(show(found), where).toEqual(show(new Map([[name, state]])))
}

/** @returns null where that is refused because one of these versions was given up */
async function unlessLost<T>(played: Played, versions: readonly number[], asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    const isLost = versions.some((version) => played.lost.has(version))
    if (isLost && error instanceof RowbackError && error.code === 'backup.missing') return null
    throw error
  }
}

/** States can be written into other databases. */
export async function checkCopies(played: Played): Promise<void> {
  const { engine, folder, scenario } = played
  if (played.versions.length === 0) return
  for (const number of new Set(scenario.picks.map((pick) => played.pick(pick)))) {
    for (const from of [checkout, backupRestore]) {
      const copy = await engine.make(folder, `${from.name} ${number}`)
      try {
        await played.db.run(from, { version: String(number), to: copy.target })
        expect(show(await copy.read()), `${from.name} ${number}`).toEqual(show(played.stateOf(number)))
      } finally {
        await copy.close()
      }
    }
  }
}

/** The rows that a migration wrote are those that the source had, by an independent model of the write modes. */
export async function checkWrites(played: Played): Promise<void> {
  for (const migration of played.migrations) {
    checkWrite(migration)
    checkOthersUntouched(migration)
    if (migration.rehearsal) checkRehearsal(migration)
  }
}

function checkWrite(migration: PlayedMigration): void {
  const { load, before, after, failed, output } = migration
  const name = load.spec.name
  const now = after.get(name) as TableState
  const declared = declaredTypes(now)
  const lines = new Set(failed.flatMap((row) => (row.line === null ? [] : [row.line])))
  for (const [line, verdict] of verdicts(load, before, declared, lines)) {
    const where = `version ${migration.number}, line ${line}: ${failed.find((row) => row.line === line)?.reason ?? 'written'}`
    if (verdict !== 'depends') expect(lines.has(line) ? 'fails' : 'succeeds', where).toBe(verdict)
  }
  const { rows, counts, kept } = applyLoad(load, before.get(name), declared, lines, now)
  const expected = new Map(after).set(name, { ...now, rows })
  expect(show(after), `version ${migration.number}`).toEqual(show(expected))
  const stuck = failed.filter((row) => row.line === null).length
  expect(stuck, 'rows that the source does not have and that stayed are reported').toBe(kept)
  const [report] = output.tables
  expect(report, `version ${migration.number}`).toMatchObject({
    table: name,
    read: load.rows.length,
    failed: lines.size + stuck,
    ...counts
  })
}

function checkOthersUntouched({ before, after, load, number }: PlayedMigration): void {
  const others = (state: DatabaseState) => new Map([...state].filter(([name]) => name !== load.spec.name))
  expect(show(others(after)), `other tables than that of version ${number}`).toEqual(show(others(before)))
}

/** A rehearsal promises what then happens. */
function checkRehearsal({ rehearsal, output, number }: PlayedMigration): void {
  const shown = ({ failedRows: _path, ...counts }: TableJson & { failedRows: string | null }) => counts
  expect(rehearsal?.tables.map(shown), `the rehearsal of version ${number}`).toEqual(output.tables.map(shown))
}

/** The counts of migrations are what really changed between the states, by key. */
export async function checkMigrationCounts(played: Played): Promise<void> {
  for (const { number, load, before, after, output } of played.migrations) {
    const { name } = load.spec
    const [report] = output.tables
    const { inserted, updated, deleted } = report as TableJson
    if (load.key) {
      const really = countByKey(load.spec, load.key, before.get(name), after.get(name))
      expectCounts(load.spec, { inserted, updated, deleted }, really, `counts of version ${number}`)
    } else {
      const [was, is] = [before.get(name)?.rows.length ?? 0, after.get(name)?.rows.length ?? 0]
      expect(inserted - deleted, `rows that version ${number} added`).toBe(is - was)
    }
  }
}

/** Those of scripts too; a table that the database changed on the way is counted as well. */
export async function checkScriptCounts(played: Played): Promise<void> {
  for (const { kind, number, before, after, output } of played.versions) {
    if (kind !== 'exec') continue
    for (const { name, key } of played.tables) {
      const spec = played.tables.find((candidate) => candidate.name === name) as TableSpec
      const report = output.tables.find((entry) => entry.table === name)
      const { inserted, updated, deleted } = report ?? { inserted: 0, updated: 0, deleted: 0 }
      const where = `counts of ${name} in version ${number}`
      const [was, is] = [before.get(name)?.rows.length ?? 0, after.get(name)?.rows.length ?? 0]
      if (key)
        expectCounts(
          spec,
          { inserted, updated, deleted },
          countByKey(spec, key, before.get(name), after.get(name)),
          where
        )
      else expect(inserted - deleted, where).toBe(is - was)
    }
  }
}

/** So are those of rollbacks and reverts. */
export async function checkUndoCounts(played: Played): Promise<void> {
  for (const version of played.versions) {
    if (version.kind !== 'rollback' && version.kind !== 'revert') continue
    for (const spec of played.tables) if (spec.key) checkRollbackCount(version, spec, spec.key)
  }
}

/** A rehearsal promises what then happens. */
export async function checkRehearsals(played: Played): Promise<void> {
  for (const pick of played.scenario.picks) await checkRollbackRehearsal(played, played.pick(pick))
}

async function checkRollbackRehearsal(played: Played, to: number): Promise<void> {
  if (to === played.head || played.versions.length === 0) return
  const { tables, route } = await played.db.rollback(to, { dryRun: true })
  expect(show(await played.read()), 'a rehearsal changes nothing').toEqual(show(played.stateOf(played.head)))
  const { output } = await played.rollBackTo(to)
  expect({ tables, route }, `the rehearsal of a rollback to ${to}`).toEqual({
    tables: output.tables,
    route: (output as RollbackOutput).route
  })
}

function checkRollbackCount({ number, before, after, output }: PlayedVersion, spec: TableSpec, key: string[]): void {
  const reports = output.tables.filter((report) => report.table === spec.name)
  const [was, is] = [before.get(spec.name), after.get(spec.name)]
  const reported = { inserted: 0, updated: 0, deleted: 0 }
  for (const { inserted, updated, deleted } of reports) {
    reported.inserted += inserted
    reported.updated += updated
    reported.deleted += deleted
  }
  const anew = reports.length > 1
  const really = anew
    ? { inserted: is?.rows.length ?? 0, updated: 0, deleted: was?.rows.length ?? 0 }
    : countByKey(spec, key, was, is)
  const where = `counts of ${spec.name} in version ${number}, which takes back to ${output.targetVersion}`
  expectCounts(spec, reported, really, where)
}

type WrittenCounts = Omit<Counts, 'unchanged'>

function expectCounts(spec: TableSpec, counts: WrittenCounts, really: WrittenCounts, where: string): void {
  const shown = ({ inserted, updated, deleted }: WrittenCounts) =>
    spec.foldsByServer ? [inserted - deleted, inserted + updated] : { inserted, updated, deleted }
  expect(shown(counts), where).toEqual(shown(really))
}

/** The difference of any two versions, applied to the state of the one, gives the state of the other. */
export async function checkDiffs(played: Played): Promise<void> {
  for (const from of played.versions.length === 0 ? [] : played.numbers) {
    for (const to of played.numbers) await checkDiff(played, from, to)
  }
}

/** The same for all pairs in which the head is. */
export async function checkDiffsOfHead(played: Played): Promise<void> {
  const { head } = played
  for (const other of played.numbers) {
    await checkDiff(played, other, head)
    if (other !== head) await checkDiff(played, head, other)
  }
}

async function checkDiff(played: Played, from: number, to: number): Promise<void> {
  const [before, after] = [played.stateOf(from), played.stateOf(to)]
  const diff = await tolerateOtherColumns(before, after, () => unlessLost(played, [from, to], played.db.diff(from, to)))
  if (!diff) return
  for (const spec of played.tables) {
    const where = `diff ${from} ${to} of ${spec.name}`
    const found = diff.tables.filter((table) => table.table === spec.name)
    expect(found.length, where).toBeLessThanOrEqual(1)
    const rows = found[0]?.rows ?? []
    checkChanges(spec, before.get(spec.name), after.get(spec.name), rows, where)
    const count = (op: ChangeJson['op']) => rows.filter((row) => row.op === op).length
    const { inserted = 0, updated = 0, deleted = 0 } = found[0] ?? {}
    expect({ inserted, updated, deleted }, where).toEqual({
      inserted: count('insert'),
      updated: count('update'),
      deleted: count('delete')
    })
  }
}

/** States whose table has other columns are not compared; that is said, and only then. */
async function tolerateOtherColumns<T>(
  before: DatabaseState,
  after: DatabaseState,
  compare: () => Promise<T>
): Promise<T | null> {
  const differ = [...before].some(([name, table]) => {
    const other = after.get(name)
    return other && other.columns.join('|') !== table.columns.join('|')
  })
  try {
    return await compare()
  } catch (error) {
    if (differ && error instanceof RowbackError && error.code === 'schema.changed') return null
    throw error
  }
}

/** The rows that `rows --succeeded` shows of a version lead from the state before it to the one after it. */
export async function checkSucceeded(played: Played): Promise<void> {
  for (const version of played.versions) {
    const { rows } = await played.db.run(rowsOperation, { version: version.number, succeeded: true })
    for (const spec of played.tables) {
      // Of a load it shows what the source did, and not what the database did then in other tables.
      if ('load' in version && spec !== version.load.spec) continue
      const own = (rows as SucceededRow[]).filter((row) => row.table === spec.name)
      const where = `rows --succeeded of version ${version.number}, ${spec.name}`
      checkChanges(spec, version.before.get(spec.name), version.after.get(spec.name), own, where)
    }
  }
}

type JsonRow = Record<string, null | number | string>

function checkChanges(
  spec: TableSpec,
  before: TableState | undefined,
  after: TableState | undefined,
  changes: ChangeJson[],
  where: string
): void {
  // What the database computes is not in a change.
  const generated = spec.columns.filter((column) => column.generated).map((column) => column.name)
  const rowsOf = (state: TableState | undefined) => (state ? jsonRows(state, generated) : [])
  const bag = new Map<string, number>()
  const add = (row: JsonRow, by: number) => {
    const text = JSON.stringify(row, Object.keys(row).sort())
    bag.set(text, (bag.get(text) ?? 0) + by)
  }
  for (const row of rowsOf(before)) add(row, 1)
  for (const change of changes) {
    if (change.before) add(change.before, -1)
    if (change.after) add(change.after, 1)
  }
  for (const row of rowsOf(after)) add(row, -1)
  const wrong = [...bag]
    .filter(([, times]) => times !== 0)
    .map(([row, times]) => `${times > 0 ? '+' : ''}${times} ${row}`)
  expect(wrong, `${where}: rows too many (+) or missing (-) after the changes`).toEqual([])
  for (const change of changes) checkForm(change, where)
  if (spec.key) checkKeys(spec, spec.key, before, after, changes, where)
}

function jsonRows(state: TableState, left: string[]): JsonRow[] {
  return state.rows.map((row) =>
    Object.fromEntries(
      state.columns
        .map((name, i) => [name, jsonCell(row[i] ?? 'null')] as const)
        .filter(([name]) => !left.includes(name))
    )
  )
}

function checkForm({ op, before, after, changed }: ChangeJson, where: string): void {
  expect([op, before === null, after === null], where).toEqual([op, op === 'insert', op === 'delete'])
  if (!before || !after) {
    expect(changed, where).toEqual([])
    return
  }
  const differ = Object.keys(after).filter((name) => before[name] !== after[name])
  // 1 and 1.0 look the same in JSON; nothing else may be missing or too much.
  expect(changed, where).toEqual(expect.arrayContaining(differ))
  expect(changed.length, `${where}: an update changes something`).toBeGreaterThan(0)
}

/** One change per key, and of the right kind. */
function checkKeys(
  spec: TableSpec,
  key: string[],
  before: TableState | undefined,
  after: TableState | undefined,
  changes: ChangeJson[],
  where: string
): void {
  const count = (op: ChangeJson['op']) => changes.filter((change) => change.op === op).length
  const counts = { inserted: count('insert'), updated: count('update'), deleted: count('delete') }
  expectCounts(spec, counts, countByKey(spec, key, before, after), `${where}: by key`)
  const keys = changes.map((change) => {
    expect(Object.keys(change.key).sort(), where).toEqual([...key].sort())
    for (const row of [change.before, change.after]) {
      if (row) expect(foldedKey(spec, key, row), where).toBe(foldedKey(spec, key, change.key))
    }
    return foldedKey(spec, key, change.key)
  })
  // In a table that was made anew with other types, the keys 1 and '1' are two.
  const sameTypes = !spec.foldsByServer && (!before || !after || before.schema === after.schema)
  if (sameTypes) expect(keys.length, `${where}: one change per key`).toBe(new Set(keys).size)
}

function foldedKey(spec: TableSpec, key: string[], row: JsonRow): string | null {
  const cells = key.map(
    (name) => [name, `text:${Buffer.from(String(row[name])).toString('hex').toUpperCase()}`] as const
  )
  return keyOf(spec, key, Object.fromEntries(cells))
}

function declaredTypes(state: TableState): Map<string, string> {
  return new Map(columnsOf(state).map((column) => [column.name, column.type]))
}

/** The chain of the ledger is whole, and whatever is altered in it shows. */
export async function checkChain(played: Played): Promise<void> {
  if (played.versions.length === 0) return
  expect((await played.db.status()).alteredVersions).toEqual([])
  const db = new DatabaseSync(join(played.folder, 'data.db'))
  try {
    await checkTampering(played, db)
  } finally {
    db.close()
  }
}

async function checkTampering(played: Played, db: DatabaseSync): Promise<void> {
  const versions = db.prepare('SELECT * FROM rowback_version ORDER BY version_id').all()
  const missed: string[] = []
  for (const version of versions) {
    for (const [field, value] of Object.entries(version)) {
      if (field === 'version_id') continue
      for (const other of otherValues(field, value)) {
        const set = db.prepare(`UPDATE rowback_version SET ${quoteName(field)} = ? WHERE version_id = ?`)
        set.run(other, Number(version.version_id))
        const { alteredVersions } = await played.db.status()
        if (alteredVersions.length === 0) missed.push(`${version.version_id}.${field}: ${value} -> ${other}`)
        set.run(value as string | number | null, Number(version.version_id))
      }
    }
  }
  expect(missed, 'fields that were altered without being noticed').toEqual([])
  expect((await played.db.status()).alteredVersions).toEqual([])
  await checkRemoval(played, db, versions.length)
}

/** Other values that the field could have; those of `status` are the ones that the ledger knows. */
function otherValues(field: string, value: unknown): (string | number | null)[] {
  if (field === 'status') return ['pending', 'failed', 'committed'].filter((status) => status !== value)
  if (field === 'target_version') return [value === null ? 0 : Number(value) + 1, value === null ? 1 : null]
  if (field === 'tables')
    return [value === '[]' ? '[{"table":"t"}]' : '[]', String(value).replace(/\d+/, (digits) => `1${digits}`)].filter(
      (text) => text !== value
    )
  return value === null ? ['x', ''] : [`${String(value)}x`, null].filter((text) => text !== null || NULLABLE.has(field))
}

const NULLABLE = new Set([
  'author_name',
  'author_email',
  'author_alias',
  'remarks',
  'tag',
  'source_name',
  'source_sha256',
  'anchor',
  'left_record',
  'error',
  'finished_at',
  'previous_hash',
  'hash'
])

/** An entry that is gone, or that changed places with another, shows in the one after it. */
async function checkRemoval(played: Played, db: DatabaseSync, count: number): Promise<void> {
  if (count < 3) return
  db.exec('BEGIN; CREATE TEMP TABLE kept AS SELECT * FROM rowback_version; COMMIT')
  const putBack = 'DELETE FROM rowback_version; INSERT INTO rowback_version SELECT * FROM kept'
  for (let number = 0; number < count - 1; number++) {
    db.exec(
      `DELETE FROM rowback_version WHERE version_id = (SELECT version_id FROM kept ORDER BY version_id LIMIT 1 OFFSET ${number})`
    )
    expect((await played.db.status()).alteredVersions, `entry ${number} removed`).not.toEqual([])
    db.exec(putBack)
  }
  db.exec(
    'UPDATE rowback_version SET version_id = -1 WHERE version_id = 0; UPDATE rowback_version SET version_id = 0 WHERE version_id = 1; UPDATE rowback_version SET version_id = 1 WHERE version_id = -1'
  )
  expect((await played.db.status()).alteredVersions, 'entries 0 and 1 changed places').not.toEqual([])
  db.exec(putBack)
  expect((await played.db.status()).alteredVersions).toEqual([])
}
