import { Buffer } from 'node:buffer';
import { jsonReply, textReply } from './http.ts';
import type { Reply } from './http.ts';

/** An answer put in place of the normal one. With neither `status` nor `body` the normal answer is sent. */
export interface ScriptedAnswer {
  /** Default 200. */
  status?: number;
  headers?: Record<string, string>;
  /** An object is sent as JSON, a string as it is. */
  body?: unknown;
  /** Waits so long before answering. */
  delayMs?: number;
  /** Resets the connection instead of answering. */
  drop?: boolean;
  /** How many requests are answered so; default for ever. */
  times?: number;
}

export type RequestMatch = string | RegExp;

interface Script {
  readonly match: RequestMatch;
  readonly answer: ScriptedAnswer;
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
  takeScript(target: string): ScriptedAnswer | undefined;
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
      const script = { match, answer, left: answer.times ?? Infinity };
      scripts.add(script);
      return () => void scripts.delete(script);
    },
    edit(match, change) {
      const edit = { match, change };
      edits.add(edit);
      return () => void edits.delete(edit);
    },
    takeScript(target) {
      const script = [...scripts].findLast(({ match, left }) => left > 0 && matches(match, target));
      if (script === undefined) return undefined;
      script.left -= 1;
      return script.answer;
    },
    applyEdits(target, reply) {
      if (reply.status >= 300) return reply;
      return [...edits]
        .filter(({ match }) => matches(match, target))
        .reduce((edited, { change }) => editReply(edited, change), reply);
    },
  };
}
