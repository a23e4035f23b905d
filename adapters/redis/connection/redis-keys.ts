/**
 * Names of what the nodes of a cluster keep in Redis. All keys carry one hash tag, so that they are in one slot of a Redis
 * Cluster and one script may touch any of them: the state of a cluster is on one master, whatever else is spread.
 */

export class RedisKeys {
  readonly #tag: string;

  /** @param prefix the same on all nodes of a cluster, another one for each cluster; without braces */
  constructor(prefix: string) {
    // An empty tag is none: Redis would hash the whole key.
    this.#tag = `{${prefix === '' ? ':' : prefix}}`;
  }

  /** @param name e.g. `nodes`, or `queue:/queue/a`: any characters */
  of(name: string): string {
    return this.#tag + name;
  }
}
