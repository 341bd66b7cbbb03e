/** Characters of one row; more is taken for a quote or bracket that is never closed. */
export const MAX_RECORD = 16 * 1024 * 1024

/** A limit as people read it: `16 MiB`. */
export function inMiB(characters: number): string {
  return `${characters / 1024 / 1024} MiB`
}
