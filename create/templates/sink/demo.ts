// npm run demo: a host reads an invented source and writes it with this sink to demo.db; then the rows are shown.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';

const otw = fileURLToPath(new URL('../bin/otw.js', import.meta.resolve('@on-the-way/host')));
const folder = import.meta.dirname;

const child = spawn(process.execPath, [otw, 'run', 'demo'], { stdio: 'inherit', cwd: folder });
const [code] = await once(child, 'exit');
if (code !== 0) process.exitCode = 1;
else {
  const database = new DatabaseSync(join(folder, 'demo.db'), { readOnly: true });
  console.table(database.prepare('select external_id, occurred_at from event order by occurred_at').all());
  database.close();
}
