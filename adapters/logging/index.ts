/** The log of a server. */
export { createLogger, type LoggerOptions, type ServerLogger } from './logger.js';
