/** YAML and JSON files into options. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { OptionsError, parseConfig, readConfigFile } from '../../../adapters/config/index.js';

function faultsOf(text: string): readonly string[] {
  try {
    parseConfig(text, 'hoofbeat.yaml');
    return [];
  } catch (error) {
    if (error instanceof OptionsError) return error.faults;
    throw error;
  }
}

t.test('YAML and JSON say the same', async (t) => {
  const yaml = parseConfig('http:\n  port: 9000 # web\ntcp: false\n', 'a.yaml');
  t.strictSame(yaml, { http: { port: 9000 }, tcp: false });
  t.strictSame(parseConfig('{"http": {"port": 9000}, "tcp": false}', 'a.json'), yaml);
});

t.test('an empty file is an empty object', async (t) => {
  t.strictSame(parseConfig('', 'a.yaml'), {});
  t.strictSame(parseConfig('# nothing yet\n', 'a.yaml'), {});
});

t.test('a fault names the file, the path, what it got and what it wants', async (t) => {
  t.strictSame(faultsOf('http:\n  port: eighty\n'), [
    'hoofbeat.yaml: http.port: got "eighty", wants a number from 0 to 65535',
  ]);
});

t.test('an option whose name would not be seen is quoted', async (t) => {
  t.strictSame(faultsOf('"": 1\nhttp: { "a: b": 1 }\n'), [
    'hoofbeat.yaml: "": unknown option',
    'hoofbeat.yaml: http."a: b": unknown option',
  ]);
});

t.test('a text that is no YAML is a fault with line and column', async (t) => {
  t.match(faultsOf('http:\n  port: [1'), [/^hoofbeat\.yaml: line 2, column \d+: /]);
});

t.test('a repeated key is a fault, not a silent last word', async (t) => {
  t.match(faultsOf('tcp: false\ntcp: false\n'), [/^hoofbeat\.yaml: line 2, column 1: .*unique/]);
});

t.test('an alias without its anchor, and a bomb of aliases, are faults', async (t) => {
  t.match(faultsOf('http: *nowhere\n'), [/^hoofbeat\.yaml: .*alias/i]);
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (const [name, before] of ['ba', 'cb', 'dc', 'ed', 'fe'].map((pair) => pair.split(''))) {
    bomb.push(
      `${name ?? ''}: &${name ?? ''} [${Array(10)
        .fill(`*${before ?? ''}`)
        .join(', ')}]`,
    );
  }
  t.match(faultsOf(bomb.join('\n')), [/alias/i]);
});

t.test('paths in a file are relative to the file', async (t) => {
  const directory = t.testdir();
  const file = path.join(directory, 'hoofbeat.yaml');
  writeFileSync(file, 'data: store\ntcp: { tls: { certFile: cert.pem, keyFile: /etc/key.pem } }\n');
  const options = await readConfigFile(file);
  t.equal(options.data, path.join(directory, 'store'));
  t.strictSame(options.tcp, { tls: { certFile: path.join(directory, 'cert.pem'), keyFile: '/etc/key.pem' } });
});

t.test('files that auth names are relative to the file too', async (t) => {
  const directory = t.testdir();
  const file = path.join(directory, 'hoofbeat.yaml');
  writeFileSync(
    file,
    'auth: { anonymous: false, passwordFile: users, jwt: { keyFile: keys/jwks.json, issuer: me } }\n',
  );
  t.strictSame((await readConfigFile(file)).auth, {
    anonymous: false,
    passwordFile: path.join(directory, 'users'),
    jwt: { issuer: 'me', secretFile: undefined, keyFile: path.join(directory, 'keys/jwks.json') },
  });
});

t.test('the file of the connection log is relative to the file too', async (t) => {
  const directory = t.testdir();
  const file = path.join(directory, 'hoofbeat.yaml');
  const read = async (connectionLog: string): Promise<unknown> => {
    writeFileSync(file, `connectionLog: ${connectionLog}\n`);
    return (await readConfigFile(file)).connectionLog;
  };
  t.strictSame(await read('{ file: log/c.db, maxRows: 1 }'), { file: path.join(directory, 'log/c.db'), maxRows: 1 });
  t.strictSame(await read('{ file: false }'), { file: false });
  t.equal(await read('true'), true);
  t.equal((await readConfigFile(file)).connectionLog, true);
});

t.test('a file that is not there is named', async (t) => {
  await t.rejects(readConfigFile('nowhere.yaml'), { code: 'invalid-option', message: 'nowhere.yaml: no such file' });
  await t.rejects(readConfigFile(t.testdir()), { message: /: EISDIR$/ });
});
