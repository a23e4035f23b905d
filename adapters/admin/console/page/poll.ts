/** What a view shows of the API, asked again and again while somebody looks. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask, type Query, returns, Unreachable } from './api.js';
import { useValue } from './state.js';

export interface Polled<T> {
  /** What came last; undefined until something did. */
  readonly data: T | undefined;
  /** Why there is nothing newer; an outage is shown elsewhere. */
  readonly error: Error | undefined;
  /** For the first time, or after the question changed. */
  readonly isLoading: boolean;
  readonly reload: () => void;
}

interface Answer<T> {
  readonly question: string;
  readonly data: T | undefined;
  readonly error: Error | undefined;
}

/** @param everyMs 0: once @param path null: nothing is asked */
export function usePoll<T>(path: string | null, query: Query = {}, everyMs = 0): Polled<T> {
  const question = `${path ?? ''}?${JSON.stringify(query)}`;
  const [answer, setAnswer] = useState<Answer<T>>({ question, data: undefined, error: undefined });
  const [turn, setTurn] = useState(0);
  const back = useValue(returns);
  const asked = useRef(query);
  asked.current = query;
  useEffect(() => {
    if (path === null) return undefined;
    const stopped = new AbortController();
    let timer = 0;
    const load = async (): Promise<void> => {
      try {
        const data = await ask<T>('GET', path, { query: asked.current, signal: stopped.signal });
        if (!stopped.signal.aborted) setAnswer({ question, data, error: undefined });
      } catch (error) {
        if (stopped.signal.aborted) return;
        const shown = error instanceof Unreachable || !(error instanceof Error) ? undefined : error;
        setAnswer((before) => ({
          question,
          data: before.question === question ? before.data : undefined,
          error: shown,
        }));
      }
      if (everyMs > 0 && !stopped.signal.aborted) timer = setTimeout(next, everyMs);
    };
    const next = (): void => {
      // Nobody looks: asked again once somebody does.
      if (document.hidden) timer = setTimeout(next, everyMs);
      else void load();
    };
    void load();
    return () => {
      stopped.abort();
      clearTimeout(timer);
    };
  }, [question, everyMs, turn, back]);
  const reload = useCallback(() => {
    setTurn((before) => before + 1);
  }, []);
  const isOurs = answer.question === question;
  return {
    data: isOurs ? answer.data : undefined,
    error: isOurs ? answer.error : undefined,
    isLoading: !isOurs || (answer.data === undefined && answer.error === undefined),
    reload,
  };
}
