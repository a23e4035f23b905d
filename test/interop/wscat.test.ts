/**
 * STOMP typed by hand into wscat, which sends each line as a message of its own. wscat takes lines only once it says
 * "Connected", and says that only to a terminal: `script` gives it one. `^@` is typed as two characters: Node's readline
 * swallows the NUL that control and @ make together.
 */
import t from 'tap';
import { requireProgram } from '../helpers/programs.js';
import { startTestServer } from '../helpers/server.js';
import { overWebSocket, StompjsClient } from '../helpers/stompjs-client.js';
import { START_LIMIT_MS, Typist, WSCAT } from '../helpers/wscat.js';

const server = await startTestServer();
t.teardown(() => server.stop());
const URL = `ws://127.0.0.1:${server.httpPort}/ws`;

/** What a STOMP frame looks like on the screen: a prompt that was erased, `< `, the command, then header lines. */
function shown(command: string, ...headers: readonly string[]): RegExp {
  const lines = headers.map((header) => `(?=(?:.+\\n)*?${header}\\n)`).join('');
  return new RegExp(`^(?:> )*< ${command}\\n${lines}`, 'm');
}

t.test('a session typed by hand: CONNECT, SUBSCRIBE, SEND, DISCONNECT, each line a message', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const typist = await Typist.open(t, URL);
  typist.types('CONNECT', 'accept-version:1.2', '', '^@');
  await typist.reads(shown('CONNECTED', 'version:1\\.2'));
  typist.types('SUBSCRIBE', 'id:0', 'destination:/topic/typed', 'receipt:subscribed', '', '^@');
  await typist.reads(shown('RECEIPT', 'receipt-id:subscribed'));

  const other = await StompjsClient.connect(t, overWebSocket(server.httpPort));
  const heard = await other.subscribe('/topic/typed');
  other.client.publish({ destination: '/topic/typed', body: 'hello typist' });
  await typist.reads(shown('MESSAGE', 'subscription:0', 'destination:/topic/typed'));
  await typist.reads(/^hello typist/m);
  t.equal((await heard.next('its own message')).body, 'hello typist');

  typist.types('SEND', 'destination:/topic/typed', 'content-type:text/plain', '', 'typed in', 'two lines', '^@');
  const message = await heard.next('what was typed');
  t.equal(message.body, 'typed in\ntwo lines');
  t.equal(message.headers['content-type'], 'text/plain');
  await typist.reads(shown('MESSAGE'));
  await typist.reads(/^typed in\ntwo lines/m);

  typist.types('DISCONNECT', 'receipt:bye', '', '^@');
  await typist.reads(shown('RECEIPT', 'receipt-id:bye'));
  await typist.reads(/Disconnected \(code: 1000/);
});

t.test('STOMP in place of CONNECT and ^@ right behind a body, on the raw path of SockJS', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const typist = await Typist.open(t, `${URL}/websocket`, '-s', 'v12.stomp');
  typist.types('STOMP', 'accept-version:1.1,1.2', 'host:localhost', '', '^@');
  await typist.reads(shown('CONNECTED', 'version:1\\.2'));
  typist.types('SUBSCRIBE', 'id:7', 'destination:/topic/typed.too', '', '^@');
  typist.types('SEND', 'destination:/topic/typed.too', '', 'short^@');
  await typist.reads(shown('MESSAGE', 'subscription:7'));
  await typist.reads(/^short/m);
  await typist.leaves();
});

t.test('a typing error is answered with ERROR that says what is wrong', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const typist = await Typist.open(t, URL);
  typist.types('CONNECT', 'accept-version:1.2', '', '^@');
  await typist.reads(shown('CONNECTED'));
  typist.types('SUBSCRIBE', 'destination:/topic/typed', '', '^@');
  await typist.reads(shown('ERROR', 'message:SUBSCRIBE needs a header "id"', 'code:header-missing'));
  await typist.reads(/Disconnected \(code: 1002/);
});

t.test('wscat --execute sends the lines of a session without a terminal', async (t) => {
  const lines = [
    'CONNECT',
    'accept-version:1.2',
    '',
    '^@',
    'SUBSCRIBE',
    'id:0',
    'destination:/topic/executed',
    '',
    '^@',
  ];
  const publish = ['SEND', 'destination:/topic/executed', '', 'executed', '^@'];
  const args = [...lines, ...publish].flatMap((line) => ['-x', line]);
  const typist = new Typist(t, process.execPath, [WSCAT, '-c', URL, '-w', '-1', ...args]);
  await typist.reads(/^CONNECTED$/m, START_LIMIT_MS);
  await typist.reads(/^MESSAGE$[^]*^executed/m);
});
