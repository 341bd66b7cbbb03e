import type { Content } from './content.ts'

/** What was detected, as one line for people. */
export function summarise(kind: string, content: Content, details: string[] = []): string {
  const compressed = content.compression ? [content.compression] : []
  return [kind, ...details, content.encoding.label, ...compressed].join(', ')
}
