/** Called with each of `{ } [ ] , :` that stands outside strings. */
export type Visit = (character: number, index: number) => void

export const Char = {
  openBrace: 123,
  closeBrace: 125,
  openBracket: 91,
  closeBracket: 93,
  comma: 44,
  colon: 58
} as const

const QUOTE = 34
const BACKSLASH = 92
const NEWLINE = 10

/** Goes through JSON text window by window, knowing only where strings begin and end, and on which line it is. */
export class JsonStructure {
  line = 1
  #inString = false
  #escaped = false

  walk(text: string, visit: Visit): void {
    let i = this.#inString ? this.#afterString(text, 0) : 0
    while (i < text.length) {
      const c = text.charCodeAt(i++)
      if (c === QUOTE) i = this.#afterString(text, i)
      else if (c === NEWLINE) this.line++
      else if (c === 44 || c === 58 || c === 91 || c === 93 || c === 123 || c === 125) visit(c, i - 1)
    }
  }

  // Line ends are not counted here: a string that has one is malformed.
  #afterString(text: string, from: number): number {
    let escaped = this.#escaped
    let i = from
    for (; i < text.length; i++) {
      const c = text.charCodeAt(i)
      if (escaped) escaped = false
      else if (c === BACKSLASH) escaped = true
      else if (c === QUOTE) break
    }
    this.#escaped = escaped
    this.#inString = i === text.length
    return i + 1
  }
}

/** How deep a structural character leads. */
export function depthChange(character: number): number {
  if (character === Char.openBrace || character === Char.openBracket) return 1
  return character === Char.closeBrace || character === Char.closeBracket ? -1 : 0
}

/** How many members the objects of a text have, all levels together and the same key twice counted twice. */
export function countMembers(text: string): number {
  let colons = 0
  new JsonStructure().walk(text, (character) => {
    if (character === Char.colon) colons++
  })
  return colons
}
