/** Certificate and key of a listener. */

/** PEM files; in a configuration file, relative to its directory. */
export interface TlsFileOptions {
  readonly certFile: string;
  readonly keyFile: string;
}
