import { type Content, emptyError } from './content.ts'

/** Characters that are enough to see what a file is and how it is written. */
export const SAMPLE_LENGTH = 64 * 1024

const BLANK_LINES = /^(?:[^\S\r\n]*[\r\n])+/

/**
 * The start of the text, from its first line that is not blank.
 * @throws RowbackError `source.empty` when there is none
 */
export async function beginning(content: Content): Promise<string> {
  let text = ''
  for await (const window of content.windows()) {
    text = (text + window.text).replace(BLANK_LINES, '')
    if (text.length >= SAMPLE_LENGTH) break
  }
  if (text.trim() === '') throw emptyError(content.name)
  return text
}
