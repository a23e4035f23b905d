/**
 * Where plain SENDs of one session go (protocol/DESIGN.md, 1): the last destination is remembered as octets, and compared
 * before anything is looked up (DESIGN P5). Only what nothing has to be asked about: the rest is for the strict path.
 */
import { isComposite } from '../destinations/composite.js';
import { BrokerError } from '../errors.js';
import type { RawFrame } from '../../protocol/index.js';
import type { AccessControl } from '../access-control.js';
import type { Route } from '../destinations/route.js';
import type { SessionEnvironment } from '../session-environment.js';

export class PlainRoutes {
  /** Null when there are no rules. */
  readonly #access: AccessControl | null;
  readonly #environment: SessionEnvironment;
  #lastOctets: Buffer | null = null;
  #lastRoute: Route | null = null;

  constructor(access: AccessControl | null, environment: SessionEnvironment) {
    this.#access = access;
    this.#environment = environment;
  }

  /**
   * @returns null when the strict path has to decide: handlers, users, and what the rules were not asked about yet
   * @throws BrokerError `header-missing`, `destination-…`
   */
  of(raw: RawFrame): Route | null {
    const { buffer, destinationStart: start, destinationEnd: end } = raw;
    const last = this.#lastOctets;
    if (last?.length === end - start) {
      let k = 0;
      while (k < last.length && last[k] === buffer[start + k]) k++;
      if (k === last.length && this.#lastRoute?.isLive === true) return this.#lastRoute;
    }
    if (start === end) throw new BrokerError('header-missing', 'SEND needs a header "destination", got an empty one');
    const destination = buffer.toString('utf8', start, end);
    if (this.#access?.isKnownAllowed(destination) === false) return null;
    const { options, quotas, router } = this.#environment;
    if (isComposite(options.destinations, destination)) return null;
    if (quotas.measures(destination)) return null;
    const route = router.route(destination);
    if (!route.isDirect) return null;
    this.#lastOctets = Buffer.from(buffer.subarray(start, end));
    this.#lastRoute = route;
    return route;
  }
}
