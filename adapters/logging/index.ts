/** The log of a server. */
export { createLogger, type LoggerOptions } from './logger.js';
