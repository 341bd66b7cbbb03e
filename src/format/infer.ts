import type { RawCell } from '../model/failed-row.ts'
import type { ColumnType, SeenValues } from '../model/table.ts'
import { DateTimeForm, dateTimeForm, FRACTION_SHIFT, isDate, timeFraction } from './calendar.ts'
import { NumberGuess } from './number-guess.ts'

/** What a source's column turned out to be. */
export interface InferredColumn extends SeenValues {
  name: string
  type: ColumnType
  /** Some cell was null. */
  nullable: boolean
}

/**
 * Finds the narrowest type of each column that every one of its cells satisfies exactly: converting loses nothing,
 * neither leading zeros nor signs nor digits. What is not sure is text.
 */
export class TypeInference {
  readonly #columns: ColumnGuess[]
  /** The columns whose type a further cell can still change. */
  #open: number[]
  readonly #longest: number[]

  /** @param textColumns columns that are text whatever they hold */
  constructor(columns: readonly string[], textColumns: ReadonlySet<string>) {
    this.#columns = columns.map((name) => new ColumnGuess(name, textColumns.has(name)))
    this.#open = columns.map((_, index) => index)
    this.#longest = columns.map(() => 0)
  }

  /** Takes one row; called for every row of a source. */
  add(cells: readonly RawCell[]): void {
    for (let i = 0; i < this.#longest.length; i++) {
      const length = cells[i]?.length ?? 0
      if (length > (this.#longest[i] as number)) this.#longest[i] = length
    }
    let settled = false
    for (let i = 0; i < this.#open.length; i++) {
      const index = this.#open[i] as number
      settled = (this.#columns[index] as ColumnGuess).add(cells[index] ?? null) || settled
    }
    if (settled) this.#open = this.#open.filter((index) => !(this.#columns[index] as ColumnGuess).settled)
  }

  /** The columns as far as they have been seen. */
  columns(): InferredColumn[] {
    return this.#columns.map((column, i) => ({ ...column.result(), longest: this.#longest[i] as number }))
  }
}

type Family = 'unknown' | 'number' | 'boolean' | 'date' | 'datetime' | 'time' | 'text'

class ColumnGuess {
  readonly #name: string
  readonly #number = new NumberGuess()
  #family: Family
  #nullable = false
  #form = 0
  #fractionDigits = 0

  constructor(name: string, isText: boolean) {
    this.#name = name
    this.#family = isText ? 'text' : 'unknown'
  }

  /** Nothing that may follow changes the answer. */
  get settled(): boolean {
    return this.#family === 'text' && this.#nullable
  }

  /** Takes one cell. @returns whether the column is settled by now */
  add(cell: RawCell): boolean {
    if (cell === null) this.#nullable = true
    else if (this.#family === 'text') return false
    else if (this.#family === 'unknown') this.#family = this.#firstFamily(cell)
    else if (!this.#belongs(cell)) this.#family = 'text'
    return this.settled
  }

  result(): Omit<InferredColumn, 'longest'> {
    const timed = this.#family === 'datetime' || this.#family === 'time'
    return {
      name: this.#name,
      type: this.#type(),
      nullable: this.#nullable,
      zoned: this.#family === 'datetime' && (this.#form & (DateTimeForm.utc | DateTimeForm.offset)) !== 0,
      fractionDigits: timed ? this.#fractionDigits : 0
    }
  }

  #firstFamily(cell: string): Family {
    if (this.#number.accept(cell)) return 'number'
    if (isBoolean(cell)) return 'boolean'
    if (isDate(cell)) return 'date'
    if (this.#isTime(cell)) return 'time'
    this.#form = dateTimeForm(cell) & DateTimeForm.all
    return this.#isDateTime(cell) ? 'datetime' : 'text'
  }

  #belongs(cell: string): boolean {
    switch (this.#family) {
      case 'number':
        return this.#number.accept(cell)
      case 'boolean':
        return isBoolean(cell)
      case 'date':
        return isDate(cell)
      case 'time':
        return this.#isTime(cell)
      case 'datetime':
        return this.#isDateTime(cell)
      default:
        return false
    }
  }

  #isTime(cell: string): boolean {
    const fraction = timeFraction(cell)
    if (fraction > this.#fractionDigits) this.#fractionDigits = fraction
    return fraction >= 0
  }

  #isDateTime(cell: string): boolean {
    const form = dateTimeForm(cell)
    const fraction = form >> FRACTION_SHIFT
    if (fraction > this.#fractionDigits) this.#fractionDigits = fraction
    return form !== DateTimeForm.none && (form & DateTimeForm.all) === this.#form
  }

  #type(): ColumnType {
    switch (this.#family) {
      case 'number':
        return this.#number.type() ?? TEXT
      case 'boolean':
      case 'date':
      case 'datetime':
      case 'time':
        return { kind: this.#family }
      default:
        return TEXT
    }
  }
}

const TEXT: ColumnType = { kind: 'text', maxLength: null }

function isBoolean(cell: string): boolean {
  if (cell.length !== 4 && cell.length !== 5) return false
  if (cell === 'true' || cell === 'false') return true
  const lower = cell.toLowerCase()
  return lower === 'true' || lower === 'false'
}
