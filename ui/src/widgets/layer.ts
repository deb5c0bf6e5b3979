// What may be laid over a chart: it draws itself and tells what is under the pointer.
import type { ComponentChildren } from 'preact';
import type uPlot from 'uplot';

export interface Layer {
  draw: (u: uPlot) => void;
  /** What the tooltip says first, if the pointer is on something of this layer. */
  tip: (u: uPlot, left: number, top: number) => ComponentChildren | undefined;
}
