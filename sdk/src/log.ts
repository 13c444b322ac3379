/** Where a plugin tells what it does. The host adds connection, run and time, and redacts secrets. */
export interface Log {
  /** For the plugin's author. */
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** For the operator. */
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Something is off, the work goes on. */
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
