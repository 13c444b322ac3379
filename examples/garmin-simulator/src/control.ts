import { Buffer } from 'node:buffer';
import { FAULTS } from './faults.ts';
import type { FaultName } from './faults.ts';
import { jsonReply, textReply } from './http.ts';
import type { Reply, Request } from './http.ts';

/** An answer put in place of the normal one. With none of `fault`, `status` and `body` the normal answer is sent. */
export interface ScriptedAnswer {
  /** A ready-made answer by name; what else is given here counts more. */
  fault?: FaultName;
  /** Default 200. */
  status?: number;
  headers?: Record<string, string>;
  /** An object is sent as JSON, a string as it is. */
  body?: unknown;
  /** Waits so long before answering. */
  delayMs?: number;
  /** Waits so long before each of up to eight pieces of the body. */
  slowMs?: number;
  /** Closes the connection after so many bytes of the body, of which the headers promised all. */
  truncate?: number;
  /** Resets the connection instead of answering: true or 'before-headers', or in the middle of the answer. */
  drop?: boolean | 'before-headers' | 'after-headers';
  /** Only requests of this method; default all. */
  method?: string;
  /** Lets so many matching requests pass first; default none. */
  after?: number;
  /** How many requests are answered so; default for ever. */
  times?: number;
}

export type RequestMatch = string | RegExp;

interface Script {
  readonly match: RequestMatch;
  readonly answer: ScriptedAnswer;
  /** Matching requests still let pass. */
  passing: number;
  left: number;
}

interface Edit {
  readonly match: RequestMatch;
  readonly change: (body: any) => unknown; // oxlint-disable-line typescript/no-explicit-any -- any JSON value
}

export interface Control {
  answer(match: RequestMatch, answer: ScriptedAnswer): () => void;
  edit(match: RequestMatch, change: Edit['change']): () => void;
  /** The newest script that matches, counted as used. */
  takeScript(request: Pick<Request, 'method' | 'target'>): ScriptedAnswer | undefined;
  /** Ends all scripts; edits stay. */
  forgetAnswers(): void;
  applyEdits(target: string, reply: Reply): Reply;
}

/** `search` and not `test`: a RegExp with the g flag would remember where it stopped. */
const matches = (match: RequestMatch, target: string): boolean =>
  typeof match === 'string' ? target.startsWith(match) : target.search(match) >= 0;

/** An empty answer is edited as null; an edit that returns nothing is taken to have changed the body in place. */
function editReply(reply: Reply, change: Edit['change']): Reply {
  const before: unknown = reply.bytes.length === 0 ? null : JSON.parse(reply.bytes.toString('utf8'));
  const after = change(before) ?? before;
  if (after === null && reply.bytes.length === 0) return reply;
  return jsonReply(200, after, { ...reply.headers });
}

/** The script with the named fault filled in; what the script says itself counts more. */
function withFault(script: ScriptedAnswer): ScriptedAnswer {
  const fault = script.fault === undefined ? undefined : FAULTS.get(script.fault);
  if (fault === undefined) return script;
  return { ...fault, ...script, headers: { ...fault.headers, ...script.headers } };
}

export function scriptedReply(script: ScriptedAnswer, normal: () => Reply): Reply {
  const { status = 200, headers = {}, body } = script;
  if (script.status === undefined && body === undefined) {
    const reply = normal();
    return { ...reply, headers: { ...reply.headers, ...headers } };
  }
  if (typeof body === 'string') {
    const reply = textReply(status, 'text/plain;charset=utf-8', body);
    return { ...reply, headers: { ...reply.headers, ...headers } };
  }
  if (body === undefined) return { status, headers, bytes: Buffer.alloc(0) };
  return jsonReply(status, body, headers);
}

export function openControl(): Control {
  const scripts = new Set<Script>();
  const edits = new Set<Edit>();
  return {
    answer(match, answer) {
      const { after = 0, times = Infinity } = answer;
      const script = { match, answer: withFault(answer), passing: after, left: times };
      scripts.add(script);
      return () => void scripts.delete(script);
    },
    edit(match, change) {
      const edit = { match, change };
      edits.add(edit);
      return () => void edits.delete(edit);
    },
    takeScript({ method, target }) {
      const fitting = [...scripts].filter(
        ({ match, answer, left }) =>
          left > 0 && matches(match, target) && (answer.method ?? method) === method,
      );
      const script = fitting.findLast(({ passing }) => passing === 0);
      for (const waiting of fitting) waiting.passing = Math.max(0, waiting.passing - 1);
      if (script === undefined) return undefined;
      script.left -= 1;
      return script.answer;
    },
    forgetAnswers: () => scripts.clear(),
    applyEdits(target, reply) {
      if (reply.status >= 300) return reply;
      return [...edits]
        .filter(({ match }) => matches(match, target))
        .reduce((edited, { change }) => editReply(edited, change), reply);
    },
  };
}
