// Takes the lock, says so, and holds it until it is killed; told to end, it leaves a mark before it gives the lock back.
import { writeFileSync } from 'node:fs';
import { withLock } from '../src/lock.ts';

const [path = ''] = process.argv.slice(2);
await withLock(path, new AbortController().signal, async () => {
  process.stdout.write('held\n');
  const keepsAlive = setInterval(() => undefined, 60_000);
  await new Promise((resolve) => process.once('SIGTERM', resolve));
  clearInterval(keepsAlive);
  writeFileSync(`${path}.given-back`, '');
});
