import { describe, expect, it } from 'vitest';
import type { ActiveQuery } from '../api_types';
import { endWord, mergeActive } from './active';

const running = (id: number, more: Partial<ActiveQuery> = {}): ActiveQuery => ({
  id, query: 'up', start: 0, end: 60, step: 15, began: '2026-11-21T00:00:00Z', runningSeconds: 1, cancelled: false, ...more,
});

describe('running queries', () => {
  const ids = (rows: readonly { id: number }[]) => rows.map((row) => row.id);
  it('stand in the order of their ids, whatever the server sends', () => {
    expect(ids(mergeActive([], [running(7), running(2), running(11)], 100, false))).toEqual([2, 7, 11]);
  });
  it('stay in place when they have ended, and leave ten seconds later', () => {
    let rows = mergeActive([], [running(1), running(2, { cancelled: true })], 100, false);
    rows = mergeActive(rows, [running(3)], 102, false);
    expect(rows.map((row) => [row.id, row.ended])).toEqual([[1, 102], [2, 102], [3, undefined]]);
    expect(rows.slice(0, 2).map((row) => endWord(row, false))).toEqual(['ended', 'cancelled']);
    expect(endWord(rows[0]!, true)).toBe('cancelled');
    rows = mergeActive(rows, [running(3)], 111, false);
    expect(ids(rows)).toEqual([1, 2, 3]);
    rows = mergeActive(rows, [running(3)], 112, false);
    expect(ids(rows)).toEqual([3]);
  });
  it('do not leave under the pointer', () => {
    let rows = mergeActive([], [running(1)], 100, false);
    rows = mergeActive(rows, [], 102, true);
    rows = mergeActive(rows, [], 500, true);
    expect(ids(rows)).toEqual([1]);
    expect(mergeActive(rows, [], 502, false)).toEqual([]);
  });
});
