import type { Content } from './content.ts'
import { type JsonElement, type JsonPart, jsonError } from './json-elements.ts'
import { inMiB, MAX_RECORD } from './limits.ts'

/**
 * The lines of NDJSON that are not blank, each as one element.
 * @throws RowbackError `source.syntax` when a line is too long to be meant
 */
export async function* lineElements(content: Content): AsyncGenerator<JsonPart> {
  let open = ''
  let line = 1
  const take = (raw: string, into: JsonElement[]): void => {
    const text = raw.trim()
    if (text !== '') into.push({ line, text })
    line++
  }
  for await (const { text, bytesRead } of content.windows()) {
    const elements: JsonElement[] = []
    const lines = text.split('\n')
    const rest = lines.pop() ?? ''
    for (const piece of lines) {
      take(open + piece, elements)
      open = ''
    }
    open += rest
    if (open.length > MAX_RECORD) throw jsonError(content.name, line, `it is longer than ${inMiB(MAX_RECORD)}`)
    yield { elements, bytesRead }
  }
  const last: JsonElement[] = []
  take(open, last)
  yield { elements: last, bytesRead: content.bytes }
}
