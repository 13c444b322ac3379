import type { RequestMatch, ScriptedAnswer } from './control.ts';
import { FAULTS } from './faults.ts';
import { emptyReply, jsonReply } from './http.ts';
import type { Reply, Request } from './http.ts';
import { isRow } from './raw-json.ts';
import type { Row } from './raw-json.ts';
import type { Steering } from './steering.ts';

/** What was sent cannot be used; the message says what was expected. */
interface Refusal {
  readonly expected: string;
}

const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;
const isText = (value: unknown): boolean => typeof value === 'string';

/** The members of a script that can be sent, and what each has to be. */
const MEMBERS: Readonly<Record<string, readonly [(value: unknown) => boolean, string]>> = {
  match: [(value) => isText(value) || isRow(value), 'a string or { "regex": string }'],
  fault: [(value) => FAULTS.has(String(value)), `one of ${[...FAULTS.keys()].join(', ')}`],
  status: [
    (value) => isCount(value) && Number(value) >= 200 && Number(value) <= 599,
    'a number from 200 to 599',
  ],
  headers: [(value) => isRow(value) && Object.values(value).every(isText), 'an object of strings'],
  body: [() => true, 'any JSON'],
  delayMs: [isCount, 'a whole number of milliseconds'],
  slowMs: [isCount, 'a whole number of milliseconds'],
  truncate: [isCount, 'a whole number of bytes'],
  drop: [
    (value) => typeof value === 'boolean' || value === 'before-headers' || value === 'after-headers',
    'true, "before-headers" or "after-headers"',
  ],
  method: [isText, 'a method like "GET"'],
  after: [isCount, 'a whole number'],
  times: [isCount, 'a whole number'],
};

function readObject(text: string): Row | Refusal {
  try {
    const body: unknown = JSON.parse(text);
    if (isRow(body)) return body;
  } catch {
    // Said below, with whatever else is no object.
  }
  return { expected: 'Expected a JSON object as body' };
}

function checkMember([name, value]: readonly [string, unknown]): string[] {
  const rule = Object.hasOwn(MEMBERS, name) ? MEMBERS[name] : undefined;
  if (rule === undefined) return [`Unknown member ${name}; known are ${Object.keys(MEMBERS).join(', ')}`];
  return rule[0](value) ? [] : [`Expected ${name} to be ${rule[1]}, got ${JSON.stringify(value)}`];
}

function readMatch(match: unknown): RequestMatch | Refusal {
  if (typeof match === 'string') return match;
  const regex = isRow(match) ? match['regex'] : undefined;
  if (typeof regex !== 'string') return { expected: 'Expected match to be a string or { "regex": string }' };
  try {
    return new RegExp(regex);
  } catch {
    return { expected: `Expected match.regex to be a regular expression, got ${JSON.stringify(regex)}` };
  }
}

const isRefusal = (value: object): value is Refusal => 'expected' in value;

const refuse = (message: string): Reply => jsonReply(400, { message, error: 'SimulatorControlError' });

type Command = (text: string, steering: Steering) => Reply;

const done = emptyReply(204);

const addAnswer: Command = (text, steering) => {
  const body = readObject(text);
  if (isRefusal(body)) return refuse(String(body.expected));
  const faults = Object.entries(body).flatMap(checkMember);
  if (faults.length > 0) return refuse(faults.join('. '));
  const { match: sent, ...script } = body;
  const match = readMatch(sent);
  if (typeof match === 'object' && isRefusal(match)) return refuse(match.expected);
  steering.answer(match, script as ScriptedAnswer); // every member was checked above
  return done;
};

const changePassword: Command = (text, steering) => {
  const body = readObject(text);
  const password = isRefusal(body) ? undefined : body['password'];
  if (typeof password !== 'string' || password === '') {
    return refuse('Expected { "password": string }, the new password');
  }
  steering.changePassword(password);
  return done;
};

const does =
  (act: (steering: Steering) => void): Command =>
  (_text, steering) => {
    act(steering);
    return done;
  };

const COMMANDS: Readonly<Record<string, Command>> = {
  'POST /_simulator/answer': addAnswer,
  'DELETE /_simulator/answers': does((steering) => steering.forgetAnswers()),
  'GET /_simulator/requests': (_text, { requests }) => jsonReply(200, requests),
  'DELETE /_simulator/requests': does((steering) => steering.forgetRequests()),
  'POST /_simulator/expire-access': does((steering) => steering.expireAccess()),
  'POST /_simulator/revoke': does((steering) => steering.revoke()),
  'POST /_simulator/password': changePassword,
  'POST /_simulator/sync': does((steering) => steering.sync()),
};

/** Carries out a command sent over HTTP; undefined for any request that is none. */
export function answerControl({ method, path, text }: Request, steering: Steering): Reply | undefined {
  if (!path.startsWith('/_simulator/')) return undefined;
  const command = COMMANDS[`${method} ${path}`];
  if (command !== undefined) return command(text, steering);
  const message = `Expected one of ${Object.keys(COMMANDS).join(', ')}, got ${method} ${path}`;
  return jsonReply(404, { message, error: 'SimulatorControlError' });
}
