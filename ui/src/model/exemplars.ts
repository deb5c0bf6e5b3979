// Exemplars: single events that a histogram or counter has kept, each with the labels of its trace.
import type { ExemplarSeries, Labels } from '../api_types';
import { parseValue } from './series';

export interface Exemplar {
  time: number;
  value: number;
  /** Of the event: trace and span. */
  labels: Labels;
  /** Of the series that kept it. */
  series: Labels;
}

/** By time. What has no time or no number is left out: it could stand nowhere. */
export function readExemplars(found: readonly ExemplarSeries[]): Exemplar[] {
  return found.flatMap((one) => one.exemplars.map((x) => ({ time: x.timestamp, value: parseValue(x.value), labels: x.labels, series: one.seriesLabels })))
    .filter((x) => Number.isFinite(x.time) && Number.isFinite(x.value))
    .sort((a, b) => a.time - b.time);
}

/** At most `most`, spread over the time: of each moment the highest, which is looked for, and the middle one, which is usual. */
export function thinned(all: readonly Exemplar[], start: number, end: number, most: number): Exemplar[] {
  if (all.length <= most) return [...all];
  const moments = Math.floor(most / 2);
  const slots: Exemplar[][] = Array.from({ length: moments }, () => []);
  for (const x of all) {
    const at = Math.min(moments - 1, Math.max(0, Math.floor(((x.time - start) / Math.max(end - start, 1e-3)) * moments)));
    slots[at]!.push(x);
  }
  const kept = new Set(slots.flatMap((slot) => {
    slot.sort((a, b) => b.value - a.value);
    return slot.filter((_x, i) => i === 0 || i === slot.length >> 1);
  }));
  return all.filter((x) => kept.has(x));
}

const TRACE = /^trace[_-]?id$/i;

export function traceOf(labels: Labels): string | undefined {
  const name = Object.keys(labels).find((one) => TRACE.test(one));
  return name === undefined ? undefined : labels[name];
}

/** Are the query's values of the same kind as single events: a quantile or mean of what was observed? A rate or count is not. */
export function sameKind(expr: string): boolean {
  return /\bhistogram_(quantile|avg)\s*\(/.test(expr) || /_sum\b[^/]*\/[\s\S]*_count\b/.test(expr);
}
