import { ConnectorError, type RawEvent } from '@on-the-way/sdk';

function badValue({ externalId }: RawEvent, problem: string): ConnectorError {
  const id = JSON.stringify(externalId.slice(0, 128));
  return new ConnectorError(
    'bad_data',
    `Expected an event that can be posted, but the one with external_id ${id} ${problem}: ` +
      'nothing of its batch was posted; leave it out or correct it',
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

const texts = ['sourceId', 'externalId', 'occurredAt', 'payload'] as const;

/**
 * Refuses what would be changed on the way: half a character becomes another one in UTF-8, and a payload that is no JSON
 * could be taken for other members of the body. All else is for the other host to judge.
 *
 * @throws ConnectorError `bad_data` that names the event and nothing of its payload.
 */
export function checkEvent(event: RawEvent): void {
  for (const name of texts)
    if (!event[name].isWellFormed()) throw badValue(event, `has a lone surrogate in its ${name}`);
  if (!isJson(event.payload)) throw badValue(event, 'has a payload that is not JSON');
}
