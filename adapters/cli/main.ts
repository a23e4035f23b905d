#!/usr/bin/env node
/** The `hoofbeat` command. */
import { runCli } from './program.js';

// Not process.exit: what was written to a pipe is to arrive.
process.exitCode = await runCli(process.argv.slice(2), process.env);
