/** A sample for the runner's tests. */
throw new Error('no such weather');
