// Numbers with units: what a chart's axis, a legend and a table print, and which ticks an axis has.
import { showDuration } from './duration';

export type Unit =
  | 'count' | 'short' | 'bytes' | 'bytes/s' | 'bits/s' | 'seconds' | 'percent' | 'ratio' | 'per second' | 'bool' | 'celsius' | 'time';

const SI = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const IEC = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Up to `digits` significant figures, never an exponent between 1e-4 and 1e15, no trailing zeros. */
export function plain(x: number, digits = 4): string {
  if (Number.isNaN(x)) return 'NaN';
  if (!Number.isFinite(x)) return x > 0 ? '+Inf' : '−Inf';
  if (x === 0) return '0';
  const abs = Math.abs(x);
  let text: string;
  if (abs >= 1e15 || abs < 1e-4) text = x.toPrecision(digits).replace(/\.?0+e/, 'e').replace('e+', 'e');
  else if (abs >= 10 ** digits) text = String(Math.round(x));
  else text = String(Number(x.toPrecision(digits)));
  return text.replace(/^-/, '−');
}

function scaled(x: number, base: number, names: string[], digits: number, gap: string): string {
  let power = 0;
  let y = Math.abs(x);
  while (y >= base * 0.99995 && power < names.length - 1) {
    y /= base;
    power++;
  }
  // Beyond the last name an exponent says more than a row of noughts.
  if (y >= base * 0.99995) return plain(x, digits) + (names[0] ? gap + names[0] : '');
  return plain(x < 0 ? -y : y, digits) + (names[power] ? gap + names[power] : '');
}

function si(x: number, digits: number): string {
  const abs = Math.abs(x);
  if (abs !== 0 && abs < 1e-4) return plain(x, digits);
  return scaled(x, 1000, SI, digits, ' ');
}

export function show(x: number, unit: Unit, digits = 4): string {
  if (!Number.isFinite(x)) return plain(x);
  switch (unit) {
    case 'bytes': return scaled(x, 1024, IEC, digits, ' ');
    case 'bytes/s': return scaled(x, 1024, IEC, digits, ' ') + '/s';
    case 'bits/s': return scaled(x, 1000, SI.map((s) => `${s}bit/s`), digits, ' ');
    case 'seconds': return showDuration(x);
    case 'percent': return `${share(x, digits)} %`;
    case 'ratio': return `${share(x * 100, digits)} %`;
    case 'per second': return `${si(x, digits)}/s`;
    case 'bool': return x === 1 ? '1 (yes)' : x === 0 ? '0 (no)' : plain(x);
    case 'celsius': return `${plain(x, digits)} °C`;
    case 'time': return new Date(x * 1000).toISOString().replace('T', ' ').slice(0, 19) + ' UTC';
    default: return si(x, digits);
  }
}

/** Percent: what is below a tenth needs no more than two figures. */
function share(x: number, digits: number): string {
  return plain(x, Math.abs(x) < 0.1 ? Math.min(2, digits) : digits);
}

/** Whole counts with grouped: "4,312". */
export function whole(x: number): string {
  return plain(Math.round(x), 15).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** The unit that a query's result most likely has, by the customs of metric names. */
export function guessUnit(query: string): Unit {
  const rate = /\b(rate|irate|deriv)\s*\(/.test(query);
  if (/^\s*(count|count_values|group)\b/.test(query) || /\bchanges\s*\(|\bresets\s*\(/.test(query)) return 'count';
  if (/\b(time|timestamp)\s*\(/.test(query)) return 'seconds';
  const bare = query.replace(/"[^"]*"/g, '""');
  if (/[)\w}\]]\s*\/\s*[(\w]/.test(bare)) return guessQuotient(bare);
  if (/_timestamp_seconds\b|_time_seconds\b(?!_total)/.test(query) && /(boot|start|timestamp)/.test(query) && !rate) return 'time';
  if (/_bytes(_total)?\b/.test(query)) return rate ? 'bytes/s' : 'bytes';
  if (/_ratio\b/.test(query)) return 'ratio';
  if (/_percent\b/.test(query)) return 'percent';
  if (/_celsius\b/.test(query)) return 'celsius';
  if (/_seconds(_total|_sum)?\b/.test(query)) return rate && /_total\b/.test(query) ? 'count' : 'seconds';
  if (/histogram_quantile|_seconds_bucket/.test(query)) return 'seconds';
  return rate ? 'per second' : 'count';
}

/** A part of a whole of the same kind is a share; seconds by count are seconds; else just a number. */
function guessQuotient(query: string): Unit {
  if (/\*\s*100\b|\b100\s*\*/.test(query)) return 'percent';
  if (/_seconds_sum\b/.test(query) && /_seconds_count\b/.test(query)) return 'seconds';
  const kinds = new Set([...query.matchAll(/_(bytes|seconds|total|count)(?:_total)?\b/g)].map((found) => found[1]));
  return kinds.size === 1 && !/\/\s*\d/.test(query) ? 'ratio' : 'count';
}

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

function stepFor(rough: number, unit: Unit): number {
  if (unit === 'seconds' && rough >= 1) {
    const found = TIME_STEPS.find((s) => s >= rough);
    if (found) return found;
  }
  if ((unit === 'bytes' || unit === 'bytes/s') && rough >= 1) {
    return 2 ** Math.ceil(Math.log2(rough) - 1e-9);
  }
  const power = 10 ** Math.floor(Math.log10(rough) + 1e-9);
  const lead = rough / power;
  return power * (lead <= 1.0001 ? 1 : lead <= 2.0001 ? 2 : lead <= 2.5001 && power >= 10 ? 2.5 : lead <= 5.0001 ? 5 : 10);
}

/** At most `most` ticks that cover [low, high]; both ends of the result are ticks. */
export function ticks(low: number, high: number, unit: Unit, most = 6): number[] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  if (low === high) {
    if (low === 0) return unit === 'ratio' ? [0, 0.5, 1] : [0, 1];
    const room = Math.abs(low) * 0.1;
    low -= room;
    high += room;
  }
  let step = stepFor((high - low) / (most - 1), unit);
  if ((unit === 'count' || unit === 'bool') && low >= 0 && high - low >= most && step < 1) step = 1;
  for (;;) {
    const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
    if (last - first + 1 <= most) {
      const out: number[] = [];
      for (let i = first; i <= last; i++) out.push(Number((i * step).toPrecision(12)));
      return out;
    }
    step = stepFor(step * 1.01, unit);
  }
}

/** Does an axis of this unit start at zero? Rates and amounts do; times of day and temperatures do not. */
export function zeroBased(unit: Unit): boolean {
  return unit !== 'celsius' && unit !== 'time';
}
