import type { MadePlugin } from './create-plugin.ts';

const explained: Readonly<Record<string, string>> = {
  'npm test': 'the conformance suite, and your own tests',
  'npm run demo': 'a run in a host with a database of its own, and the rows it stored',
};

/** What was made and what to type next, for people. */
export function describeMade({ name, kind, package: ofPackage, directory, files, next }: MadePlugin): string {
  const width = Math.max(...next.map(({ length }) => length));
  const steps = next.map((step) => {
    const why = explained[step];
    return why === undefined ? `  ${step}` : `  ${step.padEnd(width)}  # ${why}`;
  });
  return [
    `Made the ${kind} ${name} in ${directory}, package ${ofPackage}:`,
    ...files.map((file) => `  ${file}`),
    '',
    'Next, with Node 24 or later:',
    ...steps,
  ].join('\n');
}
