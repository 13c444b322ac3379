// Takes the lock, says so, and holds it until it is killed; told to end, it leaves a mark before it gives the lock back.
import { writeFileSync } from 'node:fs';
import { withLock } from '../src/lock.ts';

const [path = ''] = process.argv.slice(2);
const keepsAlive = setInterval(() => undefined, 60_000);
await withLock(path, new AbortController().signal, async () => {
  // It must listen before anybody can know that it holds the lock.
  const told = new Promise((resolve) => process.once('SIGTERM', resolve));
  process.stdout.write('held\n');
  await told;
  writeFileSync(`${path}.given-back`, '');
});
clearInterval(keepsAlive);
