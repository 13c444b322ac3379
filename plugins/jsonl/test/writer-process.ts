// Writes batches `first` to `last` into `directory`; its numbers as JSON at the end.
import { batchOf, openSink } from './events.ts';

const [directory = '', first = '0', last = '0'] = process.argv.slice(2);
const writer = await openSink(directory);
const counts = { written: 0, unchanged: 0 };
for (let batch = Number(first); batch <= Number(last); batch += 1) {
  const result = await writer.write(batchOf(batch, 9), { signal: new AbortController().signal });
  counts.written += result.written;
  counts.unchanged += result.unchanged;
}
await writer.close();
process.stdout.write(JSON.stringify(counts));
