// Durations as people and PromQL write them ("5m", "1h30m", "250ms") and as the pages show them.

const UNITS: [string, number][] = [
  ['y', 31536000], ['w', 604800], ['d', 86400], ['h', 3600], ['m', 60], ['s', 1], ['ms', 0.001],
];

/** Seconds, or NaN if the text is no duration. */
export function parseDuration(text: string): number {
  const clean = text.trim();
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[ywdhms]))+$/.test(clean)) return NaN;
  let sum = 0;
  for (const [, count, unit] of clean.matchAll(/(\d+(?:\.\d+)?)(ms|[ywdhms])/g)) {
    sum += Number(count) * (UNITS.find(([name]) => name === unit)?.[1] ?? NaN);
  }
  return sum;
}

/** PromQL's form: exact, no spaces ("1h30m"). */
export function promDuration(seconds: number): string {
  let left = Math.round(seconds * 1000);
  if (left <= 0) return '0s';
  let out = '';
  for (const [unit, size] of UNITS) {
    const ms = Math.round(size * 1000);
    if (unit === 'y' || unit === 'w') {
      if (left % ms !== 0) continue;
    }
    const count = Math.floor(left / ms);
    if (count > 0) {
      out += `${count}${unit}`;
      left -= count * ms;
    }
  }
  return out;
}

/** For people: at most two parts, the second only while it matters ("3 m 20 s", "2 d 4 h", "12 s"). */
export function showDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const sign = seconds < 0 ? '−' : '';
  const s = Math.abs(seconds);
  if (s === 0) return '0 s';
  if (s < 0.001) return `${sign}${round3(s * 1e6)} µs`;
  if (s < 1) return `${sign}${round3(s * 1e3)} ms`;
  if (s < 10) return `${sign}${round3(s)} s`;
  if (s < 59.5) return `${sign}${Math.round(s)} s`;
  if (s < 3599.5) return sign + two(Math.round(s), 60, 'm', 1, 's', 600);
  if (s < 86370) return sign + two(Math.round(s / 60) * 60, 3600, 'h', 60, 'm', 86400);
  if (s < 31536000) return sign + two(Math.round(s / 3600) * 3600, 86400, 'd', 3600, 'h', 864000);
  return sign + two(Math.round(s / 86400) * 86400, 31536000, 'y', 86400, 'd', Infinity);
}

function two(s: number, big: number, bigName: string, small: number, smallName: string, until: number): string {
  const first = Math.floor(s / big);
  const second = Math.floor((s - first * big) / small);
  return second > 0 && s < until ? `${first} ${bigName} ${second} ${smallName}` : `${first} ${bigName}`;
}

export function round3(x: number): string {
  return String(Number(x.toPrecision(3)));
}

/** "12 s ago", "in 5 s", "now". */
export function showAge(seconds: number): string {
  const whole = Math.round(seconds);
  if (Math.abs(whole) < 1) return 'now';
  return whole > 0 ? `${showDuration(whole)} ago` : `in ${showDuration(-whole)}`;
}
