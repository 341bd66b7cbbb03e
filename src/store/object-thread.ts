import { Worker } from 'node:worker_threads'
import type { ErrorDetail } from '../errors.ts'
import { RowbackError } from '../errors.ts'
import type { LinePair } from '../model/line-difference.ts'
import { DamagedFile } from './objects.ts'

/** What is asked of the thread; each answer bears the number of its question. */
export type Question = { id: number } & (
  | { ask: 'put'; bytes: Uint8Array<ArrayBuffer>; base: string | null; other: string | null }
  | { ask: 'prove'; object: string }
  | { ask: 'difference'; before: readonly string[]; after: readonly string[] }
  | { ask: 'sync' }
)

/** An error on its way between threads, which would lose its class and what it says besides its message. */
export interface ErrorSaid {
  detail: ErrorDetail | null
  file: string | null
  error: unknown
}

export type Answer = { id: number } & ({ result: unknown } | { failed: ErrorSaid })

export interface StoredObject {
  object: string
  /** Compressed bytes that were not there before. */
  added: number
}

const MAIN = new URL(`./object-thread-main${import.meta.url.slice(-3)}`, import.meta.url)

interface Waiting {
  resolve: (result: never) => void
  reject: (error: unknown) => void
}

/**
 * An object store on a thread of its own: hashing, packing, and reading back leave the rows that are on their way alone.
 * It holds the process while it has work to do.
 */
export class ObjectThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  /** They cost more to make anew than to send back. */
  readonly #spare: ArrayBuffer[] = []
  #asked = 0
  #isClosing = false
  /** Why nothing more can be asked. */
  #failure: unknown = null

  /** @param proven objects that this process has read whole and found right */
  constructor(root: string, proven: Iterable<string>) {
    this.#worker = new Worker(MAIN, { workerData: { root, proven: [...proven] } })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#take(answer))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the thread that stores backups ended')))
  }

  /**
   * Stores bytes under their hash, see `ObjectStore.put`.
   * @param bytes in a buffer that goes to the thread with this call
   * @param other an object whose difference is soon asked for, and costs least now
   */
  async put(bytes: Buffer<ArrayBuffer>, base: string | null, other: string | null = null): Promise<StoredObject> {
    const question = { ask: 'put', bytes, base, other } as const
    const { spent, ...stored } = await this.#ask<StoredObject & { spent: ArrayBuffer }>(question, [bytes.buffer])
    this.#spare.push(spent)
    return stored
  }

  /** A buffer that something was put in before; undefined where none is large enough. */
  spareBuffer(bytes: number): Buffer<ArrayBuffer> | undefined {
    const spare = this.#spare.pop()
    return spare && spare.byteLength >= bytes ? Buffer.from(spare) : undefined
  }

  /** Reads an object whole and proves it by its hash, see `ObjectStore.get`. */
  prove(object: string): Promise<void> {
    return this.#ask({ ask: 'prove', object })
  }

  /** The lines of some objects that others do not have, see `withoutCommonLines`. */
  async difference(before: readonly string[], after: readonly string[]): Promise<LinePair> {
    const pair: { before: Uint8Array; after: Uint8Array } = await this.#ask({ ask: 'difference', before, after })
    return { before: bufferOf(pair.before), after: bufferOf(pair.after) }
  }

  /** Makes all that was put durable. */
  sync(): Promise<void> {
    return this.#ask({ ask: 'sync' })
  }

  /** Ends the thread when it has done what it was asked. */
  close(): void {
    this.#isClosing = true
    this.#endWhenDone()
  }

  #ask<T>(question: DistributiveOmit<Question, 'id'>, transferred: ArrayBuffer[] = []): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure)
    const id = ++this.#asked
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.ref()
      this.#worker.postMessage({ id, ...question }, transferred)
    })
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ('failed' in answer) waiting?.reject(errorOf(answer.failed))
    else waiting?.resolve(answer.result as never)
    this.#endWhenDone()
  }

  #endWhenDone(): void {
    if (this.#waiting.size > 0) return
    this.#worker.unref()
    if (this.#isClosing) void this.#worker.terminate()
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The error as it can be sent to another thread. */
export function errorSaid(error: unknown): ErrorSaid {
  if (!(error instanceof RowbackError)) return { detail: null, file: null, error }
  const { code, message, state, hint, exit, cause } = error
  const file = error instanceof DamagedFile ? error.file : null
  return { detail: { code, message, state, hint, exit, cause }, file, error: null }
}

function errorOf({ detail, file, error }: ErrorSaid): unknown {
  if (detail === null) return error
  return file === null ? new RowbackError(detail) : new DamagedFile(file, detail)
}
