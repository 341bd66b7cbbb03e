import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** So many bytes of the socket's buffers may wait to be freed. */
const ENOUGH_BYTES = 8 << 20

type CollectYoung = (options: { type: 'minor' }) => void

let collect: CollectYoung | null = null

/**
 * Has the buffers freed that rows came in: V8 looks for them when new objects fill its heap, and who only looks at bytes
 * makes hardly any (100 MB more in a reload of a million rows). A look at the young objects takes about a millisecond.
 */
export class SpentBuffers {
  #bytes = 0

  /** Says that so many more bytes were done with. */
  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < ENOUGH_BYTES) return
    this.#bytes = 0
    collect ??= exposed()
    collect({ type: 'minor' })
  }
}

function exposed(): CollectYoung {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as CollectYoung
}
