import { createHash } from 'node:crypto';
import type { JsonValue, Tokens } from '@on-the-way/sdk';
import { z } from 'zod';

/** The field of the token store that remembers sign-ins. */
const field = 'sign_in';

/** Codes are asked for this long; then Garmin has forgotten the sign-in. */
export const pendingMs = 10 * 60_000;
const mostRemembered = 50;

const pendingSchema = z.object({
  region: z.enum(['garmin.com', 'garmin.cn']),
  account: z.string(),
  /** Milliseconds since 1970. */
  began_at: z.number(),
  /** As Garmin calls it: `email`, `sms`, or something else for an app. */
  method: z.string(),
  /** Masked. */
  sent_to: z.string().optional(),
  /** `name=value` each. */
  cookies: z.array(z.string()),
  service_url: z.string(),
});

const schema = z.object({
  pending: pendingSchema.nullish().catch(undefined),
  used_codes: z.array(z.string()).catch([]).default([]),
  dead_files: z.array(z.string()).catch([]).default([]),
});

/** A sign-in that waits for a code. */
export type PendingSignIn = z.output<typeof pendingSchema>;
/** What is remembered of sign-ins: the one that waits, codes that were used up, token files that are dead. */
export type SignInMemory = z.output<typeof schema>;

function parse(value: JsonValue | undefined): SignInMemory {
  return schema.safeParse(value ?? {}).data ?? { used_codes: [], dead_files: [] };
}

/** What is remembered now; nothing where nothing readable is. */
export async function loadMemory(tokens: Tokens): Promise<SignInMemory> {
  return parse(await tokens.load(field));
}

/** Changes what is remembered, durably; undefined leaves it as it is. */
export async function updateMemory(
  tokens: Tokens,
  change: (current: SignInMemory) => Partial<SignInMemory> | undefined,
): Promise<void> {
  await tokens.update(field, async (value) => {
    const current = parse(value);
    const changed = change(current);
    return changed && z.json().parse({ ...current, ...changed });
  });
}

/** Adds to a list what is not in it; the oldest fall out. */
export function remember(list: readonly string[], added: string): string[] {
  return [...list.filter((item) => item !== added), added].slice(-mostRemembered);
}

/** Remembers that a code was used for an account; false where it was before. */
export async function useUpCode(tokens: Tokens, account: string, code: string): Promise<boolean> {
  const used = digestOf([account, code]);
  let isNew = false;
  await updateMemory(tokens, ({ used_codes }) => {
    isNew = !used_codes.includes(used);
    return { used_codes: remember(used_codes, used) };
  });
  return isNew;
}

/** A digest of a value, to know it again. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 24);
}
