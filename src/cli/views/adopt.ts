import type { AdoptOutput } from '../../operations/adopt.ts'
import type { Style } from '../render.ts'
import { driftOf } from './tables.ts'

/** What became a version, with a few of the rows. */
export function adoptView(output: AdoptOutput, style: Style): string {
  const title =
    output.version === null
      ? style.yellow('Dry run: nothing was recorded.')
      : `${style.green(`Version ${output.version}`)}  ${output.description}`
  return [
    title,
    ...output.notes.map((note) => style.dim(`  ${note}`)),
    '',
    ...output.drift.flatMap((table) => driftOf(table, style))
  ].join('\n')
}
