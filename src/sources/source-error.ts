import { RowbackError } from '../errors.ts'

/**
 * An error about the input itself (exit code 1).
 * @param hint what the user can do next
 */
export function sourceError(code: `source.${string}`, message: string, hint: string, cause?: unknown): RowbackError {
  return new RowbackError({ code, message, hint, cause })
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
