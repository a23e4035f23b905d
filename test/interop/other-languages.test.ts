/** Clients in other languages, over TCP: stomp.py, Perl's Net::Stomp, Ruby's stomp. The scripts are in `clients/`. */
import t from 'tap';
import { runClientScript } from '../helpers/client-script.js';
import { PERL, PYTHON, requireProgram, RUBY } from '../helpers/programs.js';
import { startTestServer } from '../helpers/server.js';

const server = await startTestServer({ broker: { heartBeat: { sendMs: 200, receiveMs: 200, tolerance: 5 } } });
const { tcpPort } = server;
t.teardown(() => server.stop());

const VERSIONS = ['1.0', '1.1', '1.2'];

for (const version of VERSIONS) {
  t.test(`stomp.py speaks ${version} with the server`, async (t) => {
    if (requireProgram(t, 'python3-stomp')) await runClientScript(t, [PYTHON], 'stomp_py.py', [tcpPort, version]);
  });
}

t.test('Net::Stomp speaks 1.0 and 1.1 with the server', async (t) => {
  if (requireProgram(t, 'perl-stomp')) await runClientScript(t, [PERL], 'net_stomp.pl', [tcpPort]);
});

for (const version of VERSIONS) {
  t.test(`ruby's stomp speaks ${version} with the server`, async (t) => {
    if (requireProgram(t, 'ruby-stomp')) await runClientScript(t, [RUBY], 'ruby_stomp.rb', [tcpPort, version]);
  });
}
