/** Binary search. */

/**
 * How many of `count` things in a row come before what is looked for, which is the index of the
 * first that does not.
 *
 * @param isBefore holds for a beginning of them, and for none behind it.
 */
export function partitionPoint(count: number, isBefore: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
