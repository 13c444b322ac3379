import { createHash, scryptSync } from 'node:crypto';
import type { JsonValue, Tokens } from '@on-the-way/sdk';
import { z } from 'zod';

/** The field of the token store that holds the sign-in that waits for a code. */
const field = 'sign_in';
/** The field that remembers what must not be tried again, also after the session was forgotten. */
const keptField = 'kept_sign_ins';

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

const pendingField = z.object({ pending: pendingSchema });

const list = z.array(z.string()).catch([]).default([]);
const keptSchema = z.object({ used_codes: list, dead_files: list, refused_passwords: list });

/** A sign-in that waits for a code. */
export type PendingSignIn = z.output<typeof pendingSchema>;
/** What outlives the session: digests of codes that were used up, of dead token files, of refused passwords. */
export type KeptSignIns = z.output<typeof keptSchema>;

/** The sign-in that waits for a code, if one does. */
export async function loadPending(tokens: Tokens): Promise<PendingSignIn | undefined> {
  return pendingField.safeParse(await tokens.load(field)).data?.pending;
}

/** Makes a sign-in that waits for a code durable; undefined forgets it. */
export async function savePending(tokens: Tokens, pending: PendingSignIn | undefined): Promise<void> {
  await tokens.update(field, async () => (pending ? { pending } : null));
}

function parse(value: JsonValue | undefined): KeptSignIns {
  return keptSchema.safeParse(value ?? {}).data ?? keptSchema.parse({});
}

/** What is remembered now; nothing where nothing readable is. */
export async function loadKept(tokens: Tokens): Promise<KeptSignIns> {
  return parse(await tokens.load(keptField));
}

/** Adds to one of the lists, durably; false where it was there before. The oldest fall out. */
export async function remember(tokens: Tokens, name: keyof KeptSignIns, added: string): Promise<boolean> {
  let isNew = false;
  await tokens.update(keptField, async (value) => {
    const kept = parse(value);
    isNew = !kept[name].includes(added);
    return isNew ? { ...kept, [name]: [...kept[name], added].slice(-mostRemembered) } : undefined;
  });
  return isNew;
}

/** A digest of a code or a password, by which neither can be found: it is slow, and each account has its own. */
export function secretDigestOf(account: string, secret: string): string {
  return scryptSync(secret, account, 12).toString('hex');
}

/** A digest of a value, to know it again. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 24);
}
