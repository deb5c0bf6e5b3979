import { describe, expect, it } from 'vitest';
import { BACKGROUND, color, contrast, DASHES, hash, HUES, paintAll } from './colors';
import { csvCell, csvRows, pictureCsv } from './csv';
import { parseDuration, promDuration, showAge, showDuration } from './duration';
import { parseMoment, parseRange, showTime, validZone, zoneName, rfcTime } from './time';
import { guessUnit, plain, show, ticks, whole } from './units';

const NOW = Date.UTC(2026, 10, 21, 2, 55, 54) / 1000;

describe('durations', () => {
  it('reads what PromQL writes', () => {
    expect(parseDuration('5m')).toBe(300);
    expect(parseDuration('1h30m')).toBe(5400);
    expect(parseDuration('250ms')).toBe(0.25);
    expect(parseDuration('1d')).toBe(86400);
    expect(parseDuration('1.5h')).toBe(5400);
  });
  it('refuses what is none', () => {
    for (const text of ['', '5', 'm', '5 m', '-5m', '5x', '5m!']) expect(parseDuration(text)).toBeNaN();
  });
  it('writes exact PromQL', () => {
    expect(promDuration(5400)).toBe('1h30m');
    expect(promDuration(0.25)).toBe('250ms');
    expect(promDuration(86400)).toBe('1d');
    expect(promDuration(90061)).toBe('1d1h1m1s');
    expect(promDuration(0)).toBe('0s');
  });
  it('survives the round trip', () => {
    for (const s of [1, 59, 60, 61, 3599, 3600, 86399, 86400, 604800, 1234567, 31536000]) expect(parseDuration(promDuration(s))).toBe(s);
  });
  it('speaks to people', () => {
    expect(showDuration(0.0000123)).toBe('12.3 µs');
    expect(showDuration(0.0042)).toBe('4.2 ms');
    expect(showDuration(12.4)).toBe('12 s');
    expect(showDuration(200)).toBe('3 m 20 s');
    expect(showDuration(7260)).toBe('2 h 1 m');
    expect(showDuration(59.7)).toBe('1 m');
    expect(showDuration(3599.9)).toBe('1 h');
    expect(showDuration(187200)).toBe('2 d 4 h');
    expect(showDuration(-90)).toBe('−1 m 30 s');
    expect(showDuration(NaN)).toBe('–');
    expect(showAge(12.2)).toBe('12 s ago');
    expect(showAge(-5)).toBe('in 5 s');
    expect(showAge(0.2)).toBe('now');
  });
});

describe('moments', () => {
  it('reads relative ones', () => {
    expect(parseMoment('now', NOW, 'UTC')).toBe(NOW);
    expect(parseMoment('now-1h', NOW, 'UTC')).toBe(NOW - 3600);
    expect(parseMoment('-6h', NOW, 'UTC')).toBe(NOW - 21600);
    expect(parseMoment('now+5m', NOW, 'UTC')).toBe(NOW + 300);
  });
  it('reads days in the zone', () => {
    expect(parseMoment('today', NOW, 'UTC')).toBe(Date.UTC(2026, 10, 21) / 1000);
    expect(parseMoment('yesterday', NOW, 'UTC')).toBe(Date.UTC(2026, 10, 20) / 1000);
    // 02:55 UTC is still the 20th in New York.
    expect(parseMoment('today', NOW, 'America/New_York')).toBe(Date.UTC(2026, 10, 20, 5) / 1000);
  });
  it('reads absolute ones', () => {
    expect(parseMoment('2026-11-20 08:00', NOW, 'UTC')).toBe(Date.UTC(2026, 10, 20, 8) / 1000);
    expect(parseMoment('2026-11-20 08:00', NOW, 'Asia/Tokyo')).toBe(Date.UTC(2026, 10, 19, 23) / 1000);
    expect(parseMoment('2026-11-20T08:00:00Z', NOW, 'Asia/Tokyo')).toBe(Date.UTC(2026, 10, 20, 8) / 1000);
    expect(parseMoment('2026-11-20T08:00:00+02:00', NOW, 'UTC')).toBe(Date.UTC(2026, 10, 20, 6) / 1000);
    expect(parseMoment('1700000000', NOW, 'UTC')).toBe(1700000000);
    expect(parseMoment('1700000000123', NOW, 'UTC')).toBe(1700000000.123);
    expect(parseMoment('01:30', NOW, 'UTC')).toBe(Date.UTC(2026, 10, 21, 1, 30) / 1000);
  });
  it('handles the hour that summer time skips and repeats', () => {
    expect(parseMoment('2026-03-29 03:30', NOW, 'Europe/Berlin')).toBe(Date.UTC(2026, 2, 29, 1, 30) / 1000);
    expect(parseMoment('2026-10-25 04:00', NOW, 'Europe/Berlin')).toBe(Date.UTC(2026, 9, 25, 3) / 1000);
  });
  it('refuses nonsense', () => {
    for (const text of ['', 'soon', '2026-13-01', '2026-11-20 25:00', '25:00', '-6', 'now-', '12']) expect(parseMoment(text, NOW, 'UTC')).toBeNaN();
  });
});

