import type { Config } from '../config.ts'
import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { OnProgress } from '../migrate/write-table.ts'
import type { BackupScope, Version } from '../model/version.ts'
import { Repository } from '../store/repository.ts'
import { headOf } from '../strategies/lifetimes.ts'
import { needsRepository } from '../strategies/recovery.ts'
import type { KnownHistory, LiveState, LiveToRead, Session } from '../strategies/session.ts'
import { readLiveState, readLiveToRead } from '../strategies/session.ts'
import { repositoryMissing, versionsOfLostRepository } from './lost-repository.ts'

/** The target when it was opened; or what kept it from that. */
export type OpenedTarget = { engine: Engine; ledger: Ledger } | RowbackError

/** What an operation works with; made by whoever opened the target. */
export class Context {
  readonly #target: OpenedTarget
  readonly config: Config
  readonly onProgress: OnProgress
  readonly signal: AbortSignal | undefined
  readonly #repositories: Repository[] = []
  /** What interrupted runs had left and was put right before this operation began; sentences. */
  readonly recovered: string[] = []
  /** Opens another database by its URL; whoever asks closes it. */
  readonly openOther: (url: string) => Promise<Engine>

  constructor(
    target: OpenedTarget,
    config: Config,
    onProgress: OnProgress,
    openOther: (url: string) => Promise<Engine>,
    signal?: AbortSignal
  ) {
    this.signal = signal
    this.openOther = openOther
    this.#target = target
    this.config = config
    this.onProgress = onProgress
  }

  /** @throws RowbackError what kept the target from being opened */
  get engine(): Engine {
    return this.#opened().engine
  }

  /** @throws RowbackError what kept the target from being opened */
  get ledger(): Ledger {
    return this.#opened().ledger
  }

  /** What kept the target from being opened; null where nothing did. */
  get lost(): RowbackError | null {
    return this.#target instanceof RowbackError ? this.#target : null
  }

  #opened(): Exclude<OpenedTarget, RowbackError> {
    if (this.#target instanceof RowbackError) throw this.#target
    return this.#target
  }

  /**
   * Why there is no ledger to ask, as a sentence; null where there is one.
   * @throws RowbackError (exit code 4) where it can be asked later
   */
  whyNoLedger(): string | null {
    if (this.lost?.exit === ExitCode.locked) throw this.lost
    if (this.lost) return this.lost.message
    return this.ledger.exists ? null : `${this.engine.database} has no versions.`
  }

  /**
   * Everything that making a version takes; control tables and repository are made on first use.
   * @param wait in milliseconds
   * @throws RowbackError `repository.missing` (exit code 7) where there was a repository, and it is not there
   */
  async session(wait: number, scope: BackupScope = this.config.scope): Promise<Session> {
    const root = this.config.repository
    if (!(await this.ledger.reload())) Repository.refuseUsed(root)
    const identity = await this.ledger.ensure(wait, this.config.author)
    await this.ledger.upgrade()
    const lost = versionsOfLostRepository(root, await this.ledger.versions())
    if (lost.length > 0) throw repositoryMissing(root, lost)
    const repository = this.#closedLater(await Repository.open(root, identity, wait))
    return { engine: this.engine, ledger: this.ledger, repository, scope, signal: this.signal, told: this.recovered }
  }

  /**
   * Begins a new repository where there was one and it is lost.
   * @param wait in milliseconds
   * @returns the versions whose backups were in it; none where nothing was lost
   */
  async beginAnew(wait: number): Promise<number[]> {
    const identity = await this.identity()
    const versions = await this.ledger.versions()
    const lost = versionsOfLostRepository(this.config.repository, versions)
    if (identity === null || lost.length === 0) return []
    const since = versions.at(-1)?.number ?? 0
    this.#closedLater(await Repository.open(this.config.repository, identity, wait, since))
    return lost
  }

  /** The repository for reading; null where nothing was migrated yet. */
  async repository(): Promise<Repository | null> {
    const identity = await this.identity()
    if (identity === null) return null
    return this.#closedLater(await Repository.openForReading(this.config.repository, identity))
  }

  /** The same for who reads what the versions from `since` on left; null also where the database has all of it. */
  async repositoryIfNeeded(live: KnownHistory, since: number): Promise<Repository | null> {
    return needsRepository(live, since) ? this.repository() : null
  }

