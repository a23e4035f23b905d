/** A client that watches the presence of one topic and keeps what it was told: who is there, as it believes. */
import assert from 'node:assert/strict';
import { header, type ServerFrame } from './server-frames.js';

interface Told {
  readonly topic: string;
  readonly users?: readonly { readonly name: string; readonly sessions: number }[];
  readonly user?: string;
  readonly userCount: number;
  readonly anonymous: number;
  readonly complete?: boolean;
}

export class PresenceWatcher {
  /** What it was told, in short: `snapshot ann,bob`, `join eve`, `leave ann`, `count 3`. */
  readonly log: string[] = [];
  readonly users = new Set<string>();
  anonymous = 0;
  /** Of the last snapshot. */
  isComplete: boolean | null = null;

  /** Takes MESSAGE frames in; each has to fit what was told before. */
  take(frames: readonly ServerFrame[]): this {
    for (const frame of frames) if (frame.command === 'MESSAGE') this.#take(frame);
    return this;
  }

  /** Takes in the body of a message with this header `presence`. */
  read(kind: string | undefined, body: string): this {
    const told = JSON.parse(body) as Told;
    if (kind === 'snapshot') this.#reset(told);
    else if (kind === 'join') this.#join(told.user ?? '');
    else if (kind === 'leave') this.#leave(told.user ?? '');
    else assert.equal(kind, 'count');
    this.anonymous = told.anonymous;
    if (kind === 'count') this.log.push(`count ${told.anonymous}`);
    assert.equal(this.users.size, told.userCount, `users after: ${this.log.slice(-5).join('; ')}`);
    return this;
  }

  /** What was told since the last call. */
  news(): string[] {
    return this.log.splice(0);
  }

  #take(frame: ServerFrame): void {
    assert.equal(header(frame, 'content-type'), 'application/json');
    this.read(header(frame, 'presence'), frame.body.toString());
  }

  #reset({ users = [], complete }: Told): void {
    this.users.clear();
    for (const { name } of users) this.users.add(name);
    this.isComplete = complete ?? null;
    this.log.push(`snapshot ${[...this.users].sort().join(',')}`);
  }

  #join(user: string): void {
    assert.ok(!this.users.has(user), `${user} joins twice`);
    this.users.add(user);
    this.log.push(`join ${user}`);
  }

  #leave(user: string): void {
    assert.ok(this.users.delete(user), `${user} leaves and was not there`);
    this.log.push(`leave ${user}`);
  }
}
