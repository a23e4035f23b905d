/** Those who come and go: each lives one connection after the other until the round is over. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Habit, HabitParts } from './habit.js';
import { HABITS } from './habits.js';
import type { LineKind } from './line.js';
import { LINE_KINDS } from './open-line.js';
import { PASSCODE, STEADY_USERS } from './soaked-options.js';
import { countLine, leave, openCounted, type World } from './world.js';

const MOST_LIFE_MS = 9_000;
const LEAST_STEP_MS = 60;
const MOST_STEP_MS = 240;

let lastName = 0;

/** One connection: does what its habits are for a while, then leaves or drops, unless it was cut before. */
async function live(world: World, kind: LineKind): Promise<void> {
  const { random } = world;
  // Gateways and SockJS without a login are anonymous.
  const login = kind.startsWith('tcp') && random.chance(0.4) ? random.pick(STEADY_USERS) : undefined;
  const line = await openCounted(world, kind, { login, passcode: PASSCODE });
  if (line.isOpen()) {
    const parts: HabitParts = { line, ledger: world.ledger, random, login, name: `c${++lastName}/${kind}` };
    const habits: Habit[] = [];
    const names = Object.keys(HABITS) as [string, ...string[]];
    const chosen = new Set(Array.from({ length: random.between(1, 4) }, () => random.pick(names)));
    for (const name of chosen) habits.push(HABITS[name]?.(parts) ?? ((): void => undefined));
    const endMs = Date.now() + random.between(200, MOST_LIFE_MS);
    while (world.isBusy() && line.isOpen() && Date.now() < endMs) {
      await wait(random.between(LEAST_STEP_MS, MOST_STEP_MS));
      if (line.isOpen()) habits[random.between(0, habits.length - 1)]?.();
    }
    if (random.chance(0.5)) await leave(line);
    else line.drop();
  }
  countLine(world, line);
}

export async function actor(world: World): Promise<void> {
  while (world.isBusy()) {
    await live(world, world.random.pick(LINE_KINDS));
    if (world.isBusy()) await wait(world.random.between(0, 300));
  }
}
