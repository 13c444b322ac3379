import { eachDay } from '../calendar.ts';
import type { View } from '../person/view.ts';
import { isRow } from '../raw-json.ts';
import { badRequest, forRange, ok } from './answer.ts';
import type { Answer, Answerer } from './answer.ts';
import { readinessOn } from './training-readiness.ts';

export const GRAPHQL_PATH = '/graphql-gateway/graphql';

/** The fields that are answered; each gives what the service behind it would. */
const FIELDS: Readonly<Record<string, Answerer>> = {
  trainingReadinessRangeScalar: forRange(
    { start: 'startDate', end: 'endDate', maxDays: 366 },
    (view, { start, end }) => ok(eachDay(start, end).flatMap((date) => readinessOn(view, date))),
  ),
};

const failure = (message: string, status?: number): Answer =>
  ok({
    data: null,
    errors: [{ message, ...(status === undefined ? {} : { extensions: { response: { status } } }) }],
  });

function queryOf(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return isRow(body) && typeof body['query'] === 'string' ? body['query'] : undefined;
  } catch {
    return undefined; // what is no JSON asks nothing, and is refused for that
  }
}

/** Answers a query of one field with literal arguments; faults inside come with status 200, as from Garmin. */
export function answerGraphql(text: string, view: View): Answer {
  const query = queryOf(text);
  if (query === undefined) return badRequest('Expected a JSON body with a query');
  const [, name = '', written = ''] = /(\w+)\s*\(([^)]*)\)/.exec(query) ?? [];
  const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (field === undefined) return failure(`Validation error (FieldUndefined@[${name}]) : Field is undefined`);
  const sent = [...written.matchAll(/(\w+)\s*:\s*"([^"]*)"/g)].map(([, key = '', value = '']) => [
    key,
    value,
  ]);
  const answer = field({
    view,
    params: {},
    query: Object.fromEntries(sent) as Record<string, string>,
    headers: {},
  });
  if (answer.status === 200) return ok({ data: { [name]: answer.body } });
  return failure(`Exception while fetching data (/${name}) : ${answer.status}`, answer.status);
}
