import t from 'tap';
import { Command, commandName, findCommand, mayHaveBody } from '../../protocol/index.js';
import { findCommandAt, isUnescaped, MAX_COMMAND_BYTES } from '../../protocol/command.js';

const CLIENT = [
  'SEND',
  'SUBSCRIBE',
  'UNSUBSCRIBE',
  'ACK',
  'NACK',
  'BEGIN',
  'COMMIT',
  'ABORT',
  'DISCONNECT',
  'CONNECT',
  'STOMP',
];
const SERVER = ['CONNECTED', 'MESSAGE', 'RECEIPT', 'ERROR'];

t.test('each side may use its own commands only', async (t) => {
  t.strictSame(Object.keys(Command), [...CLIENT, ...SERVER]);
  for (const word of CLIENT) {
    t.ok(findCommand(word, 'client'), word);
    t.equal(findCommand(word, 'server'), undefined, word);
  }
  for (const word of SERVER) {
    t.ok(findCommand(word, 'server'), word);
    t.equal(findCommand(word, 'client'), undefined, word);
  }
});

t.test('a code and its name belong together', async (t) => {
  for (const [word, code] of Object.entries(Command)) {
    t.equal(commandName(code), word);
    t.ok(word.length <= MAX_COMMAND_BYTES);
  }
});

t.test('anything else is no command', async (t) => {
  for (const word of ['', 'send', 'Send', 'SEND ', 'SENDS', 'constructor', '__proto__', 'toString']) {
    t.equal(findCommand(word, 'client'), undefined, JSON.stringify(word));
    t.equal(findCommand(word, 'server'), undefined, JSON.stringify(word));
  }
});

t.test('a word in octets is found as its text is', async (t) => {
  const words = [...CLIENT, ...SERVER, '', 'A', 'send', 'SENT', 'SENDS', 'ACKN', 'UNSUBSCRIBED', 'CONNECTEE'];
  for (const sender of ['client', 'server'] as const) {
    for (const word of words) {
      const octets = Buffer.from(`x${word}\n`);
      t.equal(findCommandAt(octets, 1, 1 + word.length, sender), findCommand(word, sender), `${word} of a ${sender}`);
    }
  }
});

t.test('SEND, MESSAGE and ERROR may have a body; CONNECT, STOMP and CONNECTED are never escaped', async (t) => {
  const names = Object.entries(Command);
  t.strictSame(
    names.filter(([, code]) => mayHaveBody(code)).map(([name]) => name),
    ['SEND', 'MESSAGE', 'ERROR'],
  );
  t.strictSame(
    names.filter(([, code]) => isUnescaped(code)).map(([name]) => name),
    ['CONNECT', 'STOMP', 'CONNECTED'],
  );
});
