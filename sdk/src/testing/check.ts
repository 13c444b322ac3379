import type { ConnectorSubject, SinkSubject, Subject } from './subject.ts';

/** What a check is about; the parts of the table. */
export type CheckTopic =
  | 'Spec'
  | 'Check'
  | 'Secrets'
  | 'Datasets'
  | 'Fetch'
  | 'State'
  | 'Errors'
  | 'Auth'
  | 'Rate'
  | 'Memory'
  | 'Sink'
  | 'Telemetry';

/** One promise of a plugin, and how to find out whether it is kept. */
export interface Check {
  /** 1 to 45; never given to another check. */
  readonly id: number;
  /** What it is about; tables are grouped by it. */
  readonly topic: CheckTopic;
  /** The promise, in a sentence. */
  readonly title: string;
  /** What goes wrong for users where it is broken. */
  readonly why: string;
  /** Which plugins promise it. */
  readonly of: 'connector' | 'sink' | 'plugin';
  /**
   * Resolves when the promise is kept. Throws `Broken` when it is not, `Skip` when it cannot be told; anything
   * else thrown counts as broken too. Called with subjects of its own kind only.
   */
  run(subject: Subject): Promise<void>;
}

/** Thrown by a check: the promise is broken. The message says what was expected and what was found. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** Thrown by a check that cannot tell, with the reason. */
export class Skip extends Error {
  override readonly name = 'Skip';
  /** True: the plugin is such that the promise says nothing of it, e.g. a cursor's where it has no cursor dataset. */
  readonly isOutOfScope: boolean;

  constructor(reason: string, isOutOfScope = false) {
    super(reason);
    this.isOutOfScope = isOutOfScope;
  }
}

/** Throws {@link Broken} unless `kept`. */
export function expectThat(kept: boolean, message: () => string): asserts kept {
  if (!kept) throw new Broken(message());
}

type Text = Pick<Check, 'id' | 'topic' | 'title' | 'why'>;

/** Makes a check of connectors. */
export function connectorCheck(text: Text, run: (subject: ConnectorSubject) => Promise<void>): Check {
  return { ...text, of: 'connector', run: run as Check['run'] };
}

/** Makes a check of sinks. */
export function sinkCheck(text: Text, run: (subject: SinkSubject) => Promise<void>): Check {
  return { ...text, of: 'sink', run: run as Check['run'] };
}

/** Makes a check of connectors and sinks. */
export function pluginCheck(text: Text, run: (subject: Subject) => Promise<void>): Check {
  return { ...text, of: 'plugin', run };
}
