import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { describedSchemaOf } from '../ingest/accept.ts';
import type { ServedContract } from '../ingest/ports.ts';
import {
  createBodyBudget,
  readBody,
  readTextBody,
  textReader,
  type BodyBudget,
  type BodyReader,
} from '../ingest/read-body.ts';
import { arrayTypes, batchItems, lineReader, lineTypes, splitArray } from '../ingest/split-batch.ts';
import { ApiError } from './api-error.ts';
import type { AppParts } from './app-parts.ts';
import { pathAsked, requestIdOf } from './exchange.ts';
import {
  acceptArray,
  acceptItem,
  answerItems,
  bodyLimit,
  expectAll,
  noteRefusal,
  storeBody,
  type Item,
  type Posted,
} from './ingest-event.ts';
import { defineRoute, type Route } from './route.ts';
import { ok, refusal, timestamp } from './shapes.ts';
import { turn } from './turns.ts';

const batchLimit = 16 * 1024 * 1024;
const batchTypes = [...arrayTypes, ...lineTypes];
// Of all bodies that are being worked on.
const heldBytes = 64 * 1024 * 1024;

const stored = { raw_id: z.uuid(), ingested_at: timestamp, idempotent: z.boolean() };
const storedShape = ok(stored);
const batchShape = ok({ items: z.array(z.union([storedShape, refusal])) });
const answered = { 200: { description: 'Stored, now or before', schema: storedShape } };
const answeredBatch = {
  200: { description: 'All of them are stored; one answer an item, in order', schema: batchShape },
  207: { description: 'Some are refused; one answer an item, in order', schema: batchShape },
};

async function contractOf({ contracts }: AppParts, name: string): Promise<ServedContract> {
  const contract = await contracts.get(name);
  if (contract) return contract;
  const names = (await contracts.all()).map((served) => served.name).join(', ');
  throw new ApiError(404, 'NOT_FOUND', `Expected an ingest contract that is served (${names})`);
}

const path = z.strictObject({ contract: z.string() });

// Of each request what the audit is to say when it is refused.
const postedTo = new WeakMap<ServerResponse, Posted>();

function received(parts: AppParts, response: ServerResponse): Posted {
  return {
    parts,
    requestId: requestIdOf(response),
    receivedAt: parts.clock.now(),
    startedAt: performance.now(),
    contract: 'unknown',
  };
}

/** The request once its contract is known to be served. */
async function addressed(parts: AppParts, response: ServerResponse, name: string) {
  const before = received(parts, response);
  postedTo.set(response, before);
  const contract = await contractOf(parts, name);
  const posted = { ...before, contract: contract.name };
  postedTo.set(response, posted);
  return { contract, posted };
}

/** Counts and audits what is refused below /v1/ingest/, by whomever; comes before what answers refusals. */
export function ingestRefusals(parts: AppParts): (error: unknown, response: ServerResponse) => Promise<void> {
  return async (error, response) => {
    if (!pathAsked(response).startsWith('/v1/ingest/')) return;
    // Unset for what is refused before its handler is called.
    await noteRefusal(postedTo.get(response) ?? received(parts, response), error);
  };
}

/** What a contract's own path looks like in the description. */
function described(route: Route, parts: AppParts, isBatch: boolean): () => Promise<readonly Route[]> {
  return async () =>
    (await parts.contracts.all()).map((contract) => {
      const { params: _params, described: _described, ...rest } = route;
      const one = describedSchemaOf(contract, { timeZones: parts.config.ingest.timeZones });
      const lines = { mediaTypes: lineTypes, schema: one };
      return {
        ...rest,
        path: route.path.replace('{contract}', contract.name),
        summary: isBatch ? `Up to ${batchItems} events for ${contract.name}` : contract.description,
        body: isBatch
          ? { mediaTypes: arrayTypes, schema: z.array(one).min(1).max(batchItems), lines }
          : { mediaTypes: ['application/json'], schema: one },
      };
    });
}

function singleRoute(parts: AppParts, budget: BodyBudget): Route {
  const route = defineRoute({
    method: 'post',
    path: '/v1/ingest/{contract}',
    isDirect: true,
    summary: 'Stores an event, once',
    scope: 'ingest',
    params: path,
    answers: answered,
    async handle({ params, request, response }) {
      const { contract, posted } = await addressed(parts, response, params.contract);
      const rules = { mediaTypes: ['application/json'], limit: bodyLimit };
      return budget.hold(async (held) => {
        const text = await readTextBody(request, rules, held);
        return { body: await storeBody(posted, contract, text) };
      });
    },
  });
  return { ...route, described: described(route, parts, false) };
}

/** Checks each line as it comes; while the writer has enough to do, and others are to be answered, no more are read. */
function readerOfLines(posted: Posted, contract: ServedContract): BodyReader<Item[]> {
  const items: Item[] = [];
  return lineReader({
    onLine: (line) => items.push(acceptItem(posted, contract, line)),
    pause: () => posted.parts.ingestWriter.room() ?? turn(),
    end: () => items,
  });
}

/** An array is one only when all of it is JSON. */
function readerOfArray(posted: Posted, contract: ServedContract): BodyReader<Item[]> {
  const { take, end } = textReader();
  return { take, end: async (bytes) => acceptArray(posted, contract, splitArray(await end(bytes))) };
}

/** Whether all of a batch is to be stored or nothing. @throws ApiError 422 */
function asksForAll({ headers }: IncomingMessage): boolean {
  const asked = headers['otw-batch'];
  if (asked === undefined || asked === 'whole') return asked === 'whole';
  throw new ApiError(
    422,
    'INVALID_ARGUMENT',
    'Expected the header OTW-Batch to be whole, or not to be there',
  );
}

function batchRoute(parts: AppParts, budget: BodyBudget): Route {
  const route = defineRoute({
    method: 'post',
    path: '/v1/ingest/{contract}/batch',
    isDirect: true,
    summary: 'Stores up to 1000 events, each once, and answers for each',
    scope: 'ingest',
    params: path,
    answers: answeredBatch,
    async handle({ params, request, response }) {
      const { contract, posted } = await addressed(parts, response, params.contract);
      const plan = {
        mediaTypes: batchTypes,
        limit: batchLimit,
        readerOf: (mediaType: string) =>
          lineTypes.includes(mediaType) ? readerOfLines(posted, contract) : readerOfArray(posted, contract),
      };
      return budget.hold(async (held) => {
        const isWhole = asksForAll(request);
        const accepted = await readBody(request, plan, held);
        if (isWhole) expectAll(accepted);
        const items = await answerItems(posted, accepted);
        const allStored = items.every(({ status }) => status === 'ok');
        return { status: allStored ? 200 : 207, body: { status: 'ok', items } };
      });
    },
  });
  return { ...route, described: described(route, parts, true) };
}

/** What others may post: one event, or up to a thousand. */
export function ingestRoutes(parts: AppParts): readonly Route[] {
  const budget = createBodyBudget(heldBytes);
  return [singleRoute(parts, budget), batchRoute(parts, budget)];
}
