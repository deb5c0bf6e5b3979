// What the whole frame shares: range, zone, refresh, scheme, the clock and the refresh beat.
// Range, zone and refresh stand in the address; habits (zone, refresh, scheme, folded rail) are also
// remembered in this browser and are used where the address says nothing.
import { computed, effect, signal } from '@preact/signals';
import { parseDuration } from './duration';
import { localZone, parseMoment, validZone, type RangeText } from './time';
import { params, setParams } from './url';

function remembered(key: string): string {
  try {
    return localStorage.getItem(`tidemark.${key}`) ?? '';
  } catch {
    return '';
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`tidemark.${key}`, value);
  } catch {
    // A browser that keeps nothing still works; it only forgets.
  }
}

export const REFRESHES = ['off', '5s', '15s', '30s', '1m', '5m'];
export const QUICK: [string, RangeText][] = [
  ['last 5 m', { from: 'now-5m', to: 'now' }], ['last 15 m', { from: 'now-15m', to: 'now' }],
  ['last 1 h', { from: 'now-1h', to: 'now' }], ['last 3 h', { from: 'now-3h', to: 'now' }],
  ['last 6 h', { from: 'now-6h', to: 'now' }], ['last 12 h', { from: 'now-12h', to: 'now' }],
  ['last 1 d', { from: 'now-1d', to: 'now' }], ['last 2 d', { from: 'now-2d', to: 'now' }],
  ['last 7 d', { from: 'now-7d', to: 'now' }], ['last 30 d', { from: 'now-30d', to: 'now' }],
  ['today', { from: 'today', to: 'now' }], ['yesterday', { from: 'yesterday', to: 'today' }],
];

export const clock = signal(Date.now() / 1000);
/** Goes up by one at each refresh; what loads live data depends on it. */
export const beat = signal(0);
/** Why the refresh waits, in a word, or ''. */
export const held = signal('');

const storedZone = signal(remembered('zone'));
const storedRefresh = signal(remembered('refresh'));
export const scheme = signal<'system' | 'light' | 'dark'>(
  (['light', 'dark'] as const).find((s) => s === remembered('scheme')) ?? 'system');
const systemDark = signal(false);
export const darkNow = computed(() => (scheme.value === 'system' ? systemDark.value : scheme.value === 'dark'));
export const railFolded = signal(remembered('rail') === 'folded');

export const zone = computed(() => {
  const asked = params.value.get('tz') || storedZone.value || 'local';
  return validZone(asked) ? asked : 'UTC';
});
export const refresh = computed(() => {
  const asked = params.value.get('refresh') || storedRefresh.value || '15s';
  return asked === 'off' || parseDuration(asked) >= 1 ? asked : '15s';
});
export const rangeText = computed<RangeText>(() => ({
  from: params.value.get('from') || 'now-1h',
  to: params.value.get('to') || 'now',
}));

export interface Span { start: number; end: number }

/** The range in seconds, resolved anew at each beat. */
export const span = computed<Span>(() => {
  void beat.value;
  const now = Date.now() / 1000;
  const { from, to } = rangeText.value;
  const start = parseMoment(from, now, zone.value), end = parseMoment(to, now, zone.value);
  return start < end ? { start, end } : { start: now - 3600, end: now };
});

const NARROWEST = 10;
const zooms: [before: RangeText, after: RangeText][] = [];

/** A zoom by hand; a double click on a chart leads back. */
export function zoomTo(start: number, end: number): void {
  const before = rangeText.peek(), half = Math.max(end - start, NARROWEST) / 2, middle = (start + end) / 2;
  if (!Number.isFinite(middle)) return;
  setAbsolute(middle - half, middle + half);
  zooms.push([before, rangeText.peek()]);
  if (zooms.length > 50) zooms.shift();
}

/** Before the zoom that made this very range; a range that came otherwise becomes twice as long. */
export function zoomBack(): void {
  const { from, to } = rangeText.peek();
  for (let zoom; (zoom = zooms.pop());) if (zoom[1].from === from && zoom[1].to === to) return setRange(zoom[0]);
  zoomRange(2);
}

