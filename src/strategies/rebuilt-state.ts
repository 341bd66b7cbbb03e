import type { SchemaObjects } from '../model/schema-object.ts'
import type { ChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import type { ReadableState, StateTable } from './backup-reader.ts'
import { committedChangeSets } from './keep-change-set.ts'
import { trackedAt } from './lifetimes.ts'
import type { MadeState } from './made-state.ts'
import { ofTable, rebuildOf } from './rebuild-at.ts'
import type { RebuiltTable } from './rebuilt-table.ts'
import type { LiveState } from './session.ts'

/** A state as the repository has it: tracked tables from a full backup and change sets, others as another reader finds them. */
export class RebuiltState implements MadeState {
  readonly #repository: Repository
  readonly #live: LiveState
  readonly #at: number
  readonly #others: ReadableState
  readonly #hasHistory: boolean
  #changeSets: Promise<ChangeSet[]> | null = null
  /** Tables that change sets do not make. */
  readonly #misfits = new Set<string>()
  /** How the tables that were asked for are made, by name. */
  readonly #ways = new Map<string, { rebuilt: RebuiltTable | null; note: string }>()

  /**
   * @param others finds the tables that have no change sets
   * @param hasHistory whether it has the state of tables whose change sets do not make them
   */
  constructor(
    repository: Repository,
    live: LiveState,
    at: number,
    others: ReadableState,
    { hasHistory }: { hasHistory: boolean }
  ) {
    this.#repository = repository
    this.#live = live
    this.#at = at
    this.#others = others
    this.#hasHistory = hasHistory
  }

  get takenAt(): string | null {
    return this.#others.takenAt
  }

  /** The names of the tables that were made of change sets. */
  get rebuilt(): string[] {
    return this.made().map(({ name }) => name)
  }

  made(): RebuiltTable[] {
    return [...this.#ways.values()].flatMap(({ rebuilt }) => rebuilt ?? [])
  }

  /** How the tables that were asked for are made; sentences. */
  get notes(): string[] {
    return [...this.#ways.values()].map(({ note }) => note)
  }

  /** Tables made of change sets are as they were. */
  unkept(names: readonly string[]): Promise<string[]> {
    return this.#others.unkept(names.filter((name) => !this.rebuilt.includes(name)))
  }

  objects(): Promise<SchemaObjects> {
    return this.#others.objects()
  }

  names(): string[] {
    const tracked = trackedAt(this.#live.everTracked, this.#live.versions, this.#at).keys()
    return [...new Set([...this.#others.names(), ...tracked])]
  }

  readOtherwise(table: string): boolean {
    if (!this.#hasHistory || this.#misfits.has(table)) return false
    this.#misfits.add(table)
    return true
  }

  /** @throws RowbackError `backup.missing` (exit code 7) where it has change sets, and not all of them */
  async table(name: string): Promise<StateTable | undefined> {
    const tracked = trackedAt(this.#live.everTracked, this.#live.versions, this.#at).get(name)
    if (!tracked) return this.#others.table(name)
    if (this.#misfits.has(name)) {
      return this.#elsewhere(
        name,
        `${name} is read from its history: others had changed rows before one of the versions up to ${this.#at}, so that backup and change sets do not make what it left.`
      )
    }
    this.#changeSets ??= committedChangeSets(this.#repository, this.#live.versions)
    const changeSets = ofTable(await this.#changeSets, tracked)
    if (changeSets.length === 0) {
      return this.#elsewhere(
        name,
        `The repository has no change sets of ${name}, and cannot make it without the database.`
      )
    }
    const rebuilt = await rebuildOf(this.#repository, this.#live, tracked, this.#at, changeSets)
    this.#ways.set(name, { rebuilt, note: wayOf(rebuilt) })
    return rebuilt
  }

  #elsewhere(name: string, note: string): Promise<StateTable | undefined> {
    this.#ways.set(name, { rebuilt: null, note })
    return this.#others.table(name)
  }
}

function wayOf({ name, base, increments }: RebuiltTable): string {
  const sets = `${increments} change set${increments === 1 ? '' : 's'}`
  return `${name} is made of ${base === null ? '' : `the backup ${base.slice(0, 15)} and `}${sets}.`
}
