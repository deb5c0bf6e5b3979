// The list of running queries between two answers of the server: rows keep their order and place, and
// what has ended stays for a while, so that nobody cancels a query that slid under the pointer.
import type { ActiveQuery } from '../api_types';

/** How long a row stays after its query has ended, in seconds. */
const LINGER = 10;

export interface ActiveRow extends ActiveQuery {
  /** When it was first missing from the list, in seconds; undefined while it runs. */
  ended?: number;
}

/** By id; `held` keeps what has ended (somebody points at the list). */
export function mergeActive(known: readonly ActiveRow[], list: readonly ActiveQuery[], now: number, held: boolean): ActiveRow[] {
  const running = new Set(list.map((q) => q.id));
  const left = known.filter((row) => !running.has(row.id))
    .map((row) => ({ ...row, ended: row.ended ?? now }))
    .filter((row) => held || now - row.ended < LINGER);
  return [...list, ...left].sort((a, b) => a.id - b.id);
}

/** How a query came to its end, as far as is known: the list may never have shown what was `asked` of it. */
export function endWord(row: ActiveRow, asked: boolean): string {
  return row.cancelled || asked ? 'cancelled' : 'ended';
}
