/** Who migrated: as typed, and what could be told from it. */
export interface Author {
  given: string
  name: string | null
  email: string | null
  alias: string | null
}

/**
 * Reads `Name <email>`, a bare e-mail address, a name of several words, or an alias.
 * @param given what the user typed; not empty
 */
export function parseAuthor(given: string): Author {
  const text = given.trim()
  const both = /^(.*?)\s*<([^<>\s]+@[^<>\s]+)>$/.exec(text)
  if (both) return { given: text, name: both[1] || null, email: both[2] ?? null, alias: null }
  if (/^[^\s@<>]+@[^\s@<>]+$/.test(text)) return { given: text, name: null, email: text, alias: null }
  if (/\s/.test(text)) return { given: text, name: text, email: null, alias: null }
  return { given: text, name: null, email: null, alias: text }
}
