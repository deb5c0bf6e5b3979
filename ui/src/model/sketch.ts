// Native histograms over time, as cells of a heat map: a row for each bucket that occurs, in order.
import type { HistogramValue, Labels } from '../api_types';
import { parseValue } from './series';

export interface Sketch {
  labels: Labels;
  name: string;
  points: (HistogramValue | null)[];
}

export interface Bucket { low: number; high: number }

export interface HeatCells {
  rows: Bucket[];
  /** counts[row][column]; null where there was no sample at all. */
  counts: (number | null)[][];
  most: number;
}

/** Counts are spread over merged rows only if there are more than `limit` different buckets. */
export function heatCells(points: readonly (HistogramValue | null)[], limit = 160): HeatCells {
  const seen = new Map<string, Bucket>();
  for (const point of points) {
    for (const [, low, high] of point?.buckets ?? []) seen.set(`${low} ${high}`, { low: parseValue(low), high: parseValue(high) });
  }
  const sorted = [...seen].sort(([, a], [, b]) => a.low - b.low || a.high - b.high);
  const join = Math.max(1, Math.ceil(sorted.length / limit));
  const at = new Map<string, number>();
  const rows: Bucket[] = [];
  sorted.forEach(([key, bucket], i) => {
    const row = Math.floor(i / join);
    at.set(key, row);
    rows[row] = rows[row] ? { low: Math.min(rows[row].low, bucket.low), high: Math.max(rows[row].high, bucket.high) } : { ...bucket };
  });
  const counts = rows.map(() => points.map((point): number | null => (point ? 0 : null)));
  let most = 0;
  points.forEach((point, column) => {
    for (const [, low, high, count] of point?.buckets ?? []) {
      const row = counts[at.get(`${low} ${high}`)!]!;
      row[column] = (row[column] ?? 0) + parseValue(count);
      most = Math.max(most, row[column]);
    }
  });
  return { rows, counts, most };
}
