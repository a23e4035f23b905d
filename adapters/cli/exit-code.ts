/** How a command ends; documented in `hoofbeat --help` and the README. */

export const ExitCode = {
  ok: 0,
  /** The server could not start, the connection failed, or the broker answered ERROR. */
  failure: 1,
  /** Unknown or contradicting arguments. */
  usage: 2,
  /** `sub -W` ran out; the number is mosquitto_sub's. */
  timeout: 27,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends a command with one or more lines on standard error and no stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = ExitCode.failure) {
    super(message);
    this.exitCode = exitCode;
  }
}
