/** Reads a configuration file, YAML 1.2 or JSON (which is YAML), into ServerOptions. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDocument } from 'yaml';
import type { AdminOptions } from './admin-options.js';
import type { AuthOptions, JwtOptions } from './auth-options.js';
import type { ConnectionLogOptions } from './connection-log-options.js';
import { OptionsError } from './options-error.js';
import type { RelayOptions } from './relay-options.js';
import { type ServerOptions, resolveServerOptions } from './server-options.js';
import type { TlsFileOptions } from './tls-options.js';

/**
 * Reads and checks a file. Relative paths in it are resolved against its directory.
 * @throws OptionsError with the name of the file before each fault
 */
export async function readConfigFile(file: string): Promise<ServerOptions> {
  const options = parseConfig(await readText(file), file);
  const directory = path.dirname(path.resolve(file));
  return {
    ...options,
    ...(options.data ? { data: path.resolve(directory, options.data) } : {}),
    ...(options.http ? { http: withTls(options.http, directory) } : {}),
    ...(options.tcp ? { tcp: withTls(options.tcp, directory) } : {}),
    ...(options.auth ? { auth: withAuthFiles(options.auth, directory) } : {}),
    ...(options.connectionLog ? { connectionLog: withLogFile(options.connectionLog, directory) } : {}),
    ...(typeof options.admin === 'object' ? { admin: withAdminFiles(options.admin, directory) } : {}),
    ...(options.relay ? { relay: withAuthorities(options.relay, directory) } : {}),
  };
}

/**
 * Checks the text of a configuration file; `source` is named in faults. An empty text is an empty object.
 * @throws OptionsError
 */
export function parseConfig(text: string, source: string): ServerOptions {
  // A key that is a list becomes an unknown option; the package would warn on stderr besides.
  const document = parseDocument(text, { prettyErrors: true, logLevel: 'error' });
  const broken = [...document.errors, ...document.warnings].map((error) => {
    const at = error.linePos?.[0];
    const position = at === undefined ? '' : `line ${String(at.line)}, column ${String(at.col)}: `;
    return position + (error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');
  });
  if (broken.length > 0) throw new OptionsError(broken).from(source);
  const options = toOptions(() => document.toJS() as unknown, source) as ServerOptions;
  try {
    resolveServerOptions(options);
  } catch (error) {
    throw error instanceof OptionsError ? error.from(source) : error;
  }
  return options;
}

function toOptions(read: () => unknown, source: string): unknown {
  try {
    return read() ?? {};
  } catch (error) {
    // Unresolved or too many aliases are found only while the document becomes values.
    throw new OptionsError([(error as Error).message]).from(source);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'may not be read' : String(code);
    throw new OptionsError([why]).from(file);
  }
}

function withAuthFiles({ passwordFile, jwt, ...auth }: AuthOptions, directory: string): AuthOptions {
  const resolve = (file: string | undefined): string | undefined => file && path.resolve(directory, file);
  return {
    ...auth,
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(passwordFile) }),
    ...(jwt === undefined ? {} : { jwt: withKeyFiles(jwt, directory) }),
  };
}

function withKeyFiles({ secretFile, keyFile, ...rest }: JwtOptions, directory: string): JwtOptions {
  const resolve = (file: string | undefined): string | undefined => file && path.resolve(directory, file);
  return { ...rest, secretFile: resolve(secretFile), keyFile: resolve(keyFile) };
}

function withAdminFiles({ jwt, tokens, ...admin }: AdminOptions, directory: string): AdminOptions {
  return {
    ...withTls(admin, directory),
    ...(jwt === undefined ? {} : { jwt: withKeyFiles(jwt, directory) }),
    ...(tokens === undefined
      ? {}
      : {
          tokens: tokens.map(({ tokenFile, ...token }) =>
            tokenFile === undefined ? token : { ...token, tokenFile: path.resolve(directory, tokenFile) },
          ),
        }),
  };
}

function withLogFile(log: true | ConnectionLogOptions, directory: string): true | ConnectionLogOptions {
  return log !== true && log.file ? { ...log, file: path.resolve(directory, log.file) } : log;
}

function withAuthorities(relay: RelayOptions, directory: string): RelayOptions {
  if (typeof relay.tls !== 'object' || relay.tls.caFile === undefined) return relay;
  return { ...relay, tls: { caFile: path.resolve(directory, relay.tls.caFile) } };
}

function withTls<T extends { readonly tls?: TlsFileOptions | undefined }>(listener: T, directory: string): T {
  if (listener.tls === undefined) return listener;
  const { certFile, keyFile } = listener.tls;
  return {
    ...listener,
    tls: { certFile: path.resolve(directory, certFile), keyFile: path.resolve(directory, keyFile) },
  };
}
