import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** So many bytes may wait to be freed. */
const ENOUGH_BYTES = { minor: 8 << 20, major: 64 << 20 }

type Kind = keyof typeof ENOUGH_BYTES
type Collect = (options: { type: Kind }) => void

let collect: Collect | null = null

/**
 * Has the buffers freed that rows came in: V8 looks for them when new objects fill its heap, and who only looks at bytes
 * makes hardly any (100 MB more in a reload of a million rows). A look at the young objects takes about a millisecond; one
 * at all of them some more, even where there are few, and finds buffers too that were in use for a while.
 */
export class SpentBuffers {
  readonly #kind: Kind
  #bytes = 0

  constructor(kind: Kind) {
    this.#kind = kind
  }

  /** Says that so many more bytes were done with. */
  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < ENOUGH_BYTES[this.#kind]) return
    this.#bytes = 0
    collect ??= exposed()
    collect({ type: this.#kind })
  }
}

function exposed(): Collect {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as Collect
}
