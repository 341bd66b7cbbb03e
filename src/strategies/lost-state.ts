import { ExitCode, RowbackError } from '../errors.ts'
import type { SchemaObjects } from '../model/schema-object.ts'
import type { ChangeSet } from '../store/change-set.ts'
import type { Manifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { StateTable } from './backup-reader.ts'
import { BackupReader } from './backup-reader.ts'
import type { MadeState } from './made-state.ts'
import { rebuildTable } from './rebuilt-table.ts'
import { scopeOf } from './recovery.ts'

/** The state of a version as the repository alone has it, when the database and its ledger are lost. */
export class LostState implements MadeState {
  /** What is not known without the ledger; sentences. */
  readonly notes: string[]
  /** The name of the engine that it is of. */
  readonly engine: string
  readonly #repository: Repository
  /** Up to the version, the oldest first. */
  readonly #changeSets: readonly ChangeSet[]
  /** The version that began to track each table that was tracked then. */
  readonly #since: ReadonlyMap<string, number>
  /** The tables that were tracked at some time until then, and were not there. */
  readonly #gone: ReadonlySet<string>
  readonly #backup: BackupReader | null
  /** Tables that change sets do not make as they were recorded. */
  readonly #misfits = new Set<string>()
  readonly #made = new Map<string, StateTable>()

  private constructor(
    repository: Repository,
    changeSets: readonly ChangeSet[],
    backup: Manifest | null,
    notes: string[]
  ) {
    this.#repository = repository
    this.#changeSets = changeSets
    this.#backup = backup && new BackupReader(repository, backup)
    this.engine = changeSets.at(-1)?.engine ?? backup?.engine ?? ''
    this.notes = notes
    const { since, gone } = lastOf(changeSets)
    this.#since = since
    this.#gone = gone
  }

  /**
   * Finds what there is of a version's state.
   * @returns null where neither a change set nor a backup is of that version: which backup holds it, only a ledger knows
   * @throws RowbackError `version.unknown` where the repository knows of no version as new
   */
  static async open(repository: Repository, version: number): Promise<LostState | null> {
    const all = committedChain(await repository.changeSets.all())
    const changeSets = all.filter((changeSet) => changeSet.version <= version)
    const { readable, damaged } = await repository.backupsAsFound()
    const backup = backupNear(readable, version)
    const newest = Math.max(all.at(-1)?.version ?? 0, backup?.manifest.state ?? 0)
    if (version > newest && all.length + readable.length > 0) throw unknown(repository, version, newest, damaged.length)
    if (changeSets.length === 0 && backup?.manifest.state !== version) return null
    const notes = [`Without its ledger it is not known whether version ${version} is all that there was.`]
    if (backup) {
      const { state } = backup.manifest
      notes.push(
        `Tables without change sets are as the backup ${backup.name.slice(0, 15)} has them: the state of version ${state}.`
      )
    }
    if (damaged.length > 0) {
      const names = damaged.map(({ name }) => name.slice(0, 15)).join(', ')
      notes.push(`What cannot be read was left out, also where it is nearer to that version: backup ${names}.`)
    }
    return new LostState(repository, changeSets, backup?.manifest ?? null, notes)
  }

  get takenAt(): string | null {
    return this.#backup?.takenAt ?? null
  }

  async unkept(): Promise<string[]> {
    return []
  }

  async objects(): Promise<SchemaObjects> {
    return this.#backup ? this.#backup.objects() : { objects: [], notes: [] }
  }

  names(): string[] {
    const stored = (this.#backup?.names() ?? []).filter((name) => !this.#gone.has(name))
    return [...new Set([...stored, ...this.#since.keys()])]
  }

  async table(name: string): Promise<StateTable | undefined> {
    const since = this.#since.get(name)
    if (since === undefined) return this.#backup?.table(name)
    assertWhole(this.#repository, this.#changeSets, name, since)
    const rebuilt = await rebuildTable(this.#repository, this.#changeSets, name, since)
    if (rebuilt === null) return undefined
    const made = this.#misfits.has(name) ? { ...rebuilt, rows: rebuilt.ofVersions } : rebuilt
    this.#made.set(name, made)
    return made
  }

  made(): StateTable[] {
    return [...this.#made.values()]
  }

  /** Whatever others changed in between, versions alone make a state too. */
  readOtherwise(table: string): boolean {
    if (this.#misfits.has(table)) return false
    this.#misfits.add(table)
    this.notes.push(
      `${table} is as versions alone made it: others had changed rows before one of them, and that is in no change set.`
    )
    return true
  }
}

/** The newest state that the repository makes when the database and its ledger are lost. */
export interface NewestState {
  version: number
  /** The name of the backup that has it; null where change sets make it. */
  backup: string | null
  /** What keeps newer ones from being made; null where there are none. */
  fault: RowbackError | null
}

/**
 * Finds the newest state that the repository makes.
 * @param backups all that can be read, the oldest first
 * @returns null where it makes none
 */
export async function newestState(
  repository: Repository,
  backups: readonly { name: string; manifest: Manifest }[]
): Promise<NewestState | null> {
  const [stored] = backups
    .filter(isWhole)
    .sort((a, b) => b.manifest.state - a.manifest.state || (a.name < b.name ? 1 : -1))
  let fault: RowbackError | null = null
  try {
    const all = committedChain(await repository.changeSets.all())
    for (const { version } of [...all].reverse()) {
      if (version <= (stored?.manifest.state ?? 0)) break
      const gap = gapBelow(repository, all, version)
      if (gap === null) return { version, backup: null, fault }
      fault ??= gap
    }
  } catch (error) {
    if (!(error instanceof RowbackError)) throw error
    fault = error
  }
  return stored ? { version: stored.manifest.state, backup: stored.name, fault } : null
}

/** What keeps the state of a version from being made of change sets. */
function gapBelow(repository: Repository, all: readonly ChangeSet[], at: number): RowbackError | null {
  const changeSets = all.filter(({ version }) => version <= at)
  const { since } = lastOf(changeSets)
  try {
    for (const [name, version] of since) assertWhole(repository, changeSets, name, version)
    return null
  } catch (error) {
    if (error instanceof RowbackError) return error
    throw error
  }
}

/** Which tables were there after the newest of some change sets, with the version that began to track each, and which went. */
function lastOf(changeSets: readonly ChangeSet[]): { since: Map<string, number>; gone: Set<string> } {
  const last = new Map(changeSets.flatMap(({ tables }) => tables.map((table) => [table.name, table] as const)))
  const there = [...last.values()].filter(({ rows }) => rows !== null)
  const gone = [...last.values()].filter(({ rows, ended }) => rows === null && !ended)
  return { since: new Map(there.map(({ name, since }) => [name, since])), gone: new Set(gone.map(({ name }) => name)) }
}

function unknown(repository: Repository, version: number, newest: number, damaged: number): RowbackError {
  return new RowbackError({
    code: 'version.unknown',
    message: `The repository ${repository.root} knows of no version ${version}: the newest whose state it has is ${newest}${damaged > 0 ? ', as far as it can be read' : ''}.`,
    hint: `Write that one with: rowback backup restore ${newest} --to URL; see all with: rowback backup list`
  })
}

/** Each change set says which version had a hand in the table before. @throws RowbackError `backup.missing` (exit code 7) */
function assertWhole(repository: Repository, changeSets: readonly ChangeSet[], name: string, since: number): void {
  const kept = changeSets.flatMap(({ version, tables }) =>
    tables.flatMap((table) => (table.name === name && table.since === since ? [{ version, ...table }] : []))
  )
  const begin = kept.findLastIndex(({ all }) => all)
  const isAlone = (previous: number | null | undefined, i: number) =>
    previous !== undefined && previous !== (kept[i - 1]?.version ?? null)
  const next = kept.find(({ previous }, i) => i > begin && isAlone(previous, i))
  if (next === undefined) return
  throw new RowbackError({
    code: 'backup.missing',
    message: `${name} cannot be made: ${repository.root} lacks the change set of version ${next.previous}, which that of version ${next.version} goes on from.`,
    hint: 'If it stands elsewhere, put it back. To write an earlier state: rowback backup restore N --to URL',
    exit: ExitCode.backupDamaged
  })
}

/** Each change set says which version came before it: what no later one goes on from was of a version that failed. */
function committedChain(changeSets: readonly ChangeSet[]): ChangeSet[] {
  const chain: ChangeSet[] = []
  let before = Number.POSITIVE_INFINITY
  for (const changeSet of [...changeSets].reverse()) {
    if (changeSet.version > before) continue
    chain.unshift(changeSet)
    before = changeSet.after
  }
  return chain
}

/** The backup of the whole database that is nearest to what the version left: the first after it, else the last before. */
function backupNear(
  backups: readonly { name: string; manifest: Manifest }[],
  version: number
): { name: string; manifest: Manifest } | null {
  const whole = backups.filter(isWhole)
  return (
    whole.find(({ manifest }) => manifest.state >= version) ??
    whole.findLast(({ manifest }) => manifest.state < version) ??
    null
  )
}

function isWhole({ manifest }: { manifest: Manifest }): boolean {
  return scopeOf(manifest) === 'database'
}
