import type { ColumnType, SeenValues } from '../../model/table.ts'

const INT64_MAX = 2n ** 63n - 1n
const UINT64_MAX = 2n ** 64n - 1n
/** Most that a VARCHAR of a new table takes, so that it can be a key and many fit into a row. */
export const SHORT_TEXT = 255
/** Characters of four bytes that a TEXT surely holds. */
const TEXT_CHARACTERS = 16_383
const MOST_FRACTION_DIGITS = 6
const DECIMAL_LIMITS = { precision: 65, scale: 30 }

/**
 * The type of a new column.
 * @param seen what its values were like, where the type was read off them: later ones may need more room
 */
export function declaredType(type: ColumnType, seen?: SeenValues): string {
  switch (type.kind) {
    case 'integer':
      return declaredInteger(type.min, type.max)
    case 'decimal':
      return declaredDecimal(type.precision, type.scale, seen)
    case 'double':
      return 'DOUBLE'
    case 'boolean':
      return 'BOOLEAN'
    case 'text':
      return type.maxLength === null ? declaredText(seen?.longest) : declaredVarchar(type.maxLength)
    case 'date':
      return 'DATE'
    case 'datetime':
      return seen?.zoned ? 'VARCHAR(64)' : declaredTime('DATETIME', seen)
    case 'time':
      return declaredTime('TIME', seen)
    case 'blob':
      return 'LONGBLOB'
    case 'json':
      return 'JSON'
  }
}

function declaredInteger(min: bigint, max: bigint): string {
  if (max <= INT64_MAX && min >= -INT64_MAX - 1n) return 'BIGINT'
  return min >= 0n && max <= UINT64_MAX ? 'BIGINT UNSIGNED' : 'DECIMAL(65, 0)'
}

function declaredDecimal(precision: number, scale: number, seen: SeenValues | undefined): string {
  if (precision > DECIMAL_LIMITS.precision || scale > DECIMAL_LIMITS.scale) return 'LONGTEXT'
  const roomy = seen ? Math.min(DECIMAL_LIMITS.precision, Math.max(precision, 18 + scale)) : precision
  return `DECIMAL(${roomy}, ${scale})`
}

function declaredText(longest: number | undefined): string {
  if (longest === undefined || longest > TEXT_CHARACTERS) return 'LONGTEXT'
  return longest <= SHORT_TEXT ? `VARCHAR(${SHORT_TEXT})` : 'TEXT'
}

function declaredVarchar(maxLength: number): string {
  return maxLength <= TEXT_CHARACTERS ? `VARCHAR(${maxLength})` : 'LONGTEXT'
}

/** A server holds six digits of a second; more would be rounded, and stay text. */
function declaredTime(name: string, seen: SeenValues | undefined): string {
  if (seen && seen.fractionDigits > MOST_FRACTION_DIGITS) return 'VARCHAR(64)'
  return seen?.fractionDigits === 0 ? name : `${name}(${MOST_FRACTION_DIGITS})`
}
