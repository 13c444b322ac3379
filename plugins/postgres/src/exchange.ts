import type pg from 'pg';

/** What the server answered to an {@link Exchange}. */
export interface Answer {
  /** The rows of all its statements, columns as text. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** A statement with its values, which are never part of its text: they reach no log of the server. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly string[];
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

/** The driver's connection, where its types are those of an earlier version. */
interface Wire {
  parse(statement: { readonly text: string }): void;
  bind(values: { readonly values: readonly string[] }): void;
  execute(portal: object): void;
  sync(): void;
}

/**
 * One round trip. The driver hands over what arrives. It drops a query at its first error, so that everything settles
 * there: the rest up to the server's being ready is the driver's, which takes no other query before.
 */
class Exchange implements pg.Submittable {
  /** Called once; the driver wraps it with its own time limit. */
  callback: Callback;
  readonly #send: (connection: pg.Connection) => void;
  readonly #rows: (readonly (string | null)[])[] = [];

  constructor(send: (connection: pg.Connection) => void, callback: Callback) {
    this.#send = send;
    this.callback = callback;
  }

  submit(connection: pg.Connection): void {
    const { stream } = connection;
    stream.cork();
    this.#send(connection);
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

function exchangeBy(client: pg.PoolClient, send: (connection: pg.Connection) => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle: Callback = (error, answer) => (error ? reject(error) : resolve(answer ?? { rows: [] }));
    client.query(new Exchange(send, settle));
  });
}

/** Sends statements with their values, all before the first is answered; when one fails, those behind it are not run. */
export function pipeline(client: pg.PoolClient, statements: readonly Statement[]): Promise<Answer> {
  return exchangeBy(client, (connection) => {
    const wire = connection as unknown as Wire;
    for (const { text, values = [] } of statements) {
      wire.parse({ text });
      wire.bind({ values });
      wire.execute({});
    }
    wire.sync();
  });
}

/**
 * Sends statements in the simple protocol, and the data of the COPY among them right behind. The server is
 * not waited for between them; where it refuses a statement it drops the data by itself.
 */
export function exchange(client: pg.PoolClient, text: string, data: readonly Buffer[] = []): Promise<Answer> {
  return exchangeBy(client, (connection) => {
    connection.query(text);
    for (const piece of data) {
      connection.stream.write(headed(0x64, piece.length));
      connection.stream.write(piece);
    }
    if (data.length > 0) connection.stream.write(copyDone);
  });
}
