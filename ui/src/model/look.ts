// How a chart shall look: its unit, size, stacking and thresholds.
import type { Unit } from './units';

export interface Threshold { at: number; word: string; mood: 'pending' | 'firing' }

export interface Look {
  unit: Unit;
  height: number;
  stack?: boolean;
  thresholds?: Threshold[];
  /** Fewer ticks, no axis titles: a small multiple. */
  compact?: boolean;
  /** Fixed top of the axis, such as 1 for a share of a whole. */
  top?: number;
}
