/** `1 row`, `2,000 rows`. @param noun in the singular */
export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}
