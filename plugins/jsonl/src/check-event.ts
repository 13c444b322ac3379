import { ConnectorError, parseInstant, type RawEvent } from '@on-the-way/sdk';
import { longestFolder, sourceFolder } from './day-file.ts';

function badValue(event: RawEvent, problem: string): ConnectorError {
  const id = JSON.stringify(event.externalId.slice(0, 128));
  return new ConnectorError(
    'bad_data',
    `Expected an event that a file can hold, but the one with external_id ${id} ${problem}: ` +
      'nothing of its batch was stored; leave it out or correct it',
  );
}

const texts = ['sourceId', 'externalId', 'occurredAt', 'payload', 'payloadHash', 'requestId'] as const;

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/**
 * Refuses what would not be stored as it is: half characters have no bytes, and a payload that is no JSON would make a
 * line of none.
 *
 * @throws ConnectorError `bad_data` that names the event and nothing of its payload.
 */
export function checkEvent(event: RawEvent): void {
  for (const name of texts)
    if (!event[name].isWellFormed()) throw badValue(event, `has a lone surrogate in its ${name}`);
  if (event.sourceId === '') throw badValue(event, 'has no sourceId');
  if (sourceFolder(event.sourceId).length > longestFolder)
    throw badValue(event, `has a sourceId too long for the name of a folder`);
  if (!parseInstant(event.occurredAt))
    throw badValue(event, 'has an occurredAt that is not RFC 3339 with offset');
  // The parser's own message would quote the payload.
  if (!isJson(event.payload)) throw badValue(event, 'has a payload that is not JSON');
}
