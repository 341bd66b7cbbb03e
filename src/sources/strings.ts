/** How often a string occurs in the text from `from` up to `to`. */
export function countOf(needle: string, text: string, from = 0, to = text.length): number {
  let count = 0
  for (let at = text.indexOf(needle, from); at !== -1 && at < to; at = text.indexOf(needle, at + 1)) count++
  return count
}
