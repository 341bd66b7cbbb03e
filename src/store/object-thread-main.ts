import { parentPort, workerData } from 'node:worker_threads'
import { withoutCommonLines } from '../model/line-difference.ts'
import type { Answer, Question } from './object-thread.ts'
import { errorSaid } from './object-thread.ts'
import { ObjectStore } from './objects.ts'

const store = new ObjectStore(workerData as string)
const port = parentPort!

port.on('message', async (question: Question) => {
  port.postMessage(await answerTo(question))
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
      return { object, added: await store.put(object, bytes, question.base) }
    }
    case 'difference':
      return withoutCommonLines(await store.join(question.before), await store.join(question.after))
    case 'sync':
      return store.sync()
  }
}
