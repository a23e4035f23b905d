/** One segment of a destination out of whatever a client calls a thing. */

/**
 * Encodes `name` so that it is one segment and no pattern: as `encodeURIComponent`, and `*` besides. `decodeURIComponent`
 * gives it back.
 * @throws URIError for a text that is no Unicode; gateways answer it as any message that means nothing
 */
export function encodeSegment(name: string): string {
  return encodeURIComponent(name).replaceAll('*', '%2A');
}
