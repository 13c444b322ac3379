import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

// Answers and does nothing else: how late it is says how busy the machine is, and nothing of the host.
const server = createServer((_request, response) => response.end('{}'));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
