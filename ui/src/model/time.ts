// Moments and ranges as people type them, and times as the pages print them in a zone.
// A zone is 'UTC', 'local' or a name of the time-zone database. The clock is 24 hours, always.
import { parseDuration, promDuration } from './duration';

interface Wall { year: number; month: number; day: number; hour: number; minute: number; second: number }

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string): Intl.DateTimeFormat {
  let made = formats.get(zone);
  if (!made) {
    made = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone === 'local' ? undefined : zone,
      hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit',
      hour: '2-digit', minute: '2-digit', second: '2-digit',
    });
    formats.set(zone, made);
  }
  return made;
}

export function validZone(zone: string): boolean {
  if (zone === 'local' || zone === 'UTC') return true;
  try {
    format(zone);
    return true;
  } catch {
    return false;
  }
}

export function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

export function wall(time: number, zone: string): Wall {
  const out: Record<string, number> = {};
  for (const part of format(zone).formatToParts(new Date(time * 1000))) {
    if (part.type !== 'literal') out[part.type] = Number(part.value);
  }
  return out as unknown as Wall;
}

/** Seconds east of UTC at that moment. */
export function zoneOffset(time: number, zone: string): number {
  if (zone === 'UTC') return 0;
  const w = wall(time, zone);
  return Date.UTC(w.year, w.month - 1, w.day, w.hour, w.minute, w.second) / 1000 - Math.floor(time);
}

function fromWall(w: Wall, zone: string): number {
  const asUtc = Date.UTC(w.year, w.month - 1, w.day, w.hour, w.minute, w.second) / 1000;
  const first = asUtc - zoneOffset(asUtc, zone);
  return asUtc - zoneOffset(first, zone);
}

function dayStart(now: number, zone: string, back: number): number {
  const w = wall(now, zone);
  return fromWall({ ...w, day: w.day - back, hour: 0, minute: 0, second: 0 }, zone);
}

/** One moment in seconds, or NaN: now, now-1h, -6h, today, yesterday, 2026-11-21 02:55, unix time. */
export function parseMoment(text: string, now: number, zone: string): number {
  const t = text.trim().toLowerCase();
  if (t === 'now' || t === '') return t === 'now' ? now : NaN;
  if (t === 'today') return dayStart(now, zone, 0);
  if (t === 'yesterday') return dayStart(now, zone, 1);
  const relative = /^(?:now)?\s*([-+])\s*(\S+)$/.exec(t);
  if (relative) {
    const seconds = parseDuration(relative[2]!);
    return relative[1] === '-' ? now - seconds : now + seconds;
  }
  if (/^\d{9,11}(\.\d+)?$/.test(t)) return Number(t);
  if (/^\d{12,14}$/.test(t)) return Number(t) / 1000;
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(t);
  if (clock) {
    const hour = Number(clock[1]), minute = Number(clock[2]), second = Number(clock[3] ?? 0);
    if (hour > 23 || minute > 59 || second > 59) return NaN;
    return fromWall({ ...wall(now, zone), hour, minute, second }, zone);
  }
  const date = /^(\d{4})-(\d{2})-(\d{2})(?:[t ](\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?)?\s*(z|[-+]\d{2}:?\d{2})?$/.exec(t);
  if (!date) return NaN;
  const w: Wall = {
    year: Number(date[1]), month: Number(date[2]), day: Number(date[3]),
    hour: Number(date[4] ?? 0), minute: Number(date[5] ?? 0), second: Number(date[6] ?? 0),
  };
  if (w.month < 1 || w.month > 12 || w.day < 1 || w.day > 31 || w.hour > 23 || w.minute > 59 || w.second > 59) return NaN;
  const part = Number(date[7] ?? 0);
  if (!date[8]) return fromWall(w, zone) + part;
  const utc = fromWall(w, 'UTC') + part;
  if (date[8] === 'z') return utc;
  const shift = Number(date[8].slice(1, 3)) * 3600 + Number(date[8].slice(-2)) * 60;
  return date[8][0] === '-' ? utc + shift : utc - shift;
}

export interface RangeText { from: string; to: string }

/** A typed range: "-6h", "6h", "yesterday", "now-2h → now-1h", "2026-11-20 to 2026-11-21". */
export function parseRange(text: string, now: number, zone: string): RangeText | undefined {
  const t = text.trim();
  const halves = t.split(/\s*(?:→|\.\.|\s+to\s+|\s+-\s+|,)\s*/i);
  let from: string, to: string;
  if (halves.length === 2) {
    from = halves[0]!;
    to = halves[1]!;
  } else if (halves.length !== 1) {
    return undefined;
  } else if (/^yesterday$/i.test(t)) {
    from = 'yesterday';
    to = 'today';
  } else if (/^\d{4}-\d{2}-\d{2}$/.test(t)) {
    const start = parseMoment(t, now, zone);
    from = t;
    to = String(dayStart(start, zone, -1));
  } else {
    from = Number.isNaN(parseDuration(t)) ? t : `now-${t}`;
    to = 'now';
  }
  from = tidyMoment(from, now, zone);
  to = tidyMoment(to, now, zone);
  const a = parseMoment(from, now, zone), b = parseMoment(to, now, zone);
  return a < b ? { from, to } : undefined;
}

/** What stands in the address: relative words stay, anything absolute becomes unix seconds. */
function tidyMoment(text: string, now: number, zone: string): string {
  const t = text.trim().toLowerCase();
  if (['now', 'today', 'yesterday'].includes(t)) return t;
  const relative = /^(?:now)?\s*([-+])\s*(\S+)$/.exec(t);
  if (relative && !Number.isNaN(parseDuration(relative[2]!))) {
    return `now${relative[1]}${promDuration(parseDuration(relative[2]!))}`;
  }
  const time = parseMoment(t, now, zone);
  return Number.isNaN(time) ? t : String(Math.round(time * 1000) / 1000);
}

const two = (n: number) => String(n).padStart(2, '0');

export function showDate(time: number, zone: string): string {
  const w = wall(time, zone);
  return `${w.year}-${two(w.month)}-${two(w.day)}`;
}

export function showClock(time: number, zone: string, seconds = true): string {
  const w = wall(time, zone);
  return `${two(w.hour)}:${two(w.minute)}` + (seconds ? `:${two(w.second)}` : '');
}

export function showTime(time: number, zone: string): string {
  return `${showDate(time, zone)} ${showClock(time, zone)}`;
}

/** "UTC", "UTC+1", "UTC−3:30": printed beside times. */
export function zoneName(time: number, zone: string): string {
  const minutes = Math.round(zoneOffset(time, zone) / 60);
  if (minutes === 0) return 'UTC';
  const abs = Math.abs(minutes);
  const rest = abs % 60 ? `:${two(abs % 60)}` : '';
  return `UTC${minutes < 0 ? '−' : '+'}${Math.floor(abs / 60)}${rest}`;
}

/** RFC 3339 to seconds; upstream's zero time and nonsense become NaN. */
export function rfcTime(text: string | undefined): number {
  if (!text || text.startsWith('0001-')) return NaN;
  return Date.parse(text) / 1000;
}
