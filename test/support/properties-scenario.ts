import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect } from 'vitest'
import { RowbackError } from '../../src/errors.ts'
import type { OnConflict } from '../../src/index.ts'
import type { WriteMode } from '../../src/model/change.ts'
import { WRITE_MODES } from '../../src/model/change.ts'
import type { FailedRow } from '../../src/model/failed-row.ts'
import type { AdoptOutput } from '../../src/operations/adopt.ts'
import { adopt } from '../../src/operations/adopt.ts'
import { backupPrune } from '../../src/operations/backup/prune.ts'
import type { EnableOutput } from '../../src/operations/enable.ts'
import type { ExecOutput } from '../../src/operations/exec.ts'
import type { MigrateOutput } from '../../src/operations/migrate.ts'
import type { RevertOutput } from '../../src/operations/revert.ts'
import type { RollbackOutput } from '../../src/operations/rollback.ts'
import type { MigratedVersion, Rowback } from '../../src/rowback.ts'
import { open } from '../../src/rowback.ts'
import type { DiceStatement, PropertyDatabase, PropertyEngine } from './properties-engine.ts'
import { specNamed } from './properties-engine.ts'
import type { Load } from './properties-model.ts'
import { expectedRevert } from './properties-revert.ts'
import type { SourceFormat } from './properties-sources.ts'
import { writeSource } from './properties-sources.ts'
import type { DatabaseState } from './properties-state.ts'
import { show } from './properties-state.ts'
import type { ColumnSpec, TableSpec } from './properties-tables.ts'
import { rawCell } from './properties-tables.ts'

const ON_CONFLICT: readonly OnConflict[] = ['abort', 'keep-current', 'take-old']

export type StrategyName = 'snapshot' | 'incremental'

type MigrateInput = Parameters<Rowback['migrate']>[0]

/** Rolls of the dice, one per column: what they mean depends on the table, see {@link rawCell}. */
type DiceRow = number[]

interface MigrateStep {
  kind: 'migrate'
  table: number
  mode: number
  strategy: StrategyName
  format: SourceFormat
  rows: DiceRow[]
  /** Bits of the columns that the source leaves out, as far as it can. */
  omitted: number
  bare: boolean
  sparse: boolean
  byOtherKey: boolean
  abort: boolean
  rehearse: boolean
}

interface RollbackStep {
  kind: 'rollback'
  /** From 0 to 99: how far along the history. */
  to: number
}

/** A script of SQL that changes rows of one table, and of others by what the database does then. */
interface ExecStep {
  kind: 'exec'
  table: number
  strategy: StrategyName
  statements: DiceStatement[]
  rehearse: boolean
}

interface EnableStep {
  kind: 'enable'
  strategy: StrategyName
}

interface RevertStep {
  kind: 'revert'
  /** From 0 to 99: which version. */
  of: number
  /** From 0 to 2: what becomes of conflicts. */
  choice: number
}

/** Somebody changes a row past rowback. */
interface OthersStep {
  kind: 'others'
  table: number
  does: 'insert' | 'update' | 'delete'
  /** From 0 to 99: which row. */
  at: number
  row: DiceRow
  column: number
}

/** Somebody changes a row of a tracked table past rowback, and that is adopted. */
interface AdoptStep extends Omit<OthersStep, 'kind'> {
  kind: 'adopt'
}

/** History that only older states need goes from the database. */
interface PruneStep {
  kind: 'prune'
  /** From 0 to 99: older than which version. */
  before: number
}

/** Old backups are given up, and with them versions. */
interface GiveUpStep {
  kind: 'give up'
  /** How many of the newest backups stay. */
  keep: number
}

export interface Scenario {
  /** By name. */
  tables: string[]
  /** Rows that are there before the first version, per table. */
  seeds: DiceRow[][]
  steps: (
    | MigrateStep
    | ExecStep
    | RollbackStep
    | EnableStep
    | RevertStep
    | OthersStep
    | AdoptStep
    | PruneStep
    | GiveUpStep
  )[]
  /** Picks versions for the checks at the end, from 0 to 99. */
  picks: number[]
}

