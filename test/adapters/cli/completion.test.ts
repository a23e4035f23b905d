/** Completion scripts, in the shells that they are for. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { CliHost, temporaryDirectory } from '../../helpers/cli.js';
import { requireProgram } from '../../helpers/programs.js';

const run = promisify(execFile);
let host: CliHost;
t.before(() => {
  host = new CliHost(t);
});

async function scriptFile(t: Test, shell: string): Promise<string> {
  const { exitCode, stdout } = await host.run(['completion', shell]);
  t.equal(exitCode, 0);
  const file = path.join(temporaryDirectory(t), '_hoofbeat');
  writeFileSync(file, stdout);
  return file;
}

/** What is typed, the last word unfinished; and some of what must be offered, and what must not. */
const CASES: readonly (readonly [typed: string, offered: readonly string[], never: readonly string[]])[] = [
  ['hoofbeat ', ['serve', 'doctor', 'queues', 'completion'], ['list']],
  ['hoofbeat qu', ['queues'], ['serve']],
  ['hoofbeat queues ', ['purge', 'move', 'browse'], ['serve']],
  ['hoofbeat queues move /queue/x --', ['--to', '--yes', '--admin'], ['--prefix']],
  ['hoofbeat serve --log-level ', ['debug', 'silent'], ['--host']],
  ['hoofbeat bench ', ['fan-out', 'pairs', 'queue'], ['serve']],
];

t.test('bash offers commands, options and choices', async (t) => {
  const file = await scriptFile(t, 'bash');
  for (const [typed, offered, never] of CASES) {
    const words = typed.split(' ');
    const list = words.map((word) => `'${word}'`).join(' ');
    const text = `source ${file}; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _hoofbeat; echo "\${COMPREPLY[@]}"`;
    const found = (await run('/bin/bash', ['--norc', '-c', text])).stdout.trim().split(' ');
    for (const word of offered) t.ok(found.includes(word), `${typed}: ${word}`);
    for (const word of never) t.notOk(found.includes(word), `${typed}: no ${word}`);
  }
  const names = `source ${file}; COMP_WORDS=(hoofbeat pub -f ''); COMP_CWORD=3; _hoofbeat; echo $?`;
  t.equal((await run('/bin/bash', ['--norc', '-c', names])).stdout.trim(), '1', 'names of files are left to the shell');
});

t.test('zsh offers the same', async (t) => {
  if (!requireProgram(t, 'zsh')) return;
  const file = await scriptFile(t, 'zsh');
  for (const [typed, offered, never] of CASES) {
    const words = typed.split(' ');
    const list = words.map((word) => `'${word}'`).join(' ');
    // What the shell would filter by what is typed is asked for as it is handed over.
    const text = `compdef() { :; }; compadd() { shift; print -r -- $@; }; source ${file}; words=(${list}); CURRENT=${words.length}; _hoofbeat`;
    const found = (await run('zsh', ['-f', '-c', text])).stdout.trim().split(' ');
    for (const word of offered) t.ok(found.includes(word), `${typed}: ${word}`);
    for (const word of never.filter(() => typed.endsWith(' '))) t.notOk(found.includes(word), `${typed}: no ${word}`);
  }
});

t.test('fish offers the same', async (t) => {
  if (!requireProgram(t, 'fish')) return;
  const file = await scriptFile(t, 'fish');
  for (const [typed, offered, never] of CASES) {
    const text = `source ${file}; complete -C '${typed}'`;
    const { stdout } = await run('fish', ['--no-config', '-c', text], {
      env: { ...process.env, HOME: path.dirname(file) },
    });
    const found = stdout.split('\n').map((line) => line.split('\t')[0]);
    for (const word of offered) t.ok(found.includes(word), `${typed}: ${word}`);
    for (const word of never) t.notOk(found.includes(word), `${typed}: no ${word}`);
  }
});

t.test('another shell is wrong usage', async (t) => {
  t.match(await host.run(['completion', 'csh']), { exitCode: 2, stderr: /Allowed choices are bash, zsh, fish/ });
  t.match(await host.run(['completion']), { exitCode: 2 });
});
