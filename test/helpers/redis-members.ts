/** A node's lease in Redis, for tests: its time is a clock that the test turns, its connection lives in real time. */
import { type RedisCommands, RedisKeys, RedisMembers } from '../../adapters/redis/index.js';
import { recordingLogger, type LogLine } from '../../adapters/testing/recorded-log.js';
import { FakeClock } from './fake-clock.js';
import { Inbox } from './inbox.js';
import { testRedisCommands } from './redis-relay.js';

export class TestMember {
  readonly clock = new FakeClock();
  readonly commands: RedisCommands;
  readonly members: RedisMembers;
  /** What its listener was told: `joined n1`, `given up n1`, `node joined n2`, `node gone n2`, with names of runs cut. */
  readonly told = new Inbox<string>();
  readonly log: LogLine[] = [];

  constructor(url: string, nodeId: string, leaseMs: number) {
    this.commands = testRedisCommands(url);
    this.members = new RedisMembers(
      { nodeId, leaseMs },
      {
        commands: this.commands,
        keys: new RedisKeys('test:'),
        clock: this.clock,
        logger: recordingLogger(this.log, 'info'),
      },
    );
    const tell =
      (what: string) =>
      (incarnation: string): void => {
        this.told.push(`${what} ${nodeIdOf(incarnation)}`);
      };
    this.members.listen({
      onJoined: tell('joined'),
      onGivenUp: tell('given up'),
      onNodeJoined: tell('node joined'),
      onNodeGone: tell('node gone'),
    });
  }

  /** By nodeId. */
  get names(): readonly string[] {
    return this.members.members.map(nodeIdOf).sort();
  }
}

export function nodeIdOf(incarnation: string): string {
  return incarnation.slice(0, incarnation.indexOf('/'));
}
