import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outputOf } from '../commands.ts';
import { namesOf } from './declarations.ts';
import { brokenTypes, unknownRoles } from './sdk-types.ts';

const root = join(import.meta.dirname, '..', '..');
const sdk = join(root, 'sdk');
// Within node_modules, so that zod is found.
const folder = join(root, 'node_modules', '.compat-test');
const before = join(folder, 'before');

beforeAll(async () => {
  cpSync(join(sdk, 'package.json'), join(before, 'package.json'));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const declarations = ['--noCheck', '--emitDeclarationOnly', '--outDir', join(before, 'dist')];
  const info = ['--tsBuildInfoFile', join(before, 'tsbuildinfo')];
  await outputOf([process.execPath, tsc, '-p', sdk, ...declarations, ...info], { cwd: root });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The SDK with changes: what stood in a file, and what stands there now. */
async function brokenBy(changes: readonly (readonly [file: string, was: string, is: string])[]) {
  const now = join(folder, 'now');
  rmSync(now, { recursive: true, force: true });
  cpSync(join(sdk, 'src'), join(now, 'src'), { recursive: true });
  cpSync(join(sdk, 'package.json'), join(now, 'package.json'));
  for (const [name, was, is] of changes) {
    const file = join(now, 'src', name);
    const text = readFileSync(file, 'utf8');
    expect(text, `${name} has what is changed`).toContain(was);
    writeFileSync(file, text.replace(was, is));
  }
  return brokenTypes({ before, now, scratch: join(root, 'node_modules', '.compat-scratch') });
}

test('an SDK in which there is only more keeps what the one before promised', async () => {
  const broken = await brokenBy([
    ['connector.ts', 'countRequest(): void;', 'countRequest(): void; readonly host: string;'],
    ['connector.ts', 'readonly spanDays?: number;', 'readonly spanDays?: number; readonly more?: boolean;'],
    ['sink.ts', 'readonly sourceId: string;', 'readonly sourceId: string; readonly receivedAt: number;'],
    ['windows.ts', 'count: number): Day', 'count: number, calendar?: string): Day'],
    ['testing/subject.ts', 'readonly timeLimitMs?: number;', 'readonly timeLimitMs?: number; more?: 1;'],
    ['index.ts', 'export type { Log }', "export { more } from './log.ts';\nexport type { Log }"],
    ['log.ts', 'export interface Log', 'export const more = 1;\nexport interface Log'],
  ]);
  expect(broken).toEqual([]);
});

test('each way to break what authors wrote is found and named', async () => {
  const broken = await brokenBy([
    // Given to authors: less of it, and a method that takes less.
    ['sink.ts', 'readonly requestId: string;', ''],
    ['connector.ts', 'save(field: string,', "save(field: 'session',"],
    // Taken from authors: more of it, and a method that is given less.
    ['sink.ts', 'readonly unchanged: number;', 'readonly unchanged: number; readonly skipped: number;'],
    [
      'connector.ts',
      "logout?(context: Pick<FetchContext<Session>, 'session'>)",
      'logout?(context: { readonly s: Session })',
    ],
    ['errors.ts', "'config',", "'config', 'other',"],
    ['windows.ts', 'count: number): Day', 'count: number, calendar: string): Day'],
    ['index.ts', '  inWindow,\n', ''],
    ['testing/subject.ts', 'readonly window: Window;', 'readonly windows: Window;'],
  ]);
  expect(broken.toSorted()).toEqual([
    "ConnectorDefinition.logout cannot be written as before: Property 'session' is missing in type '{ readonly s: Some; }' but required in type 'Pick<FetchContext<Some>, \"session\">'.",
    'ConnectorSubject.windows is asked of authors, and was not',
    'RawEvent.requestId is no longer there',
    `Tokens.save is not given as before: Type 'string' is not assignable to type '"session"'.`,
    'WriteResult.skipped is asked of authors, and was not',
    'addDays cannot be used as before: Target signature provides too few arguments. Expected 3 or more, but got 2.',
    'connectorErrorCodes cannot be used as before: Source has 10 element(s) but target allows only 9.',
    'inWindow is gone',
  ]);
});

test('a member that may be left out, or that is taken, is missed where it is gone or has another name', async () => {
  const broken = await brokenBy([
    ['connector.ts', "logout?(context: Pick<FetchContext<Session>, 'session'>): Promise<void>;", ''],
    [
      'connector.ts',
      'check?(context: Pick<FetchContext<Session>',
      'probe?(context: Pick<FetchContext<Session>',
    ],
    ['connector.ts', 'readonly prompt?: Prompt;', ''],
    ['connector.ts', 'readonly spanDays?: number;', ''],
    ['connector.ts', 'after it began. */\n  readonly settleDays: number;', 'after it began. */'],
    ['connector.ts', 'readonly hidden?: boolean;', ''],
    ['connector.ts', 'readonly ticket?: string;', ''],
    ['errors.ts', 'readonly refusedSignIn?: boolean;', ''],
    ['fetch-json.ts', 'readonly timeoutMs?: number;', ''],
  ]);
  expect(broken.toSorted()).toEqual([
    'ConnectorDefinition.check is no longer there',
    'ConnectorDefinition.logout is no longer there',
    'ConnectorErrorOptions.refusedSignIn is no longer there',
    'DatasetDefinition.settleDays is no longer there',
    'DatasetDefinition.spanDays is no longer there',
    'FetchJsonOptions.timeoutMs is no longer there',
    'LoginContext.prompt is no longer there',
    'Prompt.hidden is no longer there',
    'SignIn.ticket is no longer there',
  ]);
});

test('every type that is only given or only taken is one the SDK exports', () => {
  expect(unknownRoles(sdk)).toEqual([]);
});

test('an entry that does not list its names one by one is refused', () => {
  const entry = join(folder, 'star.ts');
  writeFileSync(entry, "export * from './log.ts';\n");
  expect(() => namesOf(entry)).toThrow(/one by one, got export \*/);
});
