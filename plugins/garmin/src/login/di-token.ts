import { ConnectorError, type LoginContext } from '@on-the-way/sdk';
import { z } from 'zod';
import { withDeadline } from '../abort.ts';
import { nativeHeaders, type GarminClient } from '../client.ts';
import { statusOf, toConnectorError } from '../map-error.ts';
import { createCredential, type BearerState, type Credential } from './credential.ts';
import { describeSignIn } from './remedy.ts';

/** The field of the token store, and the name of python-garminconnect's file. */
const diField = 'garmin_tokens';

const path = '/di-oauth2-service/oauth/token';
// Garmin's clients renew a quarter of an hour early.
const marginMs = 900_000;
// The app's id where neither the file nor the token names one.
const defaultClientId = 'GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2';

const fileSchema = z.looseObject({
  di_token: z.string().nullish(),
  di_refresh_token: z.string().nullish(),
  di_client_id: z.string().nullish(),
});
const answerSchema = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional(),
});
const claimsSchema = z.object({
  exp: z.number().optional().catch(undefined),
  client_id: z.string().min(1).optional().catch(undefined),
});

type TokenFile = z.output<typeof fileSchema>;

interface DiState extends BearerState {
  readonly file: TokenFile;
}

/** The claims of a JWT that are used; none when it is not a JWT. Nothing is verified: Garmin does that. */
export function claimsOf(token: string): z.output<typeof claimsSchema> {
  try {
    const text = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    return claimsSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return {};
    throw error;
  }
}

function stateOf(file: TokenFile, isNew: boolean): DiState {
  const bearer = file.di_token ?? '';
  const { exp } = claimsOf(bearer);
  const expiresAtMs = exp === undefined ? Number.POSITIVE_INFINITY : exp * 1000;
  // A token that has just come may live shorter than the margin; renewing it at once would never end.
  const margin = isNew ? Math.min(marginMs, Math.max(0, (expiresAtMs - Date.now()) / 2)) : marginMs;
  const renewAtMs = exp === undefined ? expiresAtMs : expiresAtMs - margin;
  return { bearer, renewAtMs, file };
}

function toRenewalError(error: unknown): unknown {
  const status = statusOf(error);
  if (status === undefined || ![400, 401, 403].includes(status)) return toConnectorError(error, { path });
  const mapped = toConnectorError(error, { path });
  if (ConnectorError.is(mapped) && mapped.code === 'rate_limited') return mapped;
  return new ConnectorError(
    'needs_user',
    `Expected Garmin to renew the saved session, got HTTP ${status}: it has ended or belongs to the other region. ${describeSignIn}`,
    { status, cause: new Error(`HTTP ${status}`) },
  );
}

function clientIdOf({ file, bearer }: DiState): string {
  return file.di_client_id ?? claimsOf(bearer).client_id ?? defaultClientId;
}

function headersOf(clientId: string): Record<string, string> {
  return {
    ...nativeHeaders,
    Accept: 'application/json,text/html;q=0.9,*/*;q=0.8',
    'Cache-Control': 'no-cache',
    'Content-Type': 'application/x-www-form-urlencoded',
    Authorization: `Basic ${Buffer.from(`${clientId}:`).toString('base64')}`,
  };
}

async function requestToken(client: GarminClient, current: DiState): Promise<DiState> {
  const { library, origins, timeoutMs } = client;
  const clientId = clientIdOf(current);
  const refreshToken = current.file.di_refresh_token;
  if (!refreshToken) {
    throw new ConnectorError(
      'needs_user',
      `Expected di_refresh_token in ${diField}, got none, and di_token has ended. ${describeSignIn}`,
    );
  }
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: refreshToken,
  }).toString();
  const answer = await withDeadline({ timeoutMs }, (signal) =>
    library.post<unknown>(`${origins.auth}${path}`, form, { headers: headersOf(clientId), signal }),
  ).catch((error: unknown) => {
    throw toRenewalError(error);
  });
  return nextState(answer, { current, clientId });
}

function nextState(answer: unknown, { current, clientId }: { current: DiState; clientId: string }): DiState {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) {
    throw new ConnectorError('bad_data', `Expected access_token from ${path}, got an answer without it`);
  }
  const { access_token: token, refresh_token: rotated } = parsed.data;
  const file = {
    ...current.file,
    di_token: token,
    di_refresh_token: rotated ?? current.file.di_refresh_token,
    di_client_id: claimsOf(token).client_id ?? clientId,
  };
  return stateOf(file, true);
}

/** The credential of a saved DI token, or undefined when none is saved. */
export async function loadDiCredential(
  client: GarminClient,
  { tokens, log }: Pick<LoginContext<unknown>, 'tokens' | 'log'>,
): Promise<Credential | undefined> {
  const saved = await tokens.load(diField);
  if (saved === undefined || saved === null) return undefined;
  const parsed = fileSchema.safeParse(saved);
  if (!parsed.success || (!parsed.data.di_token && !parsed.data.di_refresh_token)) {
    log.warn(`Expected di_token and di_refresh_token in ${diField}, got neither: replace the file`);
    return undefined;
  }
  return createCredential(stateOf(parsed.data, false), {
    request: (current) => requestToken(client, current),
    save: ({ file }) => tokens.save(diField, z.json().parse(file)),
  });
}
