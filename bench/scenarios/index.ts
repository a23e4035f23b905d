/** Every scenario of `npm run bench`, in the order in which they are run. */
import type { Scenario } from '../scenario.js';
import { fanOut } from './fan-out.js';

export const SCENARIOS: readonly Scenario[] = [fanOut];
