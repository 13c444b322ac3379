import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/otw.ts';
import { HostError } from '../host-error.ts';
import { readImportedTokens } from './imported-tokens.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => (folder = temporaryFolder()));
afterEach(() => folder.remove());

const garmin = { di_token: 'canary-di', di_refresh_token: 'canary-refresh', di_client_id: 'GCM' };
const oauth1 = { oauth_token: 'canary-one', oauth_token_secret: 'canary-secret' };
const oauth2 = { access_token: 'canary-two', refresh_token: 'canary-three' };
const dumped = Buffer.from(JSON.stringify([oauth1, oauth2])).toString('base64');
const both = { oauth1_token: oauth1, oauth2_token: oauth2 };

function write(name: string, content: unknown): string {
  const path = join(folder.path, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function read(from: string | undefined, { env = {}, input = '' } = {}) {
  return readImportedTokens({ from, env, readInput: async () => input });
}

test.each([
  ['garmin_tokens.json', garmin, { garmin_tokens: garmin }],
  ['.garmin_tokens.json', garmin, { garmin_tokens: garmin }],
  ['oauth1_token.json', oauth1, { oauth1_token: oauth1 }],
  ['backup of monday.json', garmin, { garmin_tokens: garmin }],
  ['one.txt', oauth1, { oauth1_token: oauth1 }],
  ['two', oauth2, { oauth2_token: oauth2 }],
  ['exported.json', { oauth1, oauth2 }, both],
  ['dumped.txt', `${dumped}\n`, both],
  ['session.json', { access: 'x' }, { session: { access: 'x' } }],
])('a file called %s is known by its name, else by what it holds', async (name, content, files) => {
  expect(await read(write(name, content))).toEqual(files);
});

test('a folder gives all the token files in it and nothing else', async () => {
  write('oauth1_token.json', oauth1);
  write('oauth2_token.json', oauth2);
  write('package.json', { name: 'x' });
  expect(await read(folder.path)).toEqual(both);
});

test('a folder with a folder an account gives the one there is, and asks which one where there are two', async () => {
  write('1234/garmin_tokens.json', garmin);
  expect(await read(folder.path)).toEqual({ garmin_tokens: garmin });
  write('5678/garmin_tokens.json', garmin);
  await expect(read(folder.path)).rejects.toThrow(/several accounts .*1234.*5678/);
});

test.each([
  ['JSON', JSON.stringify(garmin), { garmin_tokens: garmin }],
  ['a list', JSON.stringify([oauth1, oauth2]), both],
  ["garth's base64", dumped, both],
])(
  'the tokens themselves may be given as %s, on the command line, in GARMINTOKENS or on stdin',
  async (_as, text, files) => {
    expect(await read(text)).toEqual(files);
    expect(await read('-', { input: `${text}\n` })).toEqual(files);
    expect(await read(undefined, { env: { GARMINTOKENS: text } })).toEqual(files);
  },
);

test('without a value, GARMINTOKENS and then ~/.garminconnect are looked at', async () => {
  write('.garminconnect/garmin_tokens.json', garmin);
  expect(await read(undefined, { env: { HOME: folder.path } })).toEqual({ garmin_tokens: garmin });
  const path = write('elsewhere/oauth1_token.json', oauth1);
  const env = { HOME: folder.path, GARMINTOKENS: path };
  expect(await read(undefined, { env })).toEqual({ oauth1_token: oauth1 });
});

test.each([
  ['is not JSON', 'canary, not JSON'],
  ['is half a file', '{"di_token": "canary'],
  ['holds a text', '"canary"'],
  ['holds nothing', ''],
  ['holds a list of something else', '["canary"]'],
  ['holds an empty list', '[]'],
])('what %s is refused without a word of it', async (_what, text) => {
  const refusal = { exitCode: 78, message: expect.not.stringContaining('canary') };
  await expect(read(write('garmin_tokens.json', text))).rejects.toMatchObject(refusal);
  await expect(read('-', { input: text })).rejects.toMatchObject(refusal);
});

test('a path where nothing is, is named', async () => {
  await expect(read(join(folder.path, 'nowhere'))).rejects.toThrow(/no file at .*nowhere.*for example/);
  await expect(read(folder.path)).rejects.toThrow(/no such file in/);
});

test('whatever comes on stdin gives tokens or a refusal in our words', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), fc.string(), fc.base64String({ minLength: 20 })), async (input) => {
      const files = await read('-', { input }).catch((error: unknown) => error);
      if (files instanceof Error) expect(files).toBeInstanceOf(HostError);
      else expect(Object.keys(files as object).length).toBeGreaterThan(0);
    }),
  );
});
