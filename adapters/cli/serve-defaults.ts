/** What `hoofbeat serve` does where nobody has said anything, and the library does otherwise. */

/** Where a server of its own keeps what is stored. */
export const DEFAULT_DATA = './hoofbeat-data';