describe('ranges', () => {
  it('reads typed forms', () => {
    expect(parseRange('-6h', NOW, 'UTC')).toEqual({ from: 'now-6h', to: 'now' });
    expect(parseRange('6h', NOW, 'UTC')).toEqual({ from: 'now-6h', to: 'now' });
    expect(parseRange('yesterday', NOW, 'UTC')).toEqual({ from: 'yesterday', to: 'today' });
    expect(parseRange('now-2h → now-1h', NOW, 'UTC')).toEqual({ from: 'now-2h', to: 'now-1h' });
    expect(parseRange('now-2h..now', NOW, 'UTC')).toEqual({ from: 'now-2h', to: 'now' });
    expect(parseRange('2026-11-20 08:00 to 2026-11-20 09:30', NOW, 'UTC')).toEqual({ from: '1795161600', to: '1795167000' });
    expect(parseRange('2026-11-20', NOW, 'UTC')).toEqual({ from: '1795132800', to: '1795219200' });
  });
  it('refuses what ends before it begins', () => {
    expect(parseRange('now → now-1h', NOW, 'UTC')).toBeUndefined();
    expect(parseRange('nonsense', NOW, 'UTC')).toBeUndefined();
    expect(parseRange('', NOW, 'UTC')).toBeUndefined();
  });
});

describe('zones', () => {
  it('prints a time with its zone', () => {
    expect(showTime(NOW, 'UTC')).toBe('2026-11-21 02:55:54');
    expect(showTime(NOW, 'Europe/Berlin')).toBe('2026-11-21 03:55:54');
    expect(zoneName(NOW, 'Asia/Kolkata')).toBe('UTC+5:30');
    expect(zoneName(NOW, 'America/St_Johns')).toBe('UTC−3:30');
    expect(zoneName(NOW, 'UTC')).toBe('UTC');
    expect(validZone('Mars/Olympus')).toBe(false);
    expect(rfcTime('0001-01-01T00:00:00Z')).toBeNaN();
    expect(rfcTime('2026-11-21T02:55:54.123456789Z')).toBeCloseTo(NOW + 0.123, 3);
  });
});

