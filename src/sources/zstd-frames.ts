import { sourceError } from './source-error.ts'

const MAGIC = 0xfd2fb528
const SKIPPABLE = 0x184d2a5
const RLE_BLOCK = 1

/**
 * Splits zstd data into its frames, because Node's decompressor ends after the first one and drops the others
 * without an error (`cat a.zst b.zst`, pzstd). Each frame must be read to its end before the next is asked for.
 * @throws RowbackError `source.damaged` when the data ends within a frame or goes on with something else
 */
export async function* zstdFrames(raw: AsyncGenerator<Buffer>): AsyncGenerator<AsyncGenerator<Buffer>> {
  const input = new ByteCursor(raw)
  while (await input.more()) {
    const magic = await input.take(4)
    const number = magic.readUInt32LE(0)
    if (number === MAGIC) {
      yield frame(magic, input)
    } else if (number >>> 4 === SKIPPABLE) {
      const size = (await input.take(4)).readUInt32LE(0)
      for await (const _ of input.pass(size));
    } else {
      throw damaged('something that is no zstd frame follows')
    }
  }
}

// The format: RFC 8878, section 3.1.
async function* frame(magic: Buffer, input: ByteCursor): AsyncGenerator<Buffer> {
  const descriptor = (await input.take(1)).readUInt8(0)
  const header = await input.take(restOfHeader(descriptor))
  yield Buffer.concat([magic, Buffer.of(descriptor), header])
  for (let last = false; !last; ) {
    const block = await input.take(3)
    const bits = block.readUIntLE(0, 3)
    last = (bits & 1) === 1
    const size = ((bits >> 1) & 3) === RLE_BLOCK ? 1 : bits >> 3
    yield block
    yield* input.pass(size)
  }
  const hasChecksum = (descriptor & 4) !== 0
  if (hasChecksum) yield await input.take(4)
}

function restOfHeader(descriptor: number): number {
  const singleSegment = (descriptor & 32) !== 0
  const window = singleSegment ? 0 : 1
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0
  const contentSize = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  return window + dictionary + contentSize
}

/** Takes an exact number of bytes from chunks of any size. */
class ByteCursor {
  readonly #raw: AsyncGenerator<Buffer>
  #chunk: Buffer = Buffer.alloc(0)

  constructor(raw: AsyncGenerator<Buffer>) {
    this.#raw = raw
  }

  async more(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#raw.next()
      if (next.done) return false
      this.#chunk = next.value
    }
    return true
  }

  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for await (const part of this.pass(count)) parts.push(part)
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
  }

  async *pass(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      if (!(await this.more())) throw damaged('it ends too early')
      const part = this.#chunk.subarray(0, left)
      this.#chunk = this.#chunk.subarray(part.length)
      left -= part.length
      yield part
    }
  }
}

function damaged(why: string) {
  return sourceError(
    'source.damaged',
    `The zstd file is damaged or cut short: ${why}.`,
    'Check it with "zstd -t" and fetch it again.'
  )
}
