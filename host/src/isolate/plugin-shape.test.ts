import { defineConnector, defineSink } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { pluginIn, type WantedKind } from './plugin-shape.ts';

const connector = defineConnector({
  name: 'steps',
  version: '0.1.0',
  description: 'Steps.',
  source: 'steps',
  config: z.object({}),
  login: async () => undefined,
  account: () => 'me',
  datasets: {},
});
const sink = defineSink({
  name: 'shelf',
  version: '1.0.0-beta.1+5',
  description: 'A shelf.',
  config: z.object({}),
  open: async () => ({
    write: async () => ({ written: 0, unchanged: 0, conflicts: [], rows: [] }),
    close: async () => undefined,
  }),
});

test('what the SDK makes is taken as what it is', () => {
  expect(pluginIn({ default: connector }, 'connector', 'here')).toBe(connector);
  expect(pluginIn({ default: sink }, 'sink', 'here')).toBe(sink);
  expect(pluginIn({ default: sink }, 'any', 'here')).toBe(sink);
});

function refusalOf(module: Readonly<Record<string, unknown>>, wanted: WantedKind) {
  try {
    return { code: 'taken', message: JSON.stringify(pluginIn(module, wanted, 'here')) };
  } catch (error) {
    return error;
  }
}

const { fetch: _fetch, ...withoutFetch } = connector;
const changed = (members: Readonly<Record<string, unknown>>) => ({ default: { ...connector, ...members } });

test.each<[string, Readonly<Record<string, unknown>>, WantedKind, string, RegExp]>([
  ['nothing', {}, 'any', 'plugin_no_default', /found none: end it with export default defineConnector/],
  [
    'a named export',
    { steps: connector },
    'any',
    'plugin_no_default',
    /export steps is a connector: export default steps/,
  ],
  [
    'a sink for a connector',
    { default: sink },
    'connector',
    'plugin_wrong_kind',
    /found a sink: name it under sinks/,
  ],
  [
    'a connector for a sink',
    { default: connector },
    'sink',
    'plugin_wrong_kind',
    /name it under connections/,
  ],
  ['a function', { default: () => connector }, 'any', 'plugin_bad_shape', /found a function: make it with/],
  [
    'a definition',
    { default: { name: 'steps', login() {} } },
    'any',
    'plugin_bad_shape',
    /put it into defineConnector/,
  ],
  ['CommonJS', { default: { default: connector } }, 'any', 'plugin_bad_shape', /compile it to ES modules/],
  ['null', { default: null }, 'any', 'plugin_bad_shape', /found null/],
  [
    'no fetch',
    { default: withoutFetch },
    'connector',
    'plugin_bad_shape',
    /; fetch: expected a function, found nothing: correct/,
  ],
  [
    'a version that is none',
    changed({ version: 'one' }),
    'connector',
    'plugin_bad_shape',
    /version: expected a semantic version such as 0\.1\.0.*found "one"/,
  ],
  [
    'a long version',
    changed({ version: `1.0.0-${'a'.repeat(32)}` }),
    'connector',
    'plugin_bad_shape',
    /at most 32/,
  ],
  [
    'a name with ::',
    changed({ name: 'a::b' }),
    'connector',
    'plugin_bad_shape',
    /name: expected 1 to 64 lower-case.*found "a::b"/,
  ],
  [
    'a check that is no function',
    changed({ check: true }),
    'connector',
    'plugin_bad_shape',
    /check: expected a function, found true/,
  ],
  [
    'another isolation',
    changed({ isolation: 'none' }),
    'connector',
    'plugin_bad_shape',
    /isolation: expected 'run', found "none"/,
  ],
  [
    'two wrong members',
    changed({ config: {}, source: '' }),
    'connector',
    'plugin_bad_shape',
    /config: expected a zod schema, found an object; source: expected a text, found ""/,
  ],
])('%s is refused with what is wrong and what to do', (_what, module, wanted, code, message) => {
  expect(refusalOf(module, wanted)).toMatchObject({ code, message: expect.stringMatching(message) });
});
