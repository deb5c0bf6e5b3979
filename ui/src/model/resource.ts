// Loading with manners: old data stays while new data comes, is marked late after 2 s, an answer
// that was overtaken is dropped, and a slow server is never asked the same thing twice at once.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../api';
import type { Answer } from '../api_types';
import { beat } from './frame';

export interface Resource<T> {
  data: T | undefined;
  answer: Answer<T> | undefined;
  error: ApiError | undefined;
  /** The first answer has not come and 300 ms have passed. */
  slow: boolean;
  /** What is shown is old: a newer question has waited for more than 2 s, or failed. */
  late: boolean;
  /** The key that `data` answers. */
  key: string;
}

interface State<T> { answer?: Answer<T>; error?: ApiError; key: string; slow: boolean; late: boolean }

export interface Manner {
  /** Ask again at each beat (default yes). */
  live?: boolean;
  /** Ask at all (default yes). */
  on?: boolean;
  /** Ask again when this changes, instead of at each beat. */
  turn?: number;
}

export function useResource<T>(key: string, load: (stop: AbortSignal) => Promise<Answer<T>>, manner: Manner = {}): Resource<T> {
  const { live = true, on = true, turn } = manner;
  const [state, set] = useState<State<T>>({ key: '', slow: false, late: false });
  const flight = useRef<{ key: string; stop: AbortController } | undefined>(undefined);
  const now = turn ?? (live ? beat.value : 0);
  useEffect(() => {
    if (!on) return;
    if (flight.current?.key === key) return;
    flight.current?.stop.abort();
    const mine = { key, stop: new AbortController() };
    flight.current = mine;
    const slowTimer = setTimeout(() => set((s) => ({ ...s, slow: true })), 300);
    const lateTimer = setTimeout(() => set((s) => ({ ...s, late: true })), 2000);
    const done = (next: (s: State<T>) => State<T>) => {
      clearTimeout(slowTimer);
      clearTimeout(lateTimer);
      if (flight.current !== mine) return;
      flight.current = undefined;
      set(next);
    };
    load(mine.stop.signal).then(
      (answer) => done(() => ({ answer, error: undefined, key, slow: false, late: false })),
      (why: unknown) => {
        const error = why instanceof ApiError ? why : mine.stop.signal.aborted ? undefined
          : new ApiError('broken', 'This page failed while it read the answer.', String(why), 0);
        done((s) => ({ ...s, error, slow: false, late: true }));
      },
    );
  }, [key, now, on]);
  useEffect(() => () => {
    flight.current?.stop.abort();
    flight.current = undefined;
  }, []);
  return { data: state.answer?.data, answer: state.answer, error: state.error, slow: state.slow, late: state.late, key: state.key };
}
