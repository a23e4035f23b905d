import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { createCertificate } from '../../../helpers/certificate.js';
import { Inbox } from '../../../helpers/inbox.js';
import { requireProgram } from '../../../helpers/programs.js';
import { freePort, RedisProcess } from '../../../helpers/redis-process.js';
import { testRedisClients } from '../../../helpers/redis-relay.js';

/** Takes nobody without a certificate. */
async function startStrictServer(t: Test): Promise<{ readonly url: string; readonly cert: Buffer }> {
  const directory = t.testdir();
  const { key, cert } = createCertificate();
  const files = { key: path.join(directory, 'key.pem'), cert: path.join(directory, 'cert.pem') };
  writeFileSync(files.key, key);
  writeFileSync(files.cert, cert);
  const port = String(await freePort());
  const tls = ['--tls-port', port, '--tls-cert-file', files.cert, '--tls-key-file', files.key];
  await RedisProcess.start(t, [...tls, '--tls-ca-cert-file', files.cert, '--tls-auth-clients', 'yes']);
  return { url: `rediss://localhost:${port}`, cert };
}

for (const trusts of [true, false]) {
  t.test(
    `a server that refuses a client that ${trusts ? 'trusts it' : 'refuses it too'}: told each time`,
    async (t) => {
      if (!requireProgram(t, 'redis-server')) return;
      const { url, cert } = await startStrictServer(t);
      const clients = testRedisClients(url, trusts ? { tls: { ca: cert } } : {});
      await clients.load();
      const downs = new Inbox<string>();
      const connection = clients.connection('test', {
        onUp: () => {
          downs.push('up');
        },
        onDown: (why) => {
          downs.push(why);
        },
      });
      connection.connect();
      // An error that nobody hears would end the process.
      for (let k = 0; k < 8; k++) t.match(await downs.next(), trusts ? /alert|closed|ECONNRESET|EPIPE/ : /self-signed/);
      connection.stop();
      for (let k = 0; k < 20; k++) {
        const other = clients.connection('test', { onUp: () => undefined, onDown: () => undefined });
        other.connect();
        // At any moment of an attempt.
        for (let turn = 0; turn < k; turn++) await new Promise((resolve) => setImmediate(resolve));
        other.stop();
      }
    },
  );
}
