import type { Engine, StandIn } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'

/** Engines name so many rows of a foreign key: from there on their number alone tells. */
const MOST_NAMED = 1000

/** Rows that refer to nothing, as they were before rows were put back, so that new ones are told from old ones. */
export class References {
  readonly #engine: Engine
  readonly #before: string[]

  private constructor(engine: Engine, before: string[]) {
    this.#engine = engine
    this.#before = before
  }

  static async before(engine: Engine): Promise<References> {
    return new References(engine, await engine.foreignKeyViolations())
  }

  /** @throws RowbackError `foreign_key.violated` (exit code 5) when rows refer to nothing that referred to something before */
  async assertWhole(standIns: readonly StandIn[] = []): Promise<void> {
    const violations = await this.#engine.foreignKeyViolations(standIns)
    const known = new Set(this.#before)
    const told = this.#before.length < MOST_NAMED ? violations.filter((text) => !known.has(text)) : []
    if (violations.length <= this.#before.length && told.length === 0) return
    const shown = told.length > 0 ? told : violations
    throw new RowbackError({
      code: 'foreign_key.violated',
      message: `Rows would refer to rows that are not there: ${shown.slice(0, 3).join('; ')}${shown.length > 3 ? ` and ${shown.length - 3} more` : ''}.`,
      hint: 'Take those rows away, point them elsewhere, or bring back what they refer to first, then try again.',
      exit: ExitCode.conflict
    })
  }
}
