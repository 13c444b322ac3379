import type pg from 'pg';

/** What the server answered to an {@link Exchange}. */
export interface Answer {
  /** The rows of all its statements, columns as text. */
  readonly rows: readonly (readonly (string | null)[])[];
}

type Callback = (error: Error | undefined, answer?: Answer) => void;

function headed(code: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(5);
  head.writeUInt8(code, 0);
  // Counts itself, and not the code.
  head.writeUInt32BE(length + 4, 1);
  return head;
}

const copyDone = headed(0x63, 0);

/**
 * One round trip: statements, in the simple protocol, with the data of the COPY among them right behind. The server is
 * not waited for between them; where it refuses a statement it drops the data by itself.
 *
 * The driver hands over what arrives. It drops a query at its first error, so that everything settles there: the rest
 * up to the server's being ready is the driver's, which takes no other query before.
 */
class Exchange implements pg.Submittable {
  /** Called once; the driver wraps it with its own time limit. */
  callback: Callback;
  readonly #text: string;
  readonly #data: readonly Buffer[];
  readonly #rows: (readonly (string | null)[])[] = [];

  constructor(text: string, data: readonly Buffer[], callback: Callback) {
    this.#text = text;
    this.#data = data;
    this.callback = callback;
  }

  submit(connection: pg.Connection): void {
    const { stream } = connection;
    stream.cork();
    connection.query(this.#text);
    for (const data of this.#data) {
      stream.write(headed(0x64, data.length));
      stream.write(data);
    }
    if (this.#data.length > 0) stream.write(copyDone);
    stream.uncork();
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    this.#rows.push(fields);
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback(undefined, { rows: this.#rows });
  }

  // Nothing is to be done at these.
  handleRowDescription(): void {}
  handleCommandComplete(): void {}
  handleCopyInResponse(): void {}
  handleEmptyQuery(): void {}
}

/** Sends statements and the data of the COPY among them; resolves when the server is ready for the next. */
export function exchange(client: pg.PoolClient, text: string, data: readonly Buffer[] = []): Promise<Answer> {
  return new Promise((resolve, reject) => {
    client.query(
      new Exchange(text, data, (error, answer) => (error ? reject(error) : resolve(answer ?? { rows: [] }))),
    );
  });
}
