import type { Content } from './content.ts'
import type { Encoding } from './encoding.ts'

/** What was detected, as one line for people. */
export function summarise(kind: string, content: Content, details: string[] = []): string {
  const compressed = content.compression ? [content.compression] : []
  return [kind, ...details, encodingInWords(content.encoding), ...compressed].join(', ')
}

function encodingInWords({ label, guessed }: Encoding): string {
  return guessed ? `${label} (a guess, as it is not UTF-8; say another with --encoding)` : label
}
