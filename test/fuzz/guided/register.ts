/** Preloaded with `--import`: from here on modules of the product come with counters. */
import { register } from 'node:module';
import { CoverageMap } from './coverage-map.js';

export const coverage = new CoverageMap();
coverage.install();
const root = new URL('../../../', import.meta.url).href;
const folders = (process.env['HOOFBEAT_FUZZ_COVERS'] ?? 'protocol/').split(',');
register(new URL('hooks.js', import.meta.url), { data: { root, folders } });
