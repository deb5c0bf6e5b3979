// One chart: a uPlot under our tooltip. The page's charts share one crosshair (in time).
import { effect } from '@preact/signals';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { color, type Scheme } from '../model/colors';
import { crosshair, crosshairAway } from '../model/crosshair';
import { darkNow, zone } from '../model/frame';
import { stacked, type Line, type Picture } from '../model/series';
import { showTime, zoneName } from '../model/time';
import { show, type Unit } from '../model/units';
import type { Look } from '../model/look';
import { chartOptions } from './chart_options';
import type { Layer } from './layer';

const LISTED = 10;

interface Hover { index: number; left: number; top: number; value: number; told?: ComponentChildren }

export interface ChartProps {
  /** With the lines that are drawn. */
  shown: Picture;
  look: Look;
  /** What the chart is, for those who cannot see it. */
  label: string;
  layer?: Layer;
  only?: string;
  onOnly?: (key: string | undefined) => void;
  canvas?: (canvas: HTMLCanvasElement | undefined) => void;
}

function toData(times: number[], lines: Line[], stack: boolean): uPlot.AlignedData {
  if (lines.length === 0) return [times, times.map(() => null)];
  const values = stack ? stacked(lines, times.length)
    : lines.map((line) => line.values.map((v) => (v !== null && Number.isFinite(v) ? v : null)));
  return [times, ...values] as uPlot.AlignedData;
}

export function Chart({ shown: newest, look, label, layer, only, onOnly, canvas }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<Hover | undefined>(undefined);
  const [pressed, setPressed] = useState(false);
  const frozen = useRef(newest);
  // While a range is being dragged, the picture under it stands still.
  const shown = pressed ? frozen.current : (frozen.current = newest);
  const scheme: Scheme = darkNow.value ? 'dark' : 'light';
  const lines = shown.lines;
  const latest = useRef({ lines, layer, only, onOnly });
  latest.current = { lines, layer, only, onOnly };

  useLayoutEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    observer.observe(element);
    setWidth(Math.floor(element.clientWidth));
    return () => observer.disconnect();
  }, []);

  const shape = JSON.stringify([lines.map((l) => [l.key, l.name]), look, scheme, zone.value]);
  useLayoutEffect(() => {
    if (width < 40) return;
    const current = { ...shown, lines };
    const u = new uPlot(chartOptions(current, look, scheme, width, {
      hover: (self) => {
        const { idx, left, top } = self.cursor;
        // Only the chart under the pointer tells; the others show the crosshair.
        if (idx == null || left == null || top == null || left < 0 || !self.cursor.event) setHover(undefined);
        else {
          crosshair.value = { time: self.posToVal(left, 'x'), of: self };
          setHover({ index: idx, left: left + self.over.offsetLeft, top, value: self.posToVal(top, 'y'), told: latest.current.layer?.tip(self, left, top) });
        }
      },
      draw: (self) => latest.current.layer?.draw(self),
      isolate: (at) => {
        const { lines: drawn, only: one, onOnly: tell } = latest.current;
        if (one !== undefined) tell?.(undefined);
        else if (at >= 0) tell?.(drawn[at]?.key);
      },
    }), toData(shown.times, lines, !!look.stack), box.current!);
    u.over.addEventListener('mouseleave', () => {
      setHover(undefined);
      crosshairAway(u);
    });
    // Charts move each other's crosshair by themselves; this one follows pictures of other kinds.
    const unfollow = effect(() => {
      const at = crosshair.value;
      if (at?.of instanceof uPlot) return;
      const left = at ? u.valToPos(at.time, 'x') : -10;
      u.setCursor({ left: left >= 0 && left <= u.over.clientWidth ? left : -10, top: -10 }, false);
    });
    u.over.addEventListener('mousedown', () => {
      setPressed(true);
      addEventListener('mouseup', () => setPressed(false), { once: true }); // after uPlot's own, on the document
    });
    plot.current = u;
    canvas?.(u.ctx.canvas);
    return () => {
      unfollow();
      crosshairAway(u);
      u.destroy();
      plot.current = undefined;
      canvas?.(undefined);
    };
  }, [shape, width < 40]);

  useEffect(() => {
    plot.current?.setData(toData(shown.times, lines, !!look.stack));
  }, [shown]);

  useEffect(() => plot.current?.redraw(false), [layer]);

  useEffect(() => {
    if (width >= 40 && plot.current && plot.current.width !== width) plot.current.setSize({ width, height: look.height });
  }, [width]);

  const end = shown.times[shown.times.length - 1] ?? 0;
  return (
    <div class="chart" data-hold role="img" aria-label={`${label}: chart of ${lines.length} series until ${showTime(end, zone.value)}`}>
      <div ref={box} class="plot" style={{ height: `${look.height}px` }} />
      {hover && <Tip shown={shown} lines={lines} hover={hover} unit={look.unit} scheme={scheme} stack={!!look.stack} width={width} />}
    </div>
  );
}

function Tip({ shown, lines, hover, unit, scheme, stack, width }: {
  shown: Picture; lines: Line[]; hover: Hover; unit: Unit; scheme: Scheme; stack: boolean; width: number;
}) {
  const time = shown.times[hover.index];
  if (time === undefined) return null;
  const present = lines.filter((line) => line.values[hover.index] != null);
  const value = (line: Line) => line.values[hover.index]!;
  let listed = present;
  if (present.length > LISTED) {
    listed = stack
      ? [...present].sort((a, b) => value(b) - value(a)).slice(0, LISTED)
      : [...present].sort((a, b) => Math.abs(value(a) - hover.value) - Math.abs(value(b) - hover.value)).slice(0, LISTED);
  }
  listed = [...listed].sort((a, b) => value(b) - value(a));
  const more = present.length - listed.length;
  // Beside the pointer, on the side with more room, and never beyond the chart.
  const x = hover.left, right = x > width / 2;
  const at = { [right ? 'right' : 'left']: `${(right ? width - x : x) + 14}px`, maxWidth: `${Math.min(420, (right ? x : width - x) - 14)}px` };
  return (
    <div class="tip" style={{ ...at, top: '4px' }} aria-hidden="true">
      <div class="tip-time">{showTime(time, zone.value)} {zoneName(time, zone.value)}</div>
      {hover.told}
      {lines.length > 0 && present.length === 0 && <div class="dim">no sample here: a gap</div>}
      {listed.map((line) => (
        <div class="tip-row" key={line.key}>
          <Swatch line={line} scheme={scheme} /><span class="tip-name">{line.name}</span>
          <span class="num">{show(value(line), unit, 6)}</span>
        </div>
      ))}
      {more > 0 && <div class="dim">and {more} more, further away</div>}
    </div>
  );
}

/** The look of a line: its colour and its dashes. */
export function Swatch({ line, scheme }: { line: Line; scheme: Scheme }) {
  const dash = ['', '4 2', '1.5 2'][line.paint.dash];
  return (
    <svg class="swatch" width="14" height="8" viewBox="0 0 14 8" aria-hidden="true">
      <path d="M0 4h14" stroke={color(line.paint, scheme)} stroke-width="2.5" stroke-dasharray={dash || undefined} />
    </svg>
  );
}