  /** The repository for reading, without the database that knows whether it is its own; empty where the folder is none. */
  async repositoryByItself(): Promise<Repository> {
    return this.#closedLater(await Repository.openForReading(this.config.repository, null))
  }

  /**
   * The repository for this process alone; null where nothing was migrated yet.
   * @param wait in milliseconds
   */
  async repositoryAlone(wait: number): Promise<Repository | null> {
    const identity = await this.identity()
    if (identity === null) return null
    return this.#closedLater(await Repository.openAlone(this.config.repository, identity, wait))
  }

  /** Of the database, which its repository names; null where nothing was migrated yet. */
  async identity(): Promise<string | null> {
    return this.ledger.exists ? this.ledger.ensure(0, this.config.author) : null
  }

  #closedLater(repository: Repository): Repository {
    this.#repositories.push(repository)
    return repository
  }

  /** The same, for one operation, which closes the repositories that it opened when it ends. */
  forOne(): Context {
    return new Context(this.#target, this.config, this.onProgress, this.openOther, this.signal)
  }

  /** Gives the locks of the repositories back. */
  release(): void {
    for (const repository of this.#repositories.splice(0)) repository.close()
  }

  liveState(): Promise<LiveState> {
    return readLiveState(this.engine, this.ledger)
  }

  /** The same for who only reads rows, at less cost. */
  liveToRead(): Promise<LiveToRead> {
    return readLiveToRead(this.engine, this.ledger)
  }

  /**
   * The number of the version that a user names by number, tag, or a time: the newest that was finished by then.
   * @param known all versions, by whoever has read them
   * @throws RowbackError `version.unknown`
   */
  async versionNumberOrTime(reference: string, known?: readonly Version[]): Promise<number> {
    const versions = (known ?? (await this.ledger.versions())).filter((version) => version.status === 'committed')
    const named = versions.find((version) => version.tag === reference || String(version.number) === reference)
    if (named) return named.number
    if (!/^\d{4}-\d{2}-\d{2}/.test(reference)) return this.versionNumber(reference, known)
    const time = timeOf(reference)
    const finished = versions.filter(
      (version) => version.finishedAt !== null && new Date(version.finishedAt).getTime() <= time
    )
    const newest = finished.at(-1)
    if (newest) return newest.number
    throw new RowbackError({
      code: 'version.unknown',
      message: `No version was finished by ${new Date(time).toISOString()}.`,
      hint: 'See when versions were made with: rowback log'
    })
  }

  /** The version that has this tag. */
  async tagged(tag: string): Promise<Version | undefined> {
    return taggedOf(await this.ledger.versions(), tag)
  }

  /**
   * The number of the version that a user names by number or tag, or as `HEAD`.
   * @param known all versions, by whoever has read them
   * @throws RowbackError `version.unknown`
   */
  async versionNumber(reference: string, known?: readonly Version[]): Promise<number> {
    const number = /^\d+$/.test(reference) ? Number(reference) : null
    if (number !== null && known?.some((version) => version.number === number)) return number
    if (number !== null) return (await this.ledger.version(number)).number
    const versions = known ?? (await this.ledger.versions())
    const tagged = taggedOf(versions, reference)
    if (tagged) return tagged.number
    if (reference === 'HEAD') return headOf(versions)
    throw new RowbackError({
      code: 'version.unknown',
      message: `There is no version "${reference}".`,
      hint: 'Name a version by its number or tag; see them with: rowback log'
    })
  }
}

function taggedOf(versions: readonly Version[], tag: string): Version | undefined {
  return versions.find((version) => version.tag === tag && version.status === 'committed')
}

/** Milliseconds of a time in ISO 8601; one without a zone is in UTC, as everything that rowback prints. */
function timeOf(text: string): number {
  const iso = text.replace(' ', 'T')
  const hasZone = /T.*(Z|[+-]\d{2}:?\d{2})$/i.test(iso)
  const time = new Date(hasZone || !iso.includes('T') ? iso : `${iso}Z`).getTime()
  if (!Number.isNaN(time)) return time
  throw new RowbackError({
    code: 'version.unknown',
    message: `"${text}" is not a time.`,
    hint: 'Write it as 2026-11-01T12:00Z, or name a version by its number or tag.'
  })
}
