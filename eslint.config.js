// Lint rules: typescript-eslint's strict set with type information, and the direction of imports
// (protocol <- broker <- adapters <- examples, bench, test). test/architecture.test.ts holds the same direction, cycles too.
import tseslint from 'typescript-eslint';

/** The console's page is a project of its own: it runs in a browser. */
const PROJECTS = ['./tsconfig.json', './adapters/admin/console/page/tsconfig.json'];

const NO_PACKAGES = { regex: '^(?!\\.|node:)', message: 'protocol and broker import no package' };
const NO_IO = {
  regex:
    '^node:(net|tls|http|https|http2|dgram|dns|fs|fs/promises|child_process|worker_threads|cluster|process|timers|timers/promises|readline|repl)$',
  message: 'protocol and broker touch no socket, file, process or timer: that is what the ports are for',
};
const NO_TIMERS = ['setTimeout', 'setInterval', 'setImmediate', 'process', 'fetch', 'WebSocket'].map((name) => ({
  name,
  message: 'time and the outside reach the broker through its ports only',
}));

/** Forbids relative imports that climb into one of the given top-level folders. */
function notInto(...folders) {
  return {
    regex: `^(\\.\\./)+(${folders.join('|')})/`,
    message: 'imports point left: protocol <- broker <- adapters <- examples, bench, test',
  };
}

function restrictImports(...patterns) {
  return { 'no-restricted-imports': ['error', { patterns }] };
}

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.tap/', 'test/.artifacts/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: PROJECTS, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      // Structural types are meant here: a port is whatever has its shape.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      // What was caught is passed on as it is.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      // An async function without await is how a synchronous implementation meets a port that may wait.
      '@typescript-eslint/require-await': 'off',
      'no-constant-binary-expression': 'error',
      'no-duplicate-imports': ['error', { allowSeparateTypeImports: true }],
      'no-fallthrough': 'error',
      'no-self-compare': 'error',
      'no-unreachable': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-escape': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['protocol/**/*.ts', 'broker/**/*.ts'],
    rules: {
      // State machines test their fields again behind calls that change them, which the rule takes for constant.
      '@typescript-eslint/no-unnecessary-condition': 'off',
    },
  },
  {
    files: ['protocol/**/*.ts'],
    rules: {
      ...restrictImports(NO_PACKAGES, NO_IO, notInto('broker', 'adapters', 'examples', 'bench', 'test')),
      'no-restricted-globals': ['error', ...NO_TIMERS],
      'no-console': 'error',
    },
  },
  {
    files: ['broker/**/*.ts'],
    rules: {
      ...restrictImports(NO_PACKAGES, NO_IO, notInto('adapters', 'examples', 'bench', 'test')),
      'no-restricted-globals': ['error', ...NO_TIMERS],
      'no-console': 'error',
    },
  },
  {
    files: ['adapters/**/*.ts'],
    rules: restrictImports(notInto('examples', 'bench', 'test')),
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // tap runs the subtests of one parent in order and waits for them itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafePromises: [{ from: 'package', package: '@tapjs/core', name: 'PromiseWithSubtest' }] },
      ],
    },
  },
);