describe('units', () => {
  it('formats', () => {
    expect(show(1536, 'bytes')).toBe('1.5 KiB');
    expect(show(1048575.99, 'bytes')).toBe('1 MiB');
    expect(show(2.5e6, 'bits/s')).toBe('2.5 Mbit/s');
    expect(show(0.0123, 'ratio')).toBe('1.23 %');
    expect(show(0.00000111, 'ratio')).toBe('0.00011 %');
    expect(show(12041, 'count')).toBe('12.04 k');
    expect(show(1e22, 'count')).toBe('1e22');
    expect(show(2e22, 'bytes')).toBe('2e22 B');
    expect(show(0, 'bytes/s')).toBe('0 B/s');
    expect(show(-2048, 'bytes')).toBe('−2 KiB');
    expect(show(0.004, 'seconds')).toBe('4 ms');
    expect(show(Infinity, 'bytes')).toBe('+Inf');
    expect(show(NaN, 'count')).toBe('NaN');
    expect(whole(4312)).toBe('4,312');
    expect(plain(1e-7)).toBe('1e-7');
  });
  it('guesses by the customs of names', () => {
    expect(guessUnit('rate(node_disk_read_bytes_total[5m])')).toBe('bytes/s');
    expect(guessUnit('node_memory_MemFree_bytes')).toBe('bytes');
    expect(guessUnit('scrape_duration_seconds')).toBe('seconds');
    expect(guessUnit('rate(http_requests_total[5m])')).toBe('per second');
    expect(guessUnit('count(up)')).toBe('count');
    expect(guessUnit('a_bytes / b_bytes')).toBe('ratio');
    expect(guessUnit('100 * a_bytes / b_bytes')).toBe('percent');
    expect(guessUnit('rate(x_seconds_sum[5m]) / rate(x_seconds_count[5m])')).toBe('seconds');
    expect(guessUnit('up{path="/a/b"}')).toBe('count');
  });
  it('never has more than six ticks, and they cover the data', () => {
    for (const unit of ['count', 'bytes', 'seconds', 'ratio', 'bits/s'] as const) {
      for (const [low, high] of [[0, 1], [0, 0.003], [0, 7], [0, 123456], [-5, 5], [99, 101], [0, 5e9], [3, 3], [0, 0]]) {
        const all = ticks(low!, high!, unit);
        expect(all.length).toBeLessThanOrEqual(6);
        expect(all.length).toBeGreaterThan(1);
        expect(all[0]!).toBeLessThanOrEqual(low!);
        expect(all[all.length - 1]!).toBeGreaterThanOrEqual(high!);
      }
    }
    expect(ticks(0, 14e9, 'bytes')).toEqual([0, 4294967296, 8589934592, 12884901888, 17179869184]);
  });
});

describe('series colours', () => {
  it('are equal for equal label sets and do not change', () => {
    expect(hash('{"a":"b"}')).toBe(hash('{"a":"b"}'));
    expect(hash('build-7')).toBe(73524429);
    const one = paintAll(['x', 'y', 'z']), two = paintAll(['z', 'x', 'y']);
    for (const key of ['x', 'y', 'z']) expect(one.get(key)).toEqual(two.get(key));
  });
  it('differ within one chart while looks last', () => {
    const keys = Array.from({ length: 24 }, (_, i) => `series ${i}`);
    const looks = new Set([...paintAll(keys).values()].map((p) => `${p.hue}/${p.dash}`));
    expect(looks.size).toBe(HUES.light.length * DASHES.length);
    expect(paintAll(Array.from({ length: 500 }, (_, i) => `s${i}`)).size).toBe(500);
  });
  it('stand out from the background in both schemes', () => {
    for (const scheme of ['light', 'dark'] as const) {
      for (let hue = 0; hue < 8; hue++) expect(contrast(color({ hue, dash: 0 }, scheme), BACKGROUND[scheme])).toBeGreaterThan(3);
    }
  });
});

describe('CSV', () => {
  it('quotes and disarms', () => {
    expect(csvCell('plain')).toBe('plain');
    expect(csvCell('a,"b"\n')).toBe('"a,""b""\n"');
    expect(csvCell('=cmd|calc')).toBe('"\'=cmd|calc"');
    expect(csvCell('@x')).toBe('"\'@x"');
    expect(csvCell(null)).toBe('');
    expect(csvCell(-5)).toBe('-5');
    expect(csvRows([['a', 1], ['b', null]])).toBe('a,1\r\nb,\r\n');
  });
  it('writes a picture with its holes', () => {
    const line = { key: 'k', labels: { __name__: 'up', job: 'a' }, name: 'a', paint: { hue: 0, dash: 0 }, values: [1, null], last: null, min: 1, max: 1, avg: 1 };
    expect(pictureCsv({ times: [0, 60], step: 60, lines: [line], common: {}, sketches: [] })).toBe('time,"up{job=""a""}"\r\n1970-01-01T00:00:00.000Z,1\r\n1970-01-01T00:01:00.000Z,\r\n');
  });
});
