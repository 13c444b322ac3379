import type { FileConfig } from './file-schema.ts';
import type { NotifyConfig } from './host-config.ts';
import { refused, variables, type Environment } from './variables.ts';

function checked(
  name: 'OTW_NOTIFY_URL' | 'OTW_NOTIFY_SECRET',
  given: { readonly variable: string | undefined; readonly key: string; readonly file: unknown },
): string | undefined {
  const { variable, key, file } = given;
  const text = variable ?? (typeof file === 'string' ? file : undefined);
  if (text === undefined) return undefined;
  const { parse, example, ...kind } = variables[name];
  const value = parse(text);
  const isOfManual = name === 'OTW_NOTIFY_SECRET' && text === example;
  if (value !== undefined && !isOfManual) return value;
  const where = variable === undefined ? key : name;
  throw refused({ ...kind, example }, { key: where, text, example: `${where}=${example}` });
}

/**
 * Who is told of changes: environment, then file; nobody where neither says.
 *
 * @throws HostError (exit 78) for an address or a secret that cannot be used; neither is shown.
 */
export function notifyOf({ notify }: FileConfig = {}, env: Environment): { readonly notify?: NotifyConfig } {
  const url = checked('OTW_NOTIFY_URL', {
    variable: env.OTW_NOTIFY_URL,
    key: 'notify.url',
    file: notify?.url,
  });
  const secret = checked('OTW_NOTIFY_SECRET', {
    variable: env.OTW_NOTIFY_SECRET,
    key: 'notify.secret',
    file: notify?.secret,
  });
  if (url === undefined) return {};
  return { notify: { url, ...(secret !== undefined && { secret }) } };
}
