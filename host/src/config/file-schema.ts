import { z } from 'zod';
import { roles } from '../roles.ts';
import { timeZoneExpected, timeZoneName } from './time-zone.ts';
import { hostName, pageOrigin, proxyAddress, zoneName } from './http-kinds.ts';
import {
  freeSpaceBounds,
  keepRunsBounds,
  ingestRateBounds,
  intervalBounds,
  requestBounds,
} from './variables.ts';

const timeZone = z
  .string(`expected ${timeZoneExpected}`)
  .refine((text) => timeZoneName(text) !== undefined, `expected ${timeZoneExpected}`)
  .transform((text) => timeZoneName(text) ?? text);

const { min, max } = intervalBounds;
const everyExpected = `expected ${min} to ${max} seconds, or a number with s, m, h or d for as long: 90s, 15m, 1h, 30d`;

/** The interval as the file gives it. */
const duration = z
  .union([z.number(), z.string().regex(/^\d+(s|m|h|d)$/, everyExpected)], everyExpected)
  .refine((every) => {
    const value = seconds(every);
    return Number.isInteger(value) && value >= min && value <= max;
  }, everyExpected);

const pluginConfig = z.record(z.string(), z.unknown());

const policies = z
  .strictObject({
    concurrency: z.number().int().min(1).max(32),
    attempts: z.number().int().min(1).max(20),
    firstRetryDelayMs: z.number().int().min(0).max(60_000),
    sliceTimeoutMs: z.number().int().min(100).max(3_600_000),
    minIntervalMs: z.number().int().min(0).max(3_600_000),
    breakAfter: z.number().int().min(1).max(1000),
    requestsPerRun: z.number().int().min(requestBounds.min).max(requestBounds.max),
    requestsPerDay: z.number().int().min(requestBounds.min).max(requestBounds.max),
  })
  .partial();

const limits = z.strictObject({
  memoryMb: z.number().int().min(128).max(65_536).exactOptional(),
  progressSeconds: z.number().int().min(1).max(86_400).exactOptional(),
  wallSeconds: z.number().int().min(1).max(604_800).exactOptional(),
});

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
  limits: limits.optional(),
  freshProcess: z.boolean().optional(),
});

const sink = z.strictObject({ plugin: z.string().min(1), config: pluginConfig.optional() });

/** A list of what a variable has with commas between. */
function itemsOf({ expected, parse }: typeof hostName) {
  const item = z.string().refine((text) => parse(text) !== undefined, `expected ${expected}`);
  return z.array(item.transform((text) => parse(text) ?? text)).optional();
}

const http = z.strictObject({
  requireKey: z.boolean().optional(),
  apiKey: z.union([z.string(), z.strictObject({ file: z.string() })]).optional(),
  allowedHosts: itemsOf(hostName),
  corsOrigins: itemsOf(pageOrigin),
  trustedProxies: itemsOf(proxyAddress),
  ingestPerMinute: z.number().int().min(ingestRateBounds.min).max(ingestRateBounds.max).optional(),
});

const ingest = z.strictObject({
  plugins: z.array(z.string().min(1)).optional(),
  timeZones: itemsOf(zoneName),
});

const secretText = z.union([z.string(), z.strictObject({ file: z.string() })]);

const notify = z.strictObject({ url: secretText, secret: secretText.optional() });

/** What otw.config.ts (or .mjs, .json, .yaml) may hold. */
export const fileSchema = z.strictObject({
  database: z.string().min(1).optional(),
  dataDir: z.string().min(1).optional(),
  pluginsDir: z.string().min(1).optional(),
  timeZone: timeZone.optional(),
  host: z.string().min(1).optional(),
  port: z.number().int().min(0).max(65_535).optional(),
  role: z.enum(roles, 'expected all, api or worker').optional(),
  http: http.optional(),
  ingest: ingest.optional(),
  notify: notify.optional(),
  connectorProcesses: z.number().int().min(1).max(1000).optional(),
  runsAtOnce: z.number().int().min(1).max(256).optional(),
  minFreeMb: z.number().int().min(freeSpaceBounds.min).max(freeSpaceBounds.max).optional(),
  keepRunsDays: z.number().int().min(keepRunsBounds.min).max(keepRunsBounds.max).optional(),
  connections: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, 'expected a lower-case name such as garmin'),
      connection,
    )
    .optional(),
  sinks: z.record(z.string(), sink).optional(),
});

/** Far more than a settled account needs, and far fewer than a loop gone wrong would make. */
export const defaultRequests = { requestsPerRun: 500, requestsPerDay: 2000 } as const;

/** The keys each part of a file may have, for messages. */
export const fileKeys = {
  file: Object.keys(fileSchema.shape),
  connection: Object.keys(connection.shape),
  sink: Object.keys(sink.shape),
  policies: Object.keys(policies.shape),
  limits: Object.keys(limits.shape),
  http: Object.keys(http.shape),
  ingest: Object.keys(ingest.shape),
  notify: Object.keys(notify.shape),
};

/** A configuration file's content. */
export type FileConfig = z.input<typeof fileSchema>;

/** `every` of a connection in seconds. */
export function seconds(every: number | string): number {
  if (typeof every === 'number') return every;
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  return Number(every.slice(0, -1)) * (units[every.slice(-1)] ?? 1);
}
