import { Char, depthChange, JsonStructure } from './json-structure.ts'
import { inMiB, MAX_RECORD } from './limits.ts'
import { messageOf, sourceError } from './source-error.ts'

/** The text of one element, and the line on which it begins. */
export interface JsonElement {
  line: number
  text: string
}

/** Elements that end in one window. */
export interface JsonPart {
  elements: JsonElement[]
  /** Bytes of the input read so far. */
  bytesRead: number
}

/** Splits an array in a JSON text into its elements without parsing them. */
export class JsonElements {
  readonly #name: string
  readonly #depthOfArray: number
  readonly #member: number
  readonly #maxElement: number
  readonly #structure = new JsonStructure()
  #where: 'before' | 'within' | 'after' = 'before'
  #depth = 0
  #memberNow = 0
  /** Text since the last border that is in no window any more. */
  #held = ''
  #heldFromLine = 1
  #count = 0
  #prefix = ''

  /** @param member which member of a top-level object has the array; null for a top-level array */
  constructor(name: string, member: number | null, maxElement = MAX_RECORD) {
    this.#name = name
    this.#depthOfArray = member === null ? 1 : 2
    this.#member = member ?? 0
    this.#maxElement = maxElement
  }

  /**
   * The elements that end in this window.
   * @throws RowbackError `source.syntax` for an empty element, as a comma too many leaves it, and for an endless one
   */
  push(text: string): JsonElement[] {
    const elements: JsonElement[] = []
    let from = 0
    const takeUpTo = (index: number): string => {
      const taken = this.#held + text.slice(from, index)
      this.#held = ''
      from = index + 1
      return taken
    }
    this.#structure.walk(text, (character, index) => {
      if (this.#where === 'within') this.#withinArray(character, index, takeUpTo, elements)
      else if (this.#where === 'before' && this.#opensArray(character)) this.#begin(takeUpTo(index))
      this.#depth += depthChange(character)
    })
    this.#held += text.slice(from)
    if (this.#held.length > this.#maxElement) throw this.#tooLong()
    return elements
  }

  /**
   * Makes sure that what is around the elements is valid JSON, too.
   * @throws RowbackError `source.syntax`
   */
  end(): void {
    if (this.#where !== 'after') {
      throw this.#syntaxError(this.#firstTextLine(this.#held, this.#heldFromLine), 'the file ends within the array')
    }
    try {
      JSON.parse(`${this.#prefix}[]${this.#held}`)
    } catch (error) {
      throw this.#syntaxError(this.#structure.line, `outside of its rows: ${messageOf(error)}`)
    }
  }

  #opensArray(character: number): boolean {
    if (character === Char.comma && this.#depth === 1) this.#memberNow++
    const opened = this.#depth + 1 === this.#depthOfArray && character === Char.openBracket
    return opened && this.#memberNow === this.#member
  }

  #begin(prefix: string): void {
    this.#prefix = prefix
    this.#heldFromLine = this.#structure.line
    this.#where = 'within'
  }

  #withinArray(character: number, index: number, takeUpTo: (index: number) => string, found: JsonElement[]): void {
    if (this.#depth !== this.#depthOfArray) return
    const closes = depthChange(character) < 0
    if (character !== Char.comma && !closes) return
    this.#finish(takeUpTo(index), closes, found)
    if (closes) this.#where = 'after'
  }

  #finish(raw: string, isLast: boolean, found: JsonElement[]): void {
    const text = raw.trim()
    const line = this.#firstTextLine(raw, this.#heldFromLine)
    if (text !== '') found.push({ line, text })
    else if (!isLast || this.#count > 0) throw this.#syntaxError(line, 'an element is missing at a comma')
    this.#count++
    this.#heldFromLine = this.#structure.line
  }

  #firstTextLine(raw: string, line: number): number {
    const blanks = raw.length - raw.trimStart().length
    return line + raw.slice(0, blanks).split('\n').length - 1
  }

  #tooLong() {
    const line = this.#firstTextLine(this.#held, this.#heldFromLine)
    return this.#syntaxError(line, `what begins there is longer than ${inMiB(this.#maxElement)}`)
  }

  #syntaxError(line: number, why: string) {
    return jsonError(this.#name, line, why)
  }
}

/** The error for a JSON text that is malformed as a whole. */
export function jsonError(name: string, line: number, why: string) {
  return sourceError(
    'source.syntax',
    `${name} is not valid JSON, line ${line}: ${why}.`,
    'Check that the file is complete, and correct it or write it again.'
  )
}
