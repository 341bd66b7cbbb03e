import { parentPort, workerData } from 'node:worker_threads'
import type { LinePair } from '../model/line-difference.ts'
import { withoutCommonLines } from '../model/line-difference.ts'
import { SpentBuffers } from '../model/spent-buffers.ts'
import type { Answer, Question } from './object-thread.ts'
import { errorSaid } from './object-thread.ts'
import { DamagedFile, ObjectStore } from './objects.ts'

/** A chunk's base, and the base of that: what is put and compared comes in the order of keys, and not again. */
const CACHE_BYTES = 5 << 20

/** Besides the bytes themselves: the base, what they were packed to, and what that was unpacked to. */
const MADE_BY_PUT = 4

/** Lines that are soon asked for; of texts that have less in common, more than this is found anew. */
const FORESEEN_BYTES = 16 << 20

const spent = new SpentBuffers('major')
const { root, proven } = workerData as { root: string; proven: string[] }
const store = new ObjectStore(root, CACHE_BYTES)
for (const object of proven) store.trust(object)
/** Differences by the objects that were put, and the others. */
const foreseen = new Map<string, LinePair>()
let foreseenBytes = 0
const port = parentPort!

port.on('message', async (question: Question) => {
  port.postMessage(await answerTo(question), question.ask === 'put' ? [question.bytes.buffer] : [])
})

async function answerTo(question: Question): Promise<Answer> {
  const { id } = question
  try {
    return { id, result: await work(question) }
  } catch (error) {
    return { id, failed: errorSaid(error) }
  }
}

async function work(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'put': {
      const { buffer, byteOffset, byteLength } = question.bytes
      const bytes = Buffer.from(buffer, byteOffset, byteLength)
      const object = ObjectStore.hash(bytes)
      const added = await store.put(object, bytes, question.base)
      if (question.other !== null && question.other !== object) await foresee(object, bytes, question.other)
      spent.add(MADE_BY_PUT * bytes.length)
      return { object, added, spent: buffer }
    }
    case 'prove':
      spent.add((await store.get(question.object)).length)
      return
    case 'difference': {
      const known = foreseen.get(pairOf(question.before, question.after))
      if (known) return known
      const before = await store.join(question.before)
      const after = await store.join(question.after)
      spent.add(before.length + after.length)
      return withoutCommonLines(before, after)
    }
    case 'sync':
      return store.sync()
  }
}

async function foresee(object: string, bytes: Buffer, other: string): Promise<void> {
  try {
    const pair = withoutCommonLines(bytes, await store.get(other))
    const size = pair.before.length + pair.after.length
    if (foreseenBytes + size > FORESEEN_BYTES) return
    foreseenBytes += size
    foreseen.set(pairOf([object], [other]), pair)
  } catch (error) {
    // Whoever needs the other one hears of it.
    if (!(error instanceof DamagedFile)) throw error
  }
}

function pairOf(before: readonly string[], after: readonly string[]): string {
  return `${before.join()} ${after.join()}`
}
