/** Hooks of Node's module loader, on its thread: modules of the product are handed out with counters. */
import type { LoadHookContext, LoadFnOutput } from 'node:module';
import { fileURLToPath } from 'node:url';
import { instrument } from './instrument.js';

/** Folders of the product below dist/. */
let folders: readonly string[] = [];
let root = '';

export function initialize(data: { readonly root: string; readonly folders: readonly string[] }): void {
  ({ root, folders } = data);
}

export async function load(
  url: string,
  context: LoadHookContext,
  next: (url: string, context: LoadHookContext) => LoadFnOutput | Promise<LoadFnOutput>,
): Promise<LoadFnOutput> {
  const loaded = await next(url, context);
  if (loaded.format !== 'module' || !url.startsWith(root)) return loaded;
  const name = fileURLToPath(url).slice(fileURLToPath(root).length);
  if (!folders.some((folder) => name.startsWith(folder))) return loaded;
  const { source } = loaded;
  const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString();
  return { ...loaded, source: instrument(text, name).source };
}
