/** The environment of the process, handed down from main.ts: nothing else in this program reads process.env. */

/** As process.env has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as not set. */
export function readVariable(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}
