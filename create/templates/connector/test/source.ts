import type { Handler } from '@on-the-way/sdk/testing';

/** API keys of the double, by the number of the person they belong to. */
export const keys = { 1: 'invented-key-of-ann', 2: 'invented-key-of-ben' } as const;

const people = new Map<string | undefined, string>([
  [keys[1], 'ann'],
  [keys[2], 'ben'],
]);

const firstDay = '2020-01-01';

/** Steps of a person on a day: invented, and the same whenever they are asked for. */
function stepsOf(person: string, day: string): number {
  return (Number(day.replaceAll('-', '')) * person.charCodeAt(0)) % 20_000;
}

/** A double of the API: `/me` says whose key it is, `/steps?day=` what was walked on a day. */
export const answer: Handler = ({ headers, path, query }) => {
  const person = people.get(/^Bearer (.+)$/.exec(String(headers['authorization']))?.[1]);
  if (person === undefined) return { status: 401, json: { error: 'unknown key' } };
  if (path === '/me') return { json: { id: person } };
  const day = query.get('day');
  if (path !== '/steps' || day === null) return undefined;
  if (day < firstDay) return { status: 410, json: { error: `nothing is kept from before ${firstDay}` } };
  const today = new Date().toISOString().slice(0, 10);
  return { json: day > today ? null : { steps: stepsOf(person, day) } };
};
