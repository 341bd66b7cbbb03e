import type { RowbackError } from '../../errors.ts'
import type { Style } from '../render.ts'
import type { Conflict } from './revert.ts'
import { conflictLines } from './revert.ts'

/** What a person sees of an error besides its sentences. */
export function errorDetails({ code, details }: RowbackError, style: Style): string[] {
  if (code !== 'revert.conflict') return []
  return ['', ...conflictLines(details.conflicts as Conflict[], Number(details.count), style), '']
}
