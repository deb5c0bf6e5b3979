// The colours of series. One label set has one colour on every panel and after every reload: the
// hash of its labels chooses among eight hues and then three dashes. Both palettes keep at least 3:1
// against their background and differ in lightness, so that colour-blind eyes tell them apart.

export type Scheme = 'light' | 'dark';

export const BACKGROUND: Record<Scheme, string> = { light: '#ffffff', dark: '#14181e' };

export const HUES: Record<Scheme, readonly string[]> = {
  light: ['#1f6bc4', '#c2570c', '#0f7f6b', '#a8328f', '#8a6a00', '#5a48c2', '#c22f4a', '#55626f'],
  dark: ['#62a5f4', '#f0934a', '#3cc2a4', '#e07fd0', '#d9b53a', '#a596f5', '#f27a8c', '#a3b0bf'],
};

export const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 3]];

/** FNV-1a, 32 bits. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 0x01000193);
  }
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  return h >>> 0;
}

export interface Paint { hue: number; dash: number }

/**
 * Paints for the keys of one chart. The hash proposes; where two series of one chart would look the
 * same, the later key in sorted order takes the next free look, so the outcome depends on the set only.
 */
export function paintAll(keys: readonly string[]): Map<string, Paint> {
  const looks = HUES.light.length * DASHES.length;
  const taken = new Set<number>();
  const out = new Map<string, Paint>();
  for (const key of [...keys].sort()) {
    const hue = hash(key) % HUES.light.length;
    let look = hue;
    if (taken.size < looks) {
      for (let i = 0; taken.has(look); i++) {
        // Other hues without dashes first, then the same round with dashes.
        const round = Math.floor((i + 1) / HUES.light.length);
        look = ((hue + i + 1) % HUES.light.length) + (round % DASHES.length) * HUES.light.length;
      }
    }
    taken.add(look);
    out.set(key, { hue: look % HUES.light.length, dash: Math.floor(look / HUES.light.length) });
  }
  return out;
}

export function color(paint: Paint, scheme: Scheme): string {
  return HUES[scheme][paint.hue]!;
}

function luminance(hex: string): number {
  const part = (at: number) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
}

/** WCAG contrast of two #rrggbb colours. */
export function contrast(a: string, b: string): number {
  const x = luminance(a), y = luminance(b);
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}
