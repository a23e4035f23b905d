/** `hoofbeat completion`: scripts for shells, made of the very commands and options that there are. */
import { Argument, type Command, type Option } from 'commander';

type Shell = 'bash' | 'zsh' | 'fish';

const HELP = `
  bash: hoofbeat completion bash > ~/.local/share/bash-completion/completions/hoofbeat
  zsh:  hoofbeat completion zsh > "\${fpath[1]}/_hoofbeat"
  fish: hoofbeat completion fish > ~/.config/fish/completions/hoofbeat.fish`;

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'for which').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', HELP)
    .action((shell: Shell) => {
      process.stdout.write(completionScript(program, shell));
    });
}

/** One command, by its words behind `hoofbeat`. */
interface Known {
  readonly path: readonly string[];
  readonly description: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly Option[];
  /** Of arguments that are one of a few. */
  readonly choices: readonly string[];
}

export function completionScript(program: Command, shell: Shell): string {
  const known = [...walk(program, [])];
  if (shell === 'fish') return fishScript(known);
  return shell === 'bash' ? bashScript(known) : zshScript(known);
}

function* walk(command: Command, path: readonly string[]): Generator<Known> {
  yield {
    path,
    description: command.description(),
    commands: command.commands.map((each) => ({ name: each.name(), description: each.description() })),
    options: command.createHelp().visibleOptions(command),
    choices: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  };
  for (const each of command.commands) yield* walk(each, [...path, each.name()]);
}

function flagsOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

function wordsOf({ commands, options, choices }: Known): string[] {
  return [...commands.map(({ name }) => name), ...choices, ...options.flatMap(flagsOf)];
}

/** Which command the words so far are of, and what may follow: the same in both shells. */
function caseLines(known: readonly Known[], answer: (words: readonly string[]) => string): string[] {
  const lines: string[] = [];
  for (const each of known) {
    const name = each.path.join(' ');
    for (const option of each.options) {
      if (option.argChoices === undefined) continue;
      const patterns = flagsOf(option).map((flag) => `"${name}|${flag}"`);
      lines.push(`    ${patterns.join(' | ')}) ${answer(option.argChoices)} ;;`);
    }
    for (const option of each.options) {
      if (option.argChoices !== undefined || (!option.required && !option.optional)) continue;
      // A value of one's own: names of files, if anything.
      const patterns = flagsOf(option).map((flag) => `"${name}|${flag}"`);
      lines.push(`    ${patterns.join(' | ')}) return 1 ;;`);
    }
    lines.push(`    "${name}|"*) ${answer(wordsOf(each))} ;;`);
  }
  return lines;
}

function pathLines(known: readonly Known[], words: string): string[] {
  const paths = known.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(' ')}"`);
  return [
    '  local command="" word',
    `  for word in ${words}; do`,
    '    case "$' + '{command:+$command }$word" in',
    `      ${paths.join(' | ')}) command="$` + '{command:+$command }$word" ;;',
    '    esac',
    '  done',
  ];
}

function bashScript(known: readonly Known[]): string {
  return [
    '# bash completion of hoofbeat',
    '_hoofbeat() {',
    '  local current="$' + '{COMP_WORDS[COMP_CWORD]}" previous="$' + '{COMP_WORDS[COMP_CWORD-1]}"',
    ...pathLines(known, '"$' + '{COMP_WORDS[@]:1:COMP_CWORD-1}"'),
    '  COMPREPLY=()',
    '  case "$command|$previous" in',
    ...caseLines(known, (words) => `COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$current"))`),
    '  esac',
    '}',
    'complete -o default -F _hoofbeat hoofbeat',
    '',
  ].join('\n');
}

function zshScript(known: readonly Known[]): string {
  return [
    '#compdef hoofbeat',
    '_hoofbeat() {',
    '  local previous="$' + '{words[CURRENT-1]}"',
    ...pathLines(known, '"$' + '{(@)words[2,CURRENT-1]}"'),
    '  case "$command|$previous" in',
    ...caseLines(known, (words) => `compadd -- ${words.join(' ')}`).map((line) =>
      line.replace('return 1 ;;', '_files ;;'),
    ),
    '  esac',
    '}',
    'if [ "$' + '{funcstack[1]}" = _hoofbeat ]; then _hoofbeat "$@"; else compdef _hoofbeat hoofbeat; fi',
    '',
  ].join('\n');
}

function fishScript(known: readonly Known[]): string {
  const lines = ['# fish completion of hoofbeat', 'complete -c hoofbeat -f'];
  for (const { path, commands, options, choices } of known) {
    const inside = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const names = commands.map(({ name }) => name);
    const before = names.length === 0 ? [] : [`not __fish_seen_subcommand_from ${names.join(' ')}`];
    const condition = [...inside, ...before].join('; and ');
    const when = condition === '' ? '' : ` -n ${quoted(condition)}`;
    for (const { name, description } of commands) {
      lines.push(`complete -c hoofbeat${when} -a ${name} -d ${quoted(description)}`);
    }
    if (choices.length > 0) lines.push(`complete -c hoofbeat${when} -a ${quoted(choices.join(' '))}`);
    for (const { short, long, description, argChoices, required } of options) {
      const flags = `${short === undefined ? '' : ` -s ${short.slice(1)}`}${long === undefined ? '' : ` -l ${long.slice(2)}`}`;
      const value = argChoices !== undefined ? ` -x -a ${quoted(argChoices.join(' '))}` : required ? ' -r' : '';
      lines.push(`complete -c hoofbeat${when}${flags}${value} -d ${quoted(description)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
