import { z } from 'zod';
import { isTimeZone } from './variables.ts';

const timeZone = z.string().refine(isTimeZone, 'expected the name of a time zone such as Asia/Shanghai');

const duration = z
  .union([z.number().int().min(10), z.string().regex(/^\d+(s|m|h|d)$/)])
  .describe('Seconds, or a number with s, m, h or d: 90s, 15m, 1h, 1d');

const pluginConfig = z.record(z.string(), z.unknown());

const policies = z
  .strictObject({
    concurrency: z.number().int().min(1).max(32),
    attempts: z.number().int().min(1).max(20),
    firstRetryDelayMs: z.number().int().min(0).max(60_000),
    sliceTimeoutMs: z.number().int().min(100).max(3_600_000),
    minIntervalMs: z.number().int().min(0).max(3_600_000),
    breakAfter: z.number().int().min(1).max(1000),
  })
  .partial();

const connection = z.strictObject({
  plugin: z.string().min(1),
  config: pluginConfig.optional(),
  every: duration.optional(),
  windowDays: z.number().int().min(1).max(366).optional(),
  backfillDays: z.number().int().min(1).max(7300).optional(),
  timeZone: timeZone.optional(),
  sink: z.string().min(1).optional(),
  tokenDir: z.string().min(1).optional(),
  policies: policies.optional(),
});

/** What otw.config.ts (or .mjs, .json, .yaml) may hold. */
export const fileSchema = z.strictObject({
  database: z.string().min(1).optional(),
  dataDir: z.string().min(1).optional(),
  timeZone: timeZone.optional(),
  host: z.string().min(1).optional(),
  port: z.number().int().min(0).max(65_535).optional(),
  connections: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, 'expected a lower-case name such as garmin'),
      connection,
    )
    .optional(),
  sinks: z
    .record(z.string(), z.strictObject({ plugin: z.string().min(1), config: pluginConfig.optional() }))
    .optional(),
});

/** A configuration file's content. */
export type FileConfig = z.input<typeof fileSchema>;

/** `every` of a connection in seconds. */
export function seconds(every: number | string): number {
  if (typeof every === 'number') return every;
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  return Number(every.slice(0, -1)) * (units[every.slice(-1)] ?? 1);
}
