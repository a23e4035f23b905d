/** A value that several parts of the page look at. */
import { useEffect, useState } from 'preact/hooks';

export class State<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  /** @returns what ends it */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Draws the component anew whenever the value changes. */
export function useValue<T>(state: State<T>): T {
  const [, redraw] = useState<unknown>(state.value);
  useEffect(() => {
    const show = (): void => {
      redraw(() => state.value);
    };
    show();
    return state.subscribe(show);
  }, [state]);
  return state.value;
}
