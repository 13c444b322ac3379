/** What a database's text can hold, and people can read: U+FFFD in the place of NUL and half characters. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}