export interface ScenarioOptions {
  groups: readonly TableSpec[][]
  strategies: StrategyName[]
  /** The strategy is switched to and fro on the way. */
  switches?: boolean
  /** Versions are reverted on the way. */
  reverts?: boolean
  /** Others change rows between the versions; rollbacks then overwrite what they find. */
  others?: boolean
  /** They do so in tracked tables, and it is adopted. */
  adopts?: boolean
  /** Old history is taken out of the database on the way. */
  prunes?: boolean
  /** Old backups are given up on the way. */
  givesUp?: boolean
  /** How many groups of tables come together. */
  maxGroups?: number
}

const dice = fc.nat(9999)
const diceRow = fc.array(dice, { minLength: 8, maxLength: 8 })

export function scenarios({
  groups,
  strategies,
  switches = false,
  reverts = false,
  others = false,
  adopts = false,
  prunes = false,
  givesUp = false,
  maxGroups = 2
}: ScenarioOptions): fc.Arbitrary<Scenario> {
  const often = <T>(value: T, others: T, times: number) =>
    fc.oneof({ arbitrary: fc.constant(value), weight: times }, { arbitrary: fc.constant(others), weight: 1 })
  const migrateStep: fc.Arbitrary<MigrateStep> = fc.record({
    kind: fc.constant('migrate' as const),
    table: fc.nat(99),
    mode: fc.nat(WRITE_MODES.length - 1),
    strategy: fc.constantFrom(...strategies),
    format: fc.constantFrom<SourceFormat>('ndjson', 'json', 'csv'),
    rows: fc.array(diceRow, { minLength: 1, maxLength: 6 }),
    omitted: fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, { arbitrary: fc.nat(255), weight: 1 }),
    bare: fc.boolean(),
    sparse: fc.boolean(),
    byOtherKey: often(false, true, 5),
    abort: often(false, true, 11),
    rehearse: often(false, true, 5)
  })
  const rollbackStep: fc.Arbitrary<RollbackStep> = fc.record({ kind: fc.constant('rollback' as const), to: fc.nat(99) })
  const enableStep: fc.Arbitrary<EnableStep> = fc.record({
    kind: fc.constant('enable' as const),
    strategy: fc.constantFrom<StrategyName>('snapshot', 'incremental')
  })
  const revertStep: fc.Arbitrary<RevertStep> = fc.record({
    kind: fc.constant('revert' as const),
    of: fc.nat(99),
    choice: fc.nat(2)
  })
  const change = {
    table: fc.nat(99),
    does: fc.constantFrom('insert' as const, 'update' as const, 'update' as const, 'delete' as const),
    at: fc.nat(99),
    row: diceRow,
    column: fc.nat(99)
  }
  const othersStep: fc.Arbitrary<OthersStep> = fc.record({ kind: fc.constant('others' as const), ...change })
  const adoptStep: fc.Arbitrary<AdoptStep> = fc.record({ kind: fc.constant('adopt' as const), ...change })
  const pruneStep: fc.Arbitrary<PruneStep> = fc.record({ kind: fc.constant('prune' as const), before: fc.nat(99) })
  const giveUpStep: fc.Arbitrary<GiveUpStep> = fc.record({
    kind: fc.constant('give up' as const),
    keep: fc.integer({ min: 1, max: 3 })
  })
  const execStep: fc.Arbitrary<ExecStep> = fc.record({
    kind: fc.constant('exec' as const),
    table: fc.nat(99),
    strategy: fc.constantFrom(...strategies),
    statements: fc.array(fc.record({ kind: dice, column: dice, rows: dice, values: diceRow }), {
      minLength: 1,
      maxLength: 4
    }),
    rehearse: often(false, true, 5)
  })
  const step = fc.oneof(
    { arbitrary: migrateStep, weight: 5 },
    { arbitrary: execStep, weight: 2 },
    { arbitrary: rollbackStep, weight: 2 },
    ...(switches ? [{ arbitrary: enableStep, weight: 3 }] : []),
    ...(reverts ? [{ arbitrary: revertStep, weight: 5 }] : []),
    ...(others ? [{ arbitrary: othersStep, weight: 5 }] : []),
    ...(adopts ? [{ arbitrary: adoptStep, weight: 3 }] : []),
    ...(prunes ? [{ arbitrary: pruneStep, weight: 2 }] : []),
    ...(givesUp ? [{ arbitrary: giveUpStep, weight: 2 }] : [])
  )
  return fc.record({
    tables: fc
      .uniqueArray(fc.constantFrom(...groups), { minLength: 1, maxLength: Math.min(maxGroups, groups.length) })
      .map((chosen) => [...new Set(chosen.flat())].map((spec) => spec.name)),
    seeds: fc.array(fc.array(diceRow, { maxLength: 5 }), { minLength: 4, maxLength: 4 }),
    steps: fc.array(step, { minLength: 3, maxLength: switches || reverts || others || adopts ? 11 : 8 }),
    picks: fc.array(fc.nat(99), { minLength: 3, maxLength: 3 })
  })
}

