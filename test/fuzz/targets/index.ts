/** All targets, each loaded when it is asked for: modules that are instrumented must not be there before. */
import type { Target } from './target.js';

export const TARGETS: Readonly<Record<string, () => Promise<Target>>> = {
  'frame-parser': async () => (await import('./frame-parser.js')).frameParser,
  session: async () => (await import('./session.js')).session,
  selectors: async () => (await import('./selector.js')).selector,
  patterns: async () => (await import('./pattern.js')).pattern,
  'stored-messages': async () => (await import('./message-codec.js')).messageCodec,
  'config-loader': async () => (await import('./config-text.js')).configText,
  'json-gateway': async () => (await import('./json-gateway.js')).jsonGateway,
};
