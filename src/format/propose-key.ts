/**
 * The column that most likely tells rows apart, by its name alone: `id`, `uuid`, `<table>_id`, `key`, `code`.
 * Whether its values are unique is for `KeyCheck` to say.
 */
export function proposeKey(columnNames: readonly string[], tableName: string): string | null {
  const table = tableName.toLowerCase()
  const owners = [table, ...singulars(table)].map((name) => `${name}_id`)
  for (const wanted of ['id', 'uuid', ...owners, 'key', 'code']) {
    const found = columnNames.find((name) => name.toLowerCase() === wanted)
    if (found !== undefined) return found
  }
  return null
}

/** What an English plural may be the plural of; wrong guesses do no harm, as no column has such a name. */
function singulars(plural: string): string[] {
  const candidates: string[] = []
  if (plural.endsWith('ies')) candidates.push(`${plural.slice(0, -3)}y`)
  if (plural.endsWith('es')) candidates.push(plural.slice(0, -2))
  if (plural.endsWith('s')) candidates.push(plural.slice(0, -1))
  return candidates
}
