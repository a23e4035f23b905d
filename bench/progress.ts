/** A line that tells how far a run is, on a terminal; nothing elsewhere. Drawn between measurements, never during one. */

const WIDTH = 30;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #scenarios: number;
  #finished = 0;
  #name = '';
  #steps = 1;
  #step = 0;

  /** @param scenarios how many there will be */
  constructor(scenarios: number, stream: NodeJS.WriteStream = process.stderr) {
    this.#scenarios = scenarios;
    this.#stream = stream;
  }

  scenario(name: string): void {
    this.#name = name;
    this.#steps = 1;
    this.#step = 0;
    this.#draw('');
  }

  /** How many steps the current scenario has, as soon as it is known. */
  expect(steps: number): void {
    this.#steps = Math.max(1, steps);
    this.#step = 0;
  }

  step(text: string): void {
    this.#step++;
    this.#draw(text);
  }

  /** What happens between the steps. */
  note(text: string): void {
    this.#draw(text);
  }

  scenarioDone(): void {
    this.#finished++;
    this.#step = 0;
    this.#draw('');
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }

  #draw(text: string): void {
    if (!this.#stream.isTTY) return;
    const share = (this.#finished + Math.min(1, this.#step / this.#steps)) / Math.max(1, this.#scenarios);
    const done = Math.round(Math.min(1, share) * WIDTH);
    const bar = `${'█'.repeat(done)}${'░'.repeat(WIDTH - done)}`;
    const line = `${bar} ${Math.round(Math.min(1, share) * 100)} % ${this.#name} ${text}`;
    this.#stream.write(`\r\x1b[K${line.slice(0, this.#stream.columns - 1)}`);
  }
}
