/** What a page of the browser tests has in common: its settings and its one element. */

/** A setting from the page's address. */
export function setting(name: string): string {
  const value = new URLSearchParams(location.search).get(name);
  if (value === null) throw new Error(`the page's address lacks ${name}`);
  return value;
}

/** The rows as the test reads them. */
export function show(rows: readonly object[]): void {
  document.querySelector("pre")!.textContent = JSON.stringify(rows);
}
