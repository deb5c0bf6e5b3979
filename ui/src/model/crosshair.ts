// The moment under the pointer, which all pictures of a page share.
import { signal } from '@preact/signals';

/** `of` is the picture that the pointer is on; the others show a line at that time. */
export const crosshair = signal<{ time: number; of: unknown } | undefined>(undefined);

/** Of `of` alone: what another picture has told since stays. */
export function crosshairAway(of: unknown): void {
  if (crosshair.peek()?.of === of) crosshair.value = undefined;
}
