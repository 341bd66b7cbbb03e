/** As many as Node.js has threads for reading files and unpacking them. */
export const AT_ONCE = 4

/**
 * Does some work on each item, on several at once, and gives the results in the order of the items.
 * @param atOnce so many are begun before the first of them is asked for
 * @throws what the work on an item throws, when its turn comes; work that was begun is left to end by itself
 */
export async function* ahead<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  atOnce: number = AT_ONCE
): AsyncIterable<R> {
  const begun: Promise<R>[] = []
  for (const [i] of items.entries()) {
    while (begun.length < atOnce && i + begun.length < items.length) begin(items[i + begun.length] as T)
    yield await (begun.shift() as Promise<R>)
  }

  function begin(item: T): void {
    const result = work(item)
    // Whoever awaits it hears of a failure; until then it must not end the process.
    result.catch(() => {})
    begun.push(result)
  }
}
