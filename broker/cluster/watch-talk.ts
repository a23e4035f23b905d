/** What nodes say to each other about what they watch, in JSON: for nodes of this version alone. */

export type WatchTalk =
  /** There, or there again: what do you watch? */
  | { readonly kind: 'hello'; readonly from: string }
  /** Leaves. */
  | { readonly kind: 'bye'; readonly from: string }
  | {
      readonly kind: 'watch' | 'unwatch';
      readonly from: string;
      readonly topics: readonly string[];
      /** For one node alone. */
      readonly to?: string | undefined;
    };

/** What one node tells of a topic: everything, or what has changed. */
export interface NodeTold {
  readonly from: string;
  readonly topic: string;
  /** Counts what this node has told of the topic: one that is missing was lost. */
  readonly number: number;
  readonly whole?: object | undefined;
  readonly changes?: readonly object[] | undefined;
}

export function encodeTalk(talk: WatchTalk | NodeTold): Buffer {
  return Buffer.from(JSON.stringify(talk));
}

/** @throws SyntaxError */
export function decodeTalk(octets: Buffer): WatchTalk | NodeTold {
  return JSON.parse(octets.toString()) as WatchTalk | NodeTold;
}
