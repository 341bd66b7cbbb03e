import type { Content } from './content.ts'
import { Char, depthChange, JsonStructure } from './json-structure.ts'
import { sourceError } from './source-error.ts'

/**
 * Where the rows of a JSON text are: the elements of the top-level array, the elements of an array in one member of the
 * top-level object (counted from 0), that object itself, or one object per line.
 */
export type JsonShape = { rows: 'array' } | { rows: 'member'; member: number } | { rows: 'object' } | { rows: 'lines' }

/**
 * Tells the shape; an object is read through for it.
 * @param start the text from its first line that is not blank
 * @throws RowbackError `source.syntax` when it is neither an array nor an object, or the object does not end
 */
export async function shapeOf(content: Content, start: string): Promise<JsonShape> {
  const [first] = start.trimStart()
  if (first === '[') return { rows: 'array' }
  if (first !== '{') {
    throw sourceError(
      'source.syntax',
      `${content.name} is not JSON with rows: it begins with ${JSON.stringify(start.trimStart().slice(0, 20))}.`,
      'Give an array of objects, or NDJSON with one object per line.'
    )
  }
  return objectShape(content)
}

async function objectShape(content: Content): Promise<JsonShape> {
  const finder = new MemberFinder()
  for await (const { text } of content.windows()) {
    finder.push(text)
    if (finder.anotherFollows) return { rows: 'lines' }
  }
  return finder.result(content.name)
}

/** Looks for arrays of objects directly in the top-level object. */
class MemberFinder {
  /** Whether a second object begins after the first, on another line. */
  anotherFollows = false
  readonly #structure = new JsonStructure()
  readonly #withObjects = new Set<number>()
  #depth = 0
  #member = 0
  #inArray = false
  #startLine = 0
  #endLine = 0

  push(text: string): void {
    this.#structure.walk(text, (character) => {
      if (this.#endLine > 0) this.#afterEnd(character)
      else this.#within(character)
    })
  }

  result(name: string): JsonShape {
    if (this.#endLine === 0) {
      throw sourceError(
        'source.syntax',
        `${name} is not valid JSON: the object that begins on line ${this.#startLine} has no end.`,
        'Check that the file is complete.'
      )
    }
    const [member, ...others] = this.#withObjects
    return member !== undefined && others.length === 0 ? { rows: 'member', member } : { rows: 'object' }
  }

  #within(character: number): void {
    if (this.#depth === 0) this.#startLine = this.#structure.line
    if (this.#depth === 1) {
      if (character === Char.comma) this.#member++
      this.#inArray = character === Char.openBracket
    } else if (this.#depth === 2 && this.#inArray && character === Char.openBrace) {
      this.#withObjects.add(this.#member)
    }
    this.#depth += depthChange(character)
    if (this.#depth === 0) this.#endLine = this.#structure.line
  }

  #afterEnd(character: number): void {
    // Pretty-printed objects one after another are not one per line.
    if (character === Char.openBrace && this.#startLine === this.#endLine) this.anotherFollows = true
  }
}
