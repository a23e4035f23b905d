/** Lets everything that waits for a promise already settled go on: for tests in which nothing else is under way. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
