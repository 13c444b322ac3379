import { z } from 'zod';
import { instantText } from '../storage/instant-text.ts';
import type { AppParts } from './app-parts.ts';
import { defineRoute, type Route } from './route.ts';
import { day, ok, pageLimit, timestamp } from './shapes.ts';

interface SignalRow {
  readonly signal_event_id: string;
  readonly event_id: string;
  readonly source_type: 'manual' | 'connector';
  /** Postgres' numeric arrives as text. */
  readonly value_num: string | null;
  readonly occurred_at: string;
  readonly is_valid: boolean;
  readonly tags_json: readonly { readonly label: string; readonly value: string }[];
}

interface SummaryRow {
  readonly event_count: string;
  readonly manual_count: string;
  readonly connector_count: string;
  readonly avg_value: string;
  readonly min_value: string;
  readonly max_value: string;
}

const signal = z.strictObject({
  signal_event_id: z.uuid(),
  event_id: z.string(),
  source_type: z.enum(['manual', 'connector']),
  value_num: z.number().nullable(),
  occurred_at: timestamp,
  is_valid: z.boolean(),
  tags_json: z.array(z.strictObject({ label: z.string(), value: z.string() })),
});

const noSignals: SummaryRow = {
  event_count: '0',
  manual_count: '0',
  connector_count: '0',
  avg_value: '0',
  min_value: '0',
  max_value: '0',
};

function signalsRoute({ database }: AppParts): Route {
  return defineRoute({
    method: 'get',
    path: '/v1/poc/signals',
    summary: 'Signals that were posted or read, newest first',
    scope: 'read',
    query: z.strictObject({ limit: pageLimit(500, 50) }),
    answers: { 200: { description: 'The newest', schema: ok({ items: z.array(signal) }) } },
    async handle({ query: { limit } }) {
      const { rows } = await database.raw<{ rows: SignalRow[] }>(
        `select signal_event_id, event_id, source_type, value_num, ${instantText('signal.occurred_at')} as occurred_at,
           is_valid, tags_json
         from app.signal_event as signal order by signal.occurred_at desc, signal_event_id desc limit ?`,
        [limit],
      );
      const items = rows.map((row) => ({
        ...row,
        value_num: row.value_num === null ? null : Number(row.value_num),
      }));
      return { body: { status: 'ok', items } };
    },
  });
}

function dailySummaryRoute({ database }: AppParts): Route {
  const count = z.int().min(0);
  return defineRoute({
    method: 'get',
    path: '/v1/poc/daily-summary',
    summary: 'The valid signals of a UTC day in numbers; zeros where there are none',
    scope: 'read',
    query: z.strictObject({ date: day }),
    answers: {
      200: {
        description: 'The day',
        schema: ok({
          stat_date: day,
          event_count: count,
          manual_count: count,
          connector_count: count,
          avg_value: z.number(),
          min_value: z.number(),
          max_value: z.number(),
        }),
      },
    },
    async handle({ query: { date } }) {
      const { rows } = await database.raw<{ rows: SummaryRow[] }>(
        `select event_count, manual_count, connector_count, avg_value, min_value, max_value
         from app.signal_daily_summary where stat_date = ?`,
        [date],
      );
      const numbers = Object.entries(rows[0] ?? noSignals).map(([name, text]) => [name, Number(text)]);
      return { body: { status: 'ok', stat_date: date, ...Object.fromEntries(numbers) } };
    },
  });
}

/** v0.1.0's reads of signals (docs/tables.md has the views behind them). */
export function pocRoutes(parts: AppParts): readonly Route[] {
  return [signalsRoute(parts), dailySummaryRoute(parts)];
}
