/**
 * STOMP typed by hand into wscat, which sends each line as a message of its own. wscat takes lines only once it says
 * "Connected", and says that only to a terminal: `script` gives it one. `^@` is typed as two characters: Node's readline
 * swallows the NUL that control and @ make together.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import t, { type Test } from 'tap';
import { inTime } from '../helpers/inbox.js';
import { requireProgram, SCRIPT } from '../helpers/programs.js';
import { startTestServer } from '../helpers/server.js';
import { overWebSocket, StompjsClient } from '../helpers/stompjs-client.js';

const server = await startTestServer();
t.teardown(() => server.stop());
const URL = `ws://127.0.0.1:${server.httpPort}/ws`;
const WSCAT = path.join(path.dirname(createRequire(import.meta.url).resolve('wscat/package.json')), 'bin/wscat');
const START_LIMIT_MS = 20_000;

class Typist {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exit: Promise<void>;
  #screen = '';
  #read = 0;
  #onScreen: () => void = () => undefined;

  constructor(t: Test, command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { env: { ...process.env, TERM: 'xterm', COLUMNS: '200', LINES: '60' } });
    this.#exit = new Promise((resolve) => {
      this.#child.once('close', () => {
        resolve();
      });
    });
    t.teardown(() => this.#child.kill('SIGKILL'));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#screen += stripVTControlCharacters(text).replaceAll('\r', '');
        this.#onScreen();
      });
    }
  }

  /** wscat on a terminal, connected. */
  static async open(t: Test, url = URL, ...options: readonly string[]): Promise<Typist> {
    const command = [process.execPath, WSCAT, ...options, '-c', url].join(' ');
    const typist = new Typist(t, SCRIPT, ['--quiet', '--return', '--command', command, '/dev/null']);
    await typist.reads(/Connected \(press CTRL\+C to quit\)/, START_LIMIT_MS);
    return typist;
  }

  /** Each is typed and ended with the enter key. */
  types(...lines: readonly string[]): void {
    for (const line of lines) this.#child.stdin.write(`${line}\n`);
  }

  /** Waits until something new on the screen matches; returns the groups. */
  async reads(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve) => {
      this.#onScreen = () => {
        const match = pattern.exec(this.#screen.slice(this.#read));
        if (match === null) return;
        this.#read += match.index + match[0].length;
        this.#onScreen = () => undefined;
        resolve(match);
      };
      this.#onScreen();
    });
    return inTime(found, `${String(pattern)} on the screen`, deadlineMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows ${JSON.stringify(this.#screen.slice(this.#read))}`);
    });
  }

  /** The end of input, as with ^D. */
  async leaves(): Promise<void> {
    this.#child.stdin.end();
    await inTime(this.#exit, 'wscat to exit');
  }
}

/** What a STOMP frame looks like on the screen: a prompt that was erased, `< `, the command, then header lines. */
function shown(command: string, ...headers: readonly string[]): RegExp {
  const lines = headers.map((header) => `(?=(?:.+\\n)*?${header}\\n)`).join('');
  return new RegExp(`^(?:> )*< ${command}\\n${lines}`, 'm');
}

t.test('a session typed by hand: CONNECT, SUBSCRIBE, SEND, DISCONNECT, each line a message', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const typist = await Typist.open(t);
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
  const typist = await Typist.open(t);
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
