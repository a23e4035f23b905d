/** Every route of the admin API. */
import type { AdminParts } from '../admin-parts.js';
import type { AdminRoute } from '../admin-route.js';
import { clusterRoutes } from './cluster-routes.js';
import { destinationRoutes } from './destination-routes.js';
import { documentRoutes } from './document-routes.js';
import { healthRoutes } from './health-routes.js';
import { messageRoutes } from './message-routes.js';
import { queueRoutes } from './queue-routes.js';
import { serverRoutes } from './server-routes.js';
import { sessionRoutes } from './session-routes.js';
import { statsRoutes } from './stats-routes.js';
import { tapRoutes } from './tap-routes.js';
import { userRoutes } from './user-routes.js';

/** In the order of the document. */
export function adminRoutes(parts: AdminParts): readonly AdminRoute[] {
  return [
    ...healthRoutes(parts),
    ...statsRoutes(parts),
    ...clusterRoutes(parts),
    ...sessionRoutes(parts),
    ...userRoutes(parts),
    ...destinationRoutes(parts),
    ...queueRoutes(parts),
    ...messageRoutes(parts),
    ...tapRoutes(parts),
    ...serverRoutes(parts),
    ...documentRoutes(parts, () => adminRoutes(parts)),
  ];
}
