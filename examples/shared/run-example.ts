/** Runs an example until it is told to stop. What is wrong from the beginning is one line and exit code 1. */

/** As Fastify has it. */
export interface Runnable {
  listen(options: { readonly port: number; readonly host: string }): Promise<unknown>;
  close(): Promise<unknown>;
}

const MAX_PORT = 65_535;

/** Creates the example and listens on `PORT`, or 8080, of this machine; SIGINT and SIGTERM close it. */
export async function runExample(create: () => Promise<Runnable>): Promise<void> {
  try {
    const port = portOf('PORT', 8080);
    const example = await create();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => void example.close().then(() => process.exit()));
    }
    await example.listen({ port, host: 'localhost' });
  } catch (error) {
    process.stderr.write(`${faultOf(error)}\n`);
    process.exit(1);
  }
}

/** A port of the environment. @throws Error of one line */
export function portOf(variable: string, standard: number): number {
  const text = process.env[variable] ?? String(standard);
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_PORT) return Number(text);
  throw new Error(`${variable}: got ${JSON.stringify(text)}, wants a port, 0 to ${MAX_PORT}`);
}

function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, port } = error as NodeJS.ErrnoException & { readonly port?: number };
  // What the broker opens says as much by itself.
  if (code !== 'EADDRINUSE') return error.message;
  return `port ${String(port)} on localhost is in use: PORT=8090, say, takes another`;
}
