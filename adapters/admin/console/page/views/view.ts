/** What every view is given. */
import type { Place } from '../router.js';

export interface ViewProps {
  /** What stands behind the view's own name. */
  readonly path: readonly string[];
  readonly query: Place['query'];
}
