/** Loaded into a real `hoofbeat serve` (`node --import`): a bug of somebody: SIGWINCH brings it out. */
process.on('SIGWINCH', () => {
  if (process.env['HOOFBEAT_FAULT'] === 'rejection') void Promise.reject(new Error('a bug of somebody'));
  else throw new Error('a bug of somebody');
});
