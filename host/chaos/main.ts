// npm run chaos -- [--long] [--seed N] [--rounds N] [--only NAME]: the chaos suite with its reports on standard output.
import { parseArgs } from 'node:util';
import { otherTests, runOtherTests } from './other-tests.ts';
import { startServer } from './start-server.ts';
import { formatReport } from './report.ts';
import { suite } from './suite.ts';

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    seed: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
  },
});

// Faults with tests of their own.
const others = 'others';
const long = values.long;
const seed =
  values.seed === undefined ? (long ? Math.floor(Math.random() * 2 ** 31) : undefined) : Number(values.seed);
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
const parts = suite({
  long,
  ...(seed !== undefined && { seed }),
  ...(rounds !== undefined && { rounds }),
}).filter(({ name }) => values.only === undefined || name.includes(values.only));
const withOthers = values.only === undefined || others.includes(values.only);
if ((parts.length === 0 && !withOthers) || Number.isNaN(seed) || Number.isNaN(rounds)) {
  const names = [...suite({ long }).map(({ name }) => name), others];
  console.error(`Expected numbers after --seed and --rounds, and after --only one of: ${names.join(', ')}`);
  process.exit(2);
}

const server = await startServer();
let broken = 0;
try {
  for (const { run } of parts) {
    const began = performance.now();
    const report = await run(server);
    broken += report.problems.length;
    console.log(`${formatReport(report)}\n  ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  }
} finally {
  await server.remove();
}
if (withOthers) {
  for (const { faults, what } of otherTests) console.log(`faults ${faults.join(', ')}: ${what}`);
  if (!(await runOtherTests())) broken += 1;
}
console.log(broken === 0 ? 'Everything held.' : `${broken} problems. Run again with the seed that is shown.`);
process.exitCode = broken === 0 ? 0 : 1;
