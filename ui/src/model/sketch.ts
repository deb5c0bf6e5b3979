// Native histograms over time, as cells of a heat map: a row for each bucket that occurs, in order.
import type { HistogramValue, Labels } from '../api_types';
import { parseValue } from './series';

export interface Sketch {
  labels: Labels;
  name: string;
  points: (HistogramValue | null)[];
}

export interface Bucket {
  low: number;
  high: number;
  /** Whether low and high belong to it. */
  closed: [boolean, boolean];
  /** How many buckets of the histogram it holds: more than one where rows had to be joined, 0 where none occurs. */
  joined: number;
}

export interface HeatCells {
  rows: Bucket[];
  /** counts[row][column]; null where there was no sample at all. */
  counts: (number | null)[][];
  most: number;
}

const FILLED = 64;

/** The buckets that do not occur between two that do: their room is kept, or the axis would lie. */
function between(a: Bucket, b: Bucket): Bucket[] {
  if (!(b.low - a.high > Math.abs(a.high) * 1e-9)) return [];
  const hole = (low: number, high: number): Bucket => ({ low, high, closed: [!a.closed[1], !b.closed[0]], joined: 0 });
  const ratio = Math.abs(a.high / a.low), factor = ratio < 1 ? 1 / ratio : ratio;
  const count = Math.round(Math.abs(Math.log(b.low / a.high) / Math.log(factor)));
  if (!(a.low * b.high > 0) || !(count >= 1) || count > FILLED) return [hole(a.high, b.low)];
  const at = (i: number) => (i === count ? b.low : a.high * (b.low / a.high) ** (i / count));
  return Array.from({ length: count }, (_, i) => hole(at(i), at(i + 1)));
}

/** Rows are joined only if there are more than `limit` of them. */
export function heatCells(points: readonly (HistogramValue | null)[], limit = 160): HeatCells {
  const seen = new Map<string, Bucket>();
  for (const point of points) {
    for (const [rule, low, high] of point?.buckets ?? []) {
      seen.set(`${low} ${high}`, { low: parseValue(low), high: parseValue(high), closed: [rule === 1 || rule === 3, rule === 0 || rule === 3], joined: 1 });
    }
  }
  const sorted = [...seen].sort(([, a], [, b]) => a.low - b.low || a.high - b.high);
  const every: [string, Bucket][] = sorted.flatMap(([key, bucket], i) => {
    const before = sorted[i - 1]?.[1];
    return [...(before ? between(before, bucket).map((hole): [string, Bucket] => ['', hole]) : []), [key, bucket] as [string, Bucket]];
  });
  const join = Math.max(1, Math.ceil(every.length / limit));
  const at = new Map<string, number>();
  const rows: Bucket[] = [];
  every.forEach(([key, bucket], i) => {
    const row = Math.floor(i / join), known = rows[row];
    if (key) at.set(key, row);
    if (!known) rows[row] = { ...bucket };
    else rows[row] = { low: known.low, high: Math.max(known.high, bucket.high), closed: [known.closed[0], bucket.closed[1]], joined: known.joined + bucket.joined };
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

/** How strong a cell is drawn, from 0 to 1: the square root lets thin tails be seen beside a heavy middle. */
export function heat(count: number, most: number): number {
  return count > 0 && most > 0 ? 0.1 + 0.9 * Math.sqrt(Math.min(1, count / most)) : 0;
}

/** The counts that the steps of the scale stand for, from the weakest to the strongest. */
export function heatScale(most: number, steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => most * ((i + 1) / steps) ** 2);
}
