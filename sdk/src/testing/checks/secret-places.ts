import type { Schema } from '../narrowed.ts';

const looksSecret =
  /(^|[a-z0-9_-])(password|passphrase|secret|token|api_?key|private_?key|access_?key|credential|pin|otp|mfa_?code)s?$/i;

/** The text that stands for a secret. */
export const canary = 'canary-4f1d0c7be2';

/** A key whose name looks secret, with a configuration that has the canary there and nothing else. */
export interface SecretPlace {
  readonly path: string;
  readonly config: unknown;
}

const deepest = 8;

/** Where a configuration has text under a name that looks secret, at whatever depth. */
export function secretPlaces(root: Schema): SecretPlace[] {
  const places: SecretPlace[] = [];
  const visit = (
    schema: Schema,
    at: { readonly name: string; readonly path: string; readonly depth: number },
    around: (value: unknown) => unknown,
  ): void => {
    if (at.depth > deepest) return;
    const within = (part: unknown, more: Partial<typeof at> = {}, wrap = around): void => {
      if (typeof part === 'object' && part !== null)
        visit(part as Schema, { ...at, depth: at.depth + 1, ...more }, wrap);
    };
    const { $ref, type, enum: choices, anyOf, oneOf, allOf, properties, items, prefixItems } = schema;
    if (typeof $ref === 'string')
      within(
        $ref
          .split('/')
          .slice(1)
          .reduce<unknown>((part, key) => (part as Schema)[key], root),
      );
    for (const options of [anyOf, oneOf, allOf])
      if (Array.isArray(options)) for (const option of options) within(option);
    if (type === 'string' && choices === undefined && looksSecret.test(at.name))
      places.push({ path: at.path, config: around(canary) });
    for (const [key, part] of Object.entries((properties ?? {}) as Schema))
      within(part, { name: key, path: at.path === '' ? key : `${at.path}.${key}` }, (value) =>
        around({ [key]: value }),
      );
    within(schema['additionalProperties'], { path: `${at.path}.*` }, (value) => around({ any: value }));
    within(items, { path: `${at.path}[]` }, (value) => around([value]));
    if (Array.isArray(prefixItems))
      for (const [index, item] of prefixItems.entries())
        within(item, { path: `${at.path}[${index}]` }, (value) =>
          around([...Array.from({ length: index }), value]),
        );
  };
  visit(root, { name: '', path: '', depth: 0 }, (value) => value);
  return places;
}

/** What stands at a path of {@link SecretPlace} in a configuration. */
export function valuesAt(config: unknown, path: string): unknown[] {
  const steps = path.split(/\.|(?=\[)/);
  return steps.reduce<unknown[]>(
    (values, step) =>
      values.flatMap((value) => {
        if (typeof value !== 'object' || value === null) return [];
        const isAny = step === '*' || step.startsWith('[');
        return isAny ? Object.values(value) : [(value as Schema)[step]];
      }),
    [config],
  );
}
