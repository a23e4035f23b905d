/** Ports that the system picks: before the workers start, since all of them have to listen on the same one. */
import { createServer, type AddressInfo } from 'node:net';

/** A port that nobody has at the moment. @throws the system's error when the address cannot be bound */
export function pickFreePort(host: string): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
