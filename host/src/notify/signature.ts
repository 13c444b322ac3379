import { createHmac } from 'node:crypto';

/**
 * The headers a notification is sent with: its id, the time it is sent (seconds since 1970), and, with a secret, the
 * HMAC-SHA256 of `id.time.body` as `sha256=` and hex digits.
 */
export function headersOf(
  message: { readonly id: string; readonly body: string; readonly sentAt: number },
  secret: string | undefined,
): Record<string, string> {
  const { id, body } = message;
  const time = String(Math.floor(message.sentAt / 1000));
  const headers = { 'content-type': 'application/json', 'otw-id': id, 'otw-timestamp': time };
  if (secret === undefined) return headers;
  const digest = createHmac('sha256', secret).update(`${id}.${time}.${body}`).digest('hex');
  return { ...headers, 'otw-signature': `sha256=${digest}` };
}