export interface PlayedVersion {
  number: number
  kind: 'migrate' | 'exec' | 'rollback' | 'enable' | 'revert' | 'adopt'
  output: MigrateOutput | ExecOutput | RollbackOutput | EnableOutput | RevertOutput | AdoptOutput
  before: DatabaseState
  after: DatabaseState
}

export interface PlayedMigration extends PlayedVersion {
  kind: 'migrate'
  output: MigrateOutput
  load: Load
  failed: FailedRow[]
  /** What the rehearsal before it said. */
  rehearsal: MigrateOutput | null
}

type Check = (played: Played) => Promise<void>

export interface Checks {
  /** Done after each step that made a version, or took history away. */
  afterEach?: Check
  atEnd?: Check
}

/** A scenario after it was played, with what was seen on the way. */
export class Played {
  readonly engine: PropertyEngine
  readonly folder = mkdtempSync(join(tmpdir(), 'rowback-property-'))
  readonly scenario: Scenario
  readonly tables: TableSpec[]
  /** What was done, for a person who reads a failure. */
  readonly script: string[] = []
  readonly versions: (PlayedVersion | PlayedMigration)[] = []
  /** By version. */
  readonly states = new Map<number, DatabaseState>()
  /** Versions that were given up: what is asked of them is told as it was, or refused. */
  readonly lost = new Set<number>()
  database!: PropertyDatabase
  db!: Rowback
  #state: DatabaseState = new Map()
  #files = 0

  private constructor(engine: PropertyEngine, scenario: Scenario) {
    this.engine = engine
    this.scenario = scenario
    this.tables = scenario.tables.map((name) => specNamed(engine, name))
  }

  /** Plays a scenario, hands it over after each step and at the end, and removes it. A failure tells what was done. */
  static async through(engine: PropertyEngine, scenario: Scenario, { afterEach, atEnd }: Checks): Promise<void> {
    const played = new Played(engine, scenario)
    try {
      await played.#play(afterEach)
      await atEnd?.(played)
    } catch (error) {
      if (error instanceof Error) error.message += `\n\nAfter:\n${played.script.join('\n')}`
      throw error
    } finally {
      await played.db?.close()
      await played.database?.close()
      rmSync(played.folder, { recursive: true, force: true })
    }
  }

  get migrations(): PlayedMigration[] {
    return this.versions.filter((version): version is PlayedMigration => version.kind === 'migrate')
  }

  get head(): number {
    return this.versions.at(-1)?.number ?? 0
  }

  /** Versions that left something; 0 is the baseline. */
  get numbers(): number[] {
    return [...this.states.keys()]
  }

  get reachable(): number[] {
    return this.numbers.filter((number) => !this.lost.has(number))
  }

  pick(hundredth: number, numbers = this.reachable): number {
    return numbers[Math.floor((hundredth * numbers.length) / 100)] ?? 0
  }

  stateOf(version: number): DatabaseState {
    return this.states.get(version) ?? new Map()
  }

  read(): Promise<DatabaseState> {
    return this.database.read()
  }

  spec(table: string): TableSpec {
    return specNamed(this.engine, table)
  }