export function setRange(range: RangeText): void {
  const usual = range.from === 'now-1h' && range.to === 'now';
  setParams({ from: usual ? undefined : range.from, to: usual ? undefined : range.to });
}

export function setAbsolute(start: number, end: number): void {
  const digits = end - start < 60 ? 3 : 0;
  setRange({ from: start.toFixed(digits), to: end.toFixed(digits) });
}

/** Moves the range by a part of its length; moving past now means following now. */
export function shiftRange(part: number): void {
  const { start, end } = span.peek();
  const by = (end - start) * part;
  setAbsolute(start + by, end + by);
}

export function zoomRange(factor: number): void {
  const { start, end } = span.peek();
  const width = Math.min(Math.max((end - start) * factor, NARROWEST), 10 * 366 * 86400);
  if (rangeText.peek().to === 'now') setRange({ from: `now-${Math.round(width)}s`, to: 'now' });
  else setAbsolute((start + end - width) / 2, (start + end + width) / 2);
}

export function setZone(value: string): void {
  remember('zone', value);
  storedZone.value = value;
  setParams({ tz: value === 'local' ? undefined : value }, 'replace');
}

export function setRefresh(value: string): void {
  remember('refresh', value);
  storedRefresh.value = value;
  setParams({ refresh: value === '15s' ? undefined : value }, 'replace');
}

export function setScheme(value: 'system' | 'light' | 'dark'): void {
  remember('scheme', value);
  scheme.value = value;
}

export function foldRail(folded: boolean): void {
  remember('rail', folded ? 'folded' : 'open');
  railFolded.value = folded;
}

/** The address that shows somebody else this very picture: absolute times, a named zone. */
export function shareLink(): string {
  const { start, end } = span.peek();
  const to = new URL(location.href);
  to.searchParams.set('from', String(Math.round(start)));
  to.searchParams.set('to', String(Math.round(end)));
  to.searchParams.set('tz', zone.peek() === 'local' ? localZone() : zone.peek());
  to.searchParams.set('refresh', 'off');
  return to.toString();
}

export function refreshNow(): void {
  beat.value++;
}

let pointerOver: Element | null = null;
let pointerMoved = 0;

/** The word for why live data should not change under the person now. */
function whyHeld(): string {
  if (document.visibilityState === 'hidden') return 'hidden';
  const active = document.activeElement;
  const typing = active instanceof HTMLElement &&
    (active.matches('input:not([type=checkbox]),textarea,select') || active.shadowRoot?.activeElement != null);
  if (typing) return 'editing';
  if (document.querySelector('dialog[open]')) return 'editing';
  if (pointerOver?.isConnected && Date.now() - pointerMoved < 8000) return 'pointer';
  return '';
}

export function startFrame(): void {
  setParams({
    tz: params.peek().get('tz') ?? (zone.peek() === 'local' ? undefined : zone.peek()),
    refresh: params.peek().get('refresh') ?? (refresh.peek() === '15s' ? undefined : refresh.peek()),
  }, 'replace');
  const dark = matchMedia('(prefers-color-scheme: dark)');
  systemDark.value = dark.matches;
  dark.addEventListener('change', () => (systemDark.value = dark.matches));
  effect(() => {
    document.documentElement.dataset.scheme = darkNow.value ? 'dark' : 'light';
  });
  document.addEventListener('pointermove', (event) => {
    pointerMoved = Date.now();
    pointerOver = event.pointerType === 'mouse' ? (event.target as Element | null)?.closest?.('[data-hold]') ?? null : null;
  }, { passive: true });
  document.addEventListener('pointerleave', () => (pointerOver = null));
  let last = Date.now();
  setInterval(() => {
    if (document.visibilityState === 'hidden') return;
    clock.value = Date.now() / 1000;
    const every = refresh.peek() === 'off' ? Infinity : parseDuration(refresh.peek()) * 1000;
    if (Date.now() - last < every - 50) return;
    const why = whyHeld();
    held.value = why;
    if (why) return;
    last = Date.now();
    beat.value++;
  }, 1000);
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') clock.value = Date.now() / 1000;
  });
}
