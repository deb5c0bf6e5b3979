// The queries that were asked in this browser: newest first, bounded, kept apart by base path and tenant,
// so that nobody is offered a query (with its label values) of another tenant or server.
import { basePath, tenant } from './base';

export interface Past { query: string; at: number }

const MOST = 200, LONGEST = 8000, TOTAL = 200000;

export function historyKey(base: string, whose: string): string {
  return `tidemark.queries ${JSON.stringify([base, whose])}`;
}

/** What stands in the store; whatever is no entry of ours is left out. */
export function readPast(text: string | null): Past[] {
  let found: unknown;
  try {
    found = JSON.parse(text ?? '[]');
  } catch {
    return [];
  }
  if (!Array.isArray(found)) return [];
  return bounded(found.filter((one: Partial<Past> | null): one is Past => typeof one?.query === 'string' && typeof one.at === 'number' && Number.isFinite(one.at))
    .map(({ query, at }) => ({ query, at })));
}

/** At most so many, together at most so long; the oldest go first. */
function bounded(list: readonly Past[]): Past[] {
  let room = TOTAL;
  return list.slice(0, MOST).filter((one) => one.query.length <= LONGEST && (room -= one.query.length) >= 0);
}

/** The list with one more; a query that is known already moves to the front. */
export function withQuery(list: readonly Past[], query: string, at: number): Past[] {
  return bounded([{ query, at }, ...list.filter((one) => one.query !== query)]);
}

function store(list: readonly Past[]): void {
  try {
    if (list.length) localStorage.setItem(historyKey(basePath, tenant), JSON.stringify(list));
    else localStorage.removeItem(historyKey(basePath, tenant));
  } catch {
    // A browser that keeps nothing still works; it only forgets.
  }
}

/** Read anew each time: other tabs write too. */
export function pastQueries(): Past[] {
  try {
    return readPast(localStorage.getItem(historyKey(basePath, tenant)));
  } catch {
    return [];
  }
}

export function recordQuery(query: string, at: number): void {
  store(withQuery(pastQueries(), query, at));
}

export function forgetQuery(query?: string): void {
  store(query === undefined ? [] : pastQueries().filter((one) => one.query !== query));
}
