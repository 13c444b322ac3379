// Writes batches from number `first` on into `directory`, says each that is acknowledged, and is killed once so many bytes
// were written to any of its files: of the last write as many as are left. The argument after that, if any, is when the
// system is asked to make a file durable for the n-th time.
import { writeSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { batchOf, openSink } from './events.ts';

const [directory = '', first = '0', bytes = '0', syncs = '0'] = process.argv.slice(2);
let bytesLeft = Number(bytes);
let syncsLeft = Number(syncs);

const handle = await open(import.meta.filename);
const files = Object.getPrototypeOf(handle) as FileHandle;
await handle.close();
const { writeFile, sync } = files;

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal is there before anything else is done.
  for (;;);
}

files.writeFile = async function (this: FileHandle, data) {
  const whole = Buffer.from(data as string);
  if (bytesLeft > 0 && whole.length >= bytesLeft) {
    writeSync(this.fd, whole, 0, bytesLeft);
    die();
  }
  bytesLeft -= whole.length;
  await writeFile.call(this, whole);
};
files.sync = async function (this: FileHandle) {
  syncsLeft -= 1;
  if (syncsLeft === 0) die();
  await sync.call(this);
};

const writer = await openSink(directory);
const { signal } = new AbortController();
for (let batch = Number(first); ; batch += 1) {
  await writer.write(batchOf(batch, 9), { signal });
  writeSync(1, `${batch}\n`);
}