  async #play(check: Check = async () => {}): Promise<void> {
    this.database = await this.engine.make(this.folder, 'data')
    await this.#makeTables()
    this.#state = await this.read()
    this.states.set(0, this.#state)
    this.db = await open({
      target: this.database.target,
      repository: join(this.folder, 'repository'),
      author: 'a property'
    })
    for (const step of this.scenario.steps) {
      const { head } = this
      if (step.kind === 'migrate') await this.#migrate(step)
      else if (step.kind === 'revert') await this.#revert(step)
      else if (step.kind === 'exec') await this.#exec(step)
      else if (step.kind === 'enable') await this.#enable(step)
      else if (step.kind === 'others') await this.#others(step)
      else if (step.kind === 'adopt') await this.#adopt(step)
      else if (step.kind === 'prune') await this.#prune(step)
      else if (step.kind === 'give up') await this.#giveUp(step)
      else await this.#rollBack(step)
      if (this.head > head || (/^(prune|give up)$/.test(step.kind) && head > 0)) await check(this)
    }
  }

  async #makeTables(): Promise<void> {
    for (const [i, spec] of this.tables.entries()) {
      for (const statement of spec.ddl ?? []) await this.#run(statement)
      for (const row of spec.ddl ? (this.scenario.seeds[i] ?? []) : []) await this.#run(this.#seedStatement(spec, row))
    }
  }

  /** As others; they may be refused a row. */
  async #run(sql: string): Promise<void> {
    try {
      await this.database.run(sql)
      this.script.push(`others: ${sql}`)
    } catch (error) {
      if (!/^(INSERT|UPDATE|DELETE)/.test(sql)) throw error
    }
  }

  #seedStatement(spec: TableSpec, dice: DiceRow): string {
    const { engine } = this
    const columns = spec.columns.filter((column) => !column.generated)
    const values = columns.map((column, i) => engine.literal(spec, column, dice[i] ?? 0))
    const names = columns.map((column) => engine.quote(column.name))
    return `INSERT INTO ${engine.quote(spec.name)} (${names.join(', ')}) VALUES (${values.join(', ')})`
  }

  async #migrate(step: MigrateStep): Promise<void> {
    const spec = this.tables[step.table % this.tables.length] as TableSpec
    const existed = this.#state.has(spec.name)
    const modes = spec.key ? WRITE_MODES : (['insert', 'replace'] as const)
    const mode = modes[step.mode % modes.length] as WriteMode
    const byOther = step.byOtherKey && spec.otherKey !== null
    const load = this.#writeSource(step, spec, mode, byOther ? spec.otherKey : spec.key, existed)
    if (!load) return
    const input = {
      source: load.path,
      table: spec.name,
      mode,
      ...((byOther || (!existed && spec.key)) && { key: byOther ? (spec.otherKey ?? []) : (spec.key ?? []) }),
      create: !existed,
      strategy: step.strategy,
      description: `${mode} ${spec.name}`,
      ...(step.abort && { onFailure: 'abort' as const }),
      ...(step.format === 'csv' && { delimiter: ',', quote: '"', header: true }),
      encoding: 'utf-8'
    }
    const before = this.#state
    const rehearsal = step.rehearse ? ((await this.#attempt(input, load, true))?.json ?? null) : null
    const made = await this.#attempt(input, load, false)
    const after = await this.read()
    if (!made) {
      expect(show(after), 'a migration that was refused leaves nothing').toEqual(show(before))
      return
    }
    const number = made.number as number
    this.#commit(number, after)
    const failed: FailedRow[] = []
    for await (const row of made.failedRows()) failed.push(row)
    const output = made.json
    const played: PlayedMigration = { number, kind: 'migrate', output, before, after, load, failed, rehearsal }
    this.versions.push(played)
  }

  /** @returns null where the migration was refused for a reason that it says beforehand */
  async #attempt(input: MigrateInput, load: Load, dryRun: boolean): Promise<MigratedVersion | null> {
    const before = show(this.#state)
    const label = `${dryRun ? 'rehearse' : 'migrate'} ${JSON.stringify({ ...input, source: undefined })} ${shownRows(load)}`
    try {
      const made = await this.db.migrate({ ...input, dryRun })
      this.script.push(`${made.number ?? '-'}: ${label}`)
      if (dryRun) expect(show(await this.read()), 'a rehearsal changes nothing').toEqual(before)
      return made
    } catch (error) {
      this.script.push(`refused: ${label}: ${(error as Error).message}`)
      if (!(error instanceof RowbackError) || !this.#isExpected(error, input, load)) throw error
      return null
    }
  }

  #isExpected(error: RowbackError, input: MigrateInput, load: Load): boolean {
    if (error.code === 'rows.failed') return input.onFailure === 'abort' || (load.mode === 'replace' && !load.key)
    const cascades = this.engine.cascading.flat().includes(load.spec)
    return error.code === 'strategy.unfit' && (cascades || (input.strategy === 'incremental' && !load.spec.key))
  }

  #commit(number: number, state: DatabaseState): void {
    this.#state = state
    this.states.set(number, state)
  }

  #writeSource(
    step: MigrateStep,
    spec: TableSpec,
    mode: WriteMode,
    key: string[] | null,
    existed: boolean
  ): (Load & { path: string }) | null {
    const identity = new Set([...(spec.key ?? []), ...(key ?? [])])
    const columns = spec.columns.filter(
      (column, i) => !column.generated && (!existed || identity.has(column.name) || !((step.omitted >> i) & 1))
    )
    if (columns.length < 2) columns.push(...spec.columns.filter((column) => !column.generated).slice(0, 2))
    const chosen = [...new Set(columns)]
    const rows = usableRows(step.rows, spec, chosen, key, existed)
    if (rows.length === 0) return null
    const path = join(this.folder, `source-${++this.#files}.${step.format}`)
    const bare = new Set(
      step.bare ? chosen.filter((column) => column.kind !== 'text').map((column) => column.name) : []
    )
    const names = chosen.map((column) => column.name)
    const written = writeSource(path, { format: step.format, columns: names, rows, bare, sparse: step.sparse })
    const referred = this.tables.some((other) => other.references.some(({ table }) => table === spec.name))
    return { spec, mode, key, columns: names, rows: written, existed, referred, path }
  }

  /** A switch changes nothing that a user has, and is a version only where something had to be done. */
  async #enable({ strategy }: EnableStep): Promise<void> {
    const before = this.#state
    const output = await this.db.enable(strategy).catch((error: unknown) => {
      const cascading = this.engine.cascading.flat()
      const none = this.tables.every((spec) => !spec.key || cascading.includes(spec))
      if (error instanceof RowbackError && none) return error
      throw error
    })
    if (output instanceof RowbackError) {
      expect([strategy, output.code], output.message).toEqual(['incremental', 'strategy.unfit'])
      return
    }
    this.script.push(`${output.version ?? '-'}: enable ${strategy}`)
    const after = await this.read()
    expect(show(after), `enable ${strategy}`).toEqual(show(before))
    const again = await this.db.enable(strategy)
    expect([again.status, again.version], 'nothing is left to do').toEqual(['unchanged', null])
    if (output.version === null) return
    this.versions.push({ number: output.version, kind: 'enable', output, before, after })
    this.#commit(output.version, after)
  }

  /** Takes back a version, or is refused, as the model says. */
  async #revert(step: RevertStep): Promise<void> {
    const able = this.versions.filter(({ kind }) => kind !== 'enable')
    const version = able[Math.floor((step.of * able.length) / 100)]
    if (!version) return
    const onConflict = ON_CONFLICT[step.choice] as OnConflict
    const later = this.versions.slice(this.versions.indexOf(version) + 1)
    const before = this.#state
    const expected = expectedRevert({ tables: this.tables, later, version, now: before, choice: onConflict })
    const told = async (dryRun: boolean) =>
      this.db.revert(version.number, { onConflict, yes: true, dryRun }).catch((error: unknown) => {
        if (error instanceof RowbackError) return error
        throw error
      })
    const rehearsed = await told(true)
    expect(show(await this.read()), 'a rehearsal changes nothing').toEqual(show(before))
    const output = await told(false)
    const where = `revert ${version.number} --on-conflict ${onConflict}`
    const after = await this.read()
    if (output instanceof RowbackError) {
      this.script.push(`refused: ${where}: ${output.code}: ${output.message}`)
      expect(expected, where).toEqual({ kind: 'refused', codes: expect.arrayContaining([output.code]) })
      expect(rehearsed instanceof RowbackError && rehearsed.code, `a rehearsal of ${where}`).toBe(output.code)
      expect(show(after), `${where}, refused`).toEqual(show(before))
      return
    }
    this.script.push(`${output.version}: ${where}`)
    if (expected.kind === 'refused') throw new Error(`${where} should have been refused: ${expected.codes}`)
    expect(show(after), where).toEqual(show(expected.state))
    expect(output.conflictCount > 0, `conflicts of ${where}`).toBe(expected.conflicts)
    expect(rehearsed, `a rehearsal of ${where}`).toMatchObject({ tables: output.tables, conflicts: output.conflicts })
    this.versions.push({ number: output.version as number, kind: 'revert', output, before, after })
    this.#commit(output.version as number, after)
  }

  /** What they leave until the next version belongs to the state of the head. */
  async #others(step: OthersStep): Promise<void> {
    const spec = this.tables[step.table % this.tables.length] as TableSpec
    if (!spec.key || !this.#state.has(spec.name)) return
    await this.#changeByOthers(spec, step)
    this.#commit(this.head, await this.read())
  }

  /** Only what they did shows then, and only where they did anything there is a version. */
  async #adopt(step: AdoptStep): Promise<void> {
    const spec = this.tables[step.table % this.tables.length] as TableSpec
    const reached = this.tables.filter(({ references }) => references.some(({ table }) => table === spec.name))
    if (![spec, ...reached].every(({ name }) => this.#state.get(name)?.tracked)) return
    const before = this.#state
    await this.#changeByOthers(spec, step)
    const after = await this.read()
    const output = await this.db.run(adopt, {}).catch((error: unknown) => {
      if (error instanceof RowbackError) return error
      throw error
    })
    expect(show(await this.read()), 'an adopt changes nothing').toEqual(show(after))
    if (output instanceof RowbackError) {
      expect(output.code, output.message).toBe('adopt.nothing')
      expect(show(after), 'nothing is adopted').toEqual(show(before))
      return
    }
    this.script.push(`${output.version}: adopt`)
    const number = output.version as number
    this.versions.push({ number, kind: 'adopt', output, before, after })
    this.#commit(number, after)
  }

  async #changeByOthers(spec: TableSpec, { does, at, row, column: picked }: Omit<OthersStep, 'kind'>): Promise<void> {
    const { engine } = this
    const rows = this.#state.get(spec.name)?.rows.length ?? 0
    const name = engine.quote(spec.name)
    const found = engine.isAt(spec, Math.floor((at * rows) / 100))
    const columns = spec.columns.filter((column) => !column.generated)
    const column = columns[picked % columns.length] as ColumnSpec
    const changed = `${engine.quote(column.name)} = ${engine.literal(spec, column, row[0] ?? 0)}`
    const statements = {
      insert: this.#seedStatement(spec, row),
      update: `UPDATE ${name} SET ${changed} WHERE ${found}`,
      delete: `DELETE FROM ${name} WHERE ${found}`
    }
    await this.#run(statements[does])
  }

  /** All of it is proven to be in the repository, and no state changes. */
  async #prune({ before }: PruneStep): Promise<void> {
    if (this.versions.length === 0) return
    const point = this.pick(before)
    this.script.push(`prune history before ${point}`)
    const { historyKept } = await this.db.run(backupPrune, { historyBefore: String(point), yes: true })
    expect(historyKept, `history before ${point} that stays`).toBeUndefined()
    expect(show(await this.read()), 'a prune changes nothing').toEqual(show(this.#state))
  }

  /** What can still be gone back to is what the prune does not name. */
  async #giveUp({ keep }: GiveUpStep): Promise<void> {
    if (this.versions.length === 0) return
    const { lostVersions } = await this.db.run(backupPrune, { keepLast: keep, yes: true })
    for (const version of lostVersions) this.lost.add(version)
    this.script.push(`prune to the last ${keep}: gives up ${lostVersions}`)
    expect(show(await this.read()), 'a prune changes nothing').toEqual(show(this.#state))
  }

  /** The database itself says what the script makes of the rows, or that it cannot be. */
  async #exec(step: ExecStep): Promise<void> {
    const spec = this.tables[step.table % this.tables.length] as TableSpec
    if (!this.#state.has(spec.name)) return
    const statements = step.statements.map((dice) => this.engine.scriptStatement(spec, dice))
    const before = this.#state
    const wanted = await this.database.rehearse(statements)
    const script = join(this.folder, `script-${++this.#files}.sql`)
    writeFileSync(script, statements.join(';\n'))
    const input = { script, description: `correct ${spec.name}`, strategy: step.strategy }
    const label = `exec ${step.strategy}\n     ${statements.join(';\n     ')}`
    this.script.push(`${this.head + 1}: ${label}`)
    if (typeof wanted === 'string') {
      await expect(this.db.exec(input), wanted).rejects.toMatchObject({ code: /^(script\.failed|foreign_key)$/ })
      expect(show(await this.read()), 'a script that failed leaves nothing').toEqual(show(before))
      return
    }
    const rehearsal = step.rehearse ? await this.db.exec({ ...input, dryRun: true }) : null
    expect(show(await this.read()), 'a rehearsal changes nothing').toEqual(show(before))
    const output = await this.db.exec(input)
    if (rehearsal) expect(rehearsal.tables, 'the rehearsal').toEqual(output.tables)
    const after = await this.read()
    expect(show(after), label).toEqual(show(wanted))
    const number = output.version as number
    this.versions.push({ number, kind: 'exec', output, before, after })
    this.#commit(number, after)
  }

  async #rollBack(step: RollbackStep): Promise<void> {
    const to = this.pick(
      step.to,
      this.reachable.filter((number) => number !== this.head)
    )
    if (this.versions.length > 0 && to !== this.head && !this.lost.has(to)) await this.rollBackTo(to)
  }

  /** Rolls back, over what others changed, and remembers the version. */
  async rollBackTo(to: number): Promise<PlayedVersion> {
    const yes = this.scenario.steps.some(({ kind }) => kind === 'others')
    return await this.take(await this.db.rollback(to, { yes }))
  }

  /** Remembers a rollback. */
  async take(output: RollbackOutput): Promise<PlayedVersion> {
    this.script.push(`${output.version}: rollback ${output.targetVersion}`)
    const after = await this.read()
    const played: PlayedVersion = {
      number: output.version as number,
      kind: 'rollback',
      output,
      before: this.#state,
      after
    }
    this.versions.push(played)
    this.#commit(played.number, after)
    return played
  }
}

/** Rows as the table's dice say, without those that would make the whole source unusable. */
function usableRows(
  diceRows: DiceRow[],
  spec: TableSpec,
  columns: ColumnSpec[],
  key: string[] | null,
  existed: boolean
): (string | null)[][] {
  const keyAt = columns.flatMap((column, i) => (key?.includes(column.name) ? [i] : []))
  const primaryAt = columns.flatMap((column, i) => (spec.key?.includes(column.name) ? [i] : []))
  const seen = new Set<string>()
  const rows = diceRows.map((row) => columns.map((column, i) => rawCell(spec, column, row[i] ?? 0)))
  return rows.filter((row) => {
    // SQLite would make up a key for a row found by another column.
    if (key !== spec.key && primaryAt.some((at) => row[at] === null)) return false
    const text = JSON.stringify(keyAt.map((at) => row[at] ?? null))
    // A new table is refused when its key repeats.
    if (!existed && key && seen.has(text)) return false
    seen.add(text)
    return true
  })
}

function shownRows(load: Load): string {
  return load.rows.map(({ line, cells }) => `\n     line ${line}: ${JSON.stringify(cells)}`).join('')
}
