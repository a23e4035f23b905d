/** Every TypeScript snippet of the documents compiles against the library as its users import it. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '../../..');
/** A module of its own, beside the sources: what `import … from 'hoofbeat'` means is said by `paths`. */
const SNIPPETS = path.join(ROOT, 'test/.snippets');

interface Snippet {
  readonly file: string;
  /** Of the first line of code in the document. */
  readonly line: number;
  readonly code: string;
}

/** What stands between ```ts and ```, also where a list or a table indents it. */
function snippetsOf(document: string): Snippet[] {
  const text = readFileSync(path.join(ROOT, document), 'utf8');
  return [...text.matchAll(/^[ \t]*```ts\b.*\n([^]*?)^[ \t]*```/gm)].map((match, index) => ({
    file: path.join(SNIPPETS, `${document.replaceAll(/[/.]/g, '-')}-${index + 1}.ts`),
    line: text.slice(0, match.index).split('\n').length + 1,
    code: match[1] ?? '',
  }));
}

/** The package's own entry points, from its `exports`: name → the declarations that users get. */
function entryPoints(): Record<string, string[]> {
  const { exports } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, { types?: string } | string>;
  };
  return Object.fromEntries(
    Object.entries(exports).flatMap(([name, target]) =>
      typeof target === 'string' || target.types === undefined
        ? []
        : [[`hoofbeat${name.slice(1)}`, [target.types]] as const],
    ),
  );
}

/** Declarations of the library and of packages, read once for all programs. */
const parsed = new Map<string, ts.SourceFile | undefined>();

function check(snippets: readonly Snippet[]): string[] {
  const config = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file));
  const { options } = ts.parseJsonConfigFileContent({ ...config.config, include: [], files: [] }, ts.sys, ROOT);
  const settings: ts.CompilerOptions = {
    ...options,
    composite: false,
    incremental: false,
    noEmit: true,
    baseUrl: ROOT,
    paths: entryPoints(),
    // A snippet shows what it declares, and may not use all of it.
    noUnusedLocals: false,
    noUnusedParameters: false,
    // For pages: some snippets are what a browser runs.
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
  };
  delete settings.tsBuildInfoFile;
  const texts = new Map(snippets.map(({ file, code }) => [file, `${code}\nexport {};\n`]));
  const host = ts.createCompilerHost(settings);
  const original = ts.createCompilerHost(settings);
  host.fileExists = (file) => texts.has(file) || original.fileExists(file);
  host.readFile = (file) => texts.get(file) ?? original.readFile(file);
  host.getSourceFile = (file, target, ...rest) => {
    const text = texts.get(file);
    if (text !== undefined) return ts.createSourceFile(file, text, target, true);
    if (!parsed.has(file)) parsed.set(file, original.getSourceFile(file, target, ...rest));
    return parsed.get(file);
  };
  const program = ts.createProgram([...texts.keys()], settings, host);
  return snippets.flatMap(({ file, line }) => {
    const source = program.getSourceFile(file);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((diagnostic) => {
      const at = source?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
      const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
      return `${path.basename(file)}, line ${line + at} of the document: ${text}`;
    });
  });
}

const DOCUMENTS = readdirSync(ROOT).filter((name) => name.endsWith('.md'));

t.test('there are snippets to check', async (t) => {
  t.ok(DOCUMENTS.includes('README.md'));
  t.ok(snippetsOf('COMING-FROM-SPRING.md').length >= 10);
});

t.test('every snippet of every document compiles', async (t) => {
  t.strictSame(check(DOCUMENTS.flatMap(snippetsOf)), []);
});

t.test('a snippet that is wrong is found, on its line of the document', async (t) => {
  const code = "import { Broker } from 'hoofbeat';\nimport { nothing } from 'hoofbeat/testing';\nBroker.nothing();\n";
  const faults = check([{ file: path.join(SNIPPETS, 'wrong.ts'), line: 40, code }]);
  t.equal(faults.length, 2);
  t.match(faults[0], /^wrong\.ts, line 41 of the document: .*nothing/);
  t.match(faults[1], /^wrong\.ts, line 42 of the document: .*nothing/);
});
