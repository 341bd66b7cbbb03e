import type { SchemaObjects } from '../model/schema-object.ts'
import type { ChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import type { ReadableState, StateTable } from './backup-reader.ts'
import { committedChangeSets } from './keep-change-set.ts'
import { trackedAt } from './lifetimes.ts'
import { rebuildTable } from './rebuilt-table.ts'
import type { LiveState } from './session.ts'

/** A state as the repository has it: tracked tables from a full backup and change sets, others as another reader finds them. */
export class RebuiltState implements ReadableState {
  readonly #repository: Repository
  readonly #live: LiveState
  readonly #at: number
  readonly #others: ReadableState
  #changeSets: Promise<ChangeSet[]> | null = null
  /** The tables that were made of change sets. */
  readonly rebuilt: string[] = []
  /** How the tables that were asked for were made; sentences. */
  readonly notes: string[] = []

  /** @param others finds the tables that have no change sets */
  constructor(repository: Repository, live: LiveState, at: number, others: ReadableState) {
    this.#repository = repository
    this.#live = live
    this.#at = at
    this.#others = others
  }

  get takenAt(): string | null {
    return this.#others.takenAt
  }

  /** Tables made of change sets are as they were. */
  unkept(names: readonly string[]): string[] {
    return this.#others.unkept(names.filter((name) => !this.rebuilt.includes(name)))
  }

  objects(): Promise<SchemaObjects> {
    return this.#others.objects()
  }

  names(): string[] {
    const tracked = trackedAt(this.#live.everTracked, this.#live.versions, this.#at).keys()
    return [...new Set([...this.#others.names(), ...tracked])]
  }

  async table(name: string): Promise<StateTable | undefined> {
    const tracked = trackedAt(this.#live.everTracked, this.#live.versions, this.#at).get(name)
    if (!tracked) return this.#others.table(name)
    this.#changeSets ??= this.#readChangeSets()
    const rebuilt = await rebuildTable(this.#repository, await this.#changeSets, name, tracked.since)
    if (rebuilt === null) {
      this.notes.push(`The repository has no change sets of ${name}, and cannot make it without the database.`)
      return this.#others.table(name)
    }
    if (!this.rebuilt.includes(name)) this.rebuilt.push(name)
    const sets = `${rebuilt.increments} change set${rebuilt.increments === 1 ? '' : 's'}`
    const from = rebuilt.base === null ? '' : `the backup ${rebuilt.base.slice(0, 15)} and `
    this.notes.push(`${name} is made of ${from}${sets}.`)
    return rebuilt
  }

  async #readChangeSets(): Promise<ChangeSet[]> {
    const committed = await committedChangeSets(this.#repository, this.#live.versions)
    return committed.filter(({ version }) => version <= this.#at)
  }
}
