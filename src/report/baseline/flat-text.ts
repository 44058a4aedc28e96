/**
 * A text in one piece, as texts are that were read from a request or from disk. V8 keeps what is
 * put together of more than 12 characters as its parts until somebody reads it, and in a Map nobody
 * does: 49 bytes more for a handle, which no server would have.
 *
 * @param text of one byte a character.
 */
export function flatText(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
