// A range query's answer becomes lines on one time grid. A missing sample stays a hole (null): it is
// never bridged and never a zero. NaN and infinities are kept for reading and not drawn.
import type { HistogramValue, Labels, MatrixItem } from '../api_types';
import { paintAll, type Paint } from './colors';
import type { Sketch } from './sketch';
import { commonLabels, fillLegend, labelKey, seriesName } from './labels';

export interface Line {
  key: string;
  labels: Labels;
  name: string;
  paint: Paint;
  values: (number | null)[];
  last: number | null;
  min: number | null;
  max: number | null;
  avg: number | null;
}

export interface Picture {
  times: number[];
  step: number;
  lines: Line[];
  /** Labels that all lines share; they stand once, in the title. */
  common: Labels;
  /** Native histograms of the answer, on the same grid. */
  sketches: Sketch[];
}

export function parseValue(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return Number(text);
}

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800,
];

/** A step from a fixed list, about one sample per 3 px, at most 1,000 samples a line. */
export function chooseStep(seconds: number, width: number): number {
  const most = Math.min(Math.max(Math.floor(width / 3), 60), 1000);
  return STEPS.find((step) => seconds / step <= most) ?? Math.ceil(seconds / most / 604800) * 604800;
}

/** The grid that a query is asked on: multiples of the step, so that a refresh keeps old points in place. */
export function alignSpan(start: number, end: number, step: number): { start: number; end: number } {
  return { start: Math.floor(start / step) * step, end: Math.floor(end / step) * step };
}

export function gridTimes(start: number, end: number, step: number): number[] {
  const count = Math.min(Math.floor((end - start) / step + 1e-6) + 1, 12000);
  return Array.from({ length: Math.max(count, 1) }, (_, i) => start + i * step);
}

function stats(values: readonly (number | null)[]): Pick<Line, 'last' | 'min' | 'max' | 'avg'> {
  let min: number | null = null, max: number | null = null, sum = 0, count = 0;
  for (const v of values) {
    if (v === null || Number.isNaN(v)) continue;
    if (min === null || v < min) min = v;
    if (max === null || v > max) max = v;
    sum += v;
    count++;
  }
  return { last: values[values.length - 1] ?? null, min, max, avg: count ? sum / count : null };
}

function onGrid(item: MatrixItem, start: number, step: number, count: number): (number | null)[] {
  const out = new Array<number | null>(count).fill(null);
  for (const [time, text] of item.values ?? []) {
    const at = Math.round((time - start) / step);
    if (at >= 0 && at < count) out[at] = parseValue(text);
  }
  return out;
}

function sketchGrid(item: MatrixItem, start: number, step: number, count: number): (HistogramValue | null)[] {
  const out = new Array<HistogramValue | null>(count).fill(null);
  for (const [time, value] of item.histograms ?? []) {
    const at = Math.round((time - start) / step);
    if (at >= 0 && at < count) out[at] = value;
  }
  return out;
}

export interface Part { items: MatrixItem[]; legend?: string; order?: string[] }

/** Joins the answers of a panel's queries (each with its legend template) into one picture. */
export function picture(parts: readonly Part[], start: number, end: number, step: number): Picture {
  const times = gridTimes(start, end, step);
  const common = parts.length === 1 && !parts[0]!.legend ? commonLabels(parts[0]!.items.map((item) => item.metric)) : {};
  const lines: Line[] = [];
  const sketches: Sketch[] = [];
  const seen = new Map<string, number>();
  parts.forEach((part) => {
    const rank = (item: MatrixItem) => (part.order!.indexOf(fillLegend(part.legend ?? '', item.metric)) + 1) || part.order!.length + 1;
    const items = part.order ? [...part.items].sort((a, b) => rank(a) - rank(b)) : part.items;
    for (const item of items) {
      const name = part.legend ? fillLegend(part.legend, item.metric) : seriesName(item.metric, common);
      if (item.histograms) {
        sketches.push({ labels: item.metric, name, points: sketchGrid(item, start, step, times.length) });
        if (!item.values?.length) continue;
      }
      const { __name__: _metric, ...rest } = item.metric;
      let key = part.legend ? name : Object.keys(rest).length ? labelKey(rest) : labelKey(item.metric);
      const before = seen.get(key) ?? 0;
      seen.set(key, before + 1);
      if (before) key += `#${before}`;
      const values = onGrid(item, start, step, times.length);
      lines.push({ key, labels: item.metric, name, values, paint: { hue: 0, dash: 0 }, ...stats(values) });
    }
  });
  const paints = paintAll(lines.map((line) => line.key));
  for (const line of lines) line.paint = paints.get(line.key)!;
  // A lone line with a name of ours needs no hue of its own.
  if (lines.length === 1 && parts.some((part) => part.legend)) lines[0]!.paint = { hue: 0, dash: 0 };
  return { times, step, lines, common, sketches };
}

/** By what lines are chosen when there are too many. */
export type Rank = 'last' | 'max' | 'avg';

/** The lines to draw when there are too many: the highest by `by` after the first `skip`, in their old order. */
export function strongest(lines: readonly Line[], most: number, by: Rank = 'max', skip = 0): Line[] {
  if (lines.length <= most) return [...lines];
  const value = (line: Line) => (line[by] === null || Number.isNaN(line[by]) ? -Infinity : line[by]!);
  const order = (a: number, b: number) => (a === b ? 0 : b - a); // two infinities are equal
  const kept = new Set([...lines].sort((a, b) => order(value(a), value(b))).slice(skip, skip + most));
  return lines.filter((line) => kept.has(line));
}

/** Sums from the first line up, for a stacked area. A hole in one line adds nothing; a column of holes stays one. */
export function stacked(lines: readonly Line[], count: number): (number | null)[][] {
  const sum = new Array<number>(count).fill(0);
  const any = new Array<boolean>(count).fill(false);
  return lines.map((line) => line.values.map((v, i) => {
    if (v !== null && Number.isFinite(v)) {
      sum[i]! += v;
      any[i] = true;
    }
    return any[i] && v !== null ? sum[i]! : null;
  }));
}

export interface Run { from: number; to: number; value: number | null }

/** Equal neighbours joined: a strip of states as few pieces. `to` is exclusive. */
export function runs(values: readonly (number | null)[]): Run[] {
  const out: Run[] = [];
  values.forEach((value, i) => {
    const last = out[out.length - 1];
    if (last && last.value === value) last.to = i + 1;
    else out.push({ from: i, to: i + 1, value });
  });
  return out;
}
