// The keyboard: single keys outside of text fields, `g` and a letter to go somewhere.
import { signal } from '@preact/signals';
import { refreshNow, shiftRange, zoomRange } from './frame';
import { PAGES } from './pages';
import { go, href } from './url';

export const paletteOpen = signal(false);
export const helpOpen = signal(false);
/** Where a query of before goes: the parameter of Explore, or '' while the list is closed. */
export const historyOpen = signal('');

function inText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const inner = target.shadowRoot?.activeElement;
  return target.isContentEditable || inner instanceof HTMLElement || target.matches('input:not([type=checkbox]):not([type=radio]),textarea,select');
}

let waiting = -Infinity;

export function handleKey(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    paletteOpen.value = !paletteOpen.value;
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (inText(event.target)) {
    if (event.key === 'Escape' && !event.defaultPrevented && event.target instanceof HTMLElement && !event.target.closest('dialog')) {
      (event.target.shadowRoot?.activeElement as HTMLElement | null)?.blur();
      event.target.blur();
    }
    return;
  }
  if (document.querySelector('dialog[open]')) return;
  if (performance.now() - waiting < 1500) {
    waiting = -Infinity;
    const page = PAGES.find((p) => p.key === event.key);
    if (page) {
      go(href(page.path));
      window.scrollTo(0, 0);
      event.preventDefault();
      return;
    }
  }
  const act = actions[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

const actions: Record<string, () => void> = {
  g: () => (waiting = performance.now()),
  '/': () => {
    const field = document.querySelector<HTMLInputElement>('main [data-search]');
    if (field) {
      (field.shadowRoot?.querySelector<HTMLElement>('[contenteditable]') ?? field).focus();
      field.select?.();
    } else paletteOpen.value = true;
  },
  '?': () => (helpOpen.value = true),
  '[': () => shiftRange(-0.5),
  ']': () => shiftRange(0.5),
  '+': () => zoomRange(0.5),
  '=': () => zoomRange(0.5),
  '-': () => zoomRange(2),
  r: () => refreshNow(),
  h: () => (historyOpen.value = 'g0.expr'),
};
