/** A schema of no library at all: the interface of Standard Schema is enough. */
import type { StandardSchema } from '../../adapters/index.js';

/** Takes even numbers. */
export const EVEN: StandardSchema<unknown, number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'number' && value % 2 === 0 ? { value } : { issues: [{ message: 'not an even number' }] },
  },
};
