// A native histogram over time: a column for each step, a row for each bucket, the count as intensity.
// A column without a sample stays empty.
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { HUES } from '../model/colors';
import { darkNow, zone } from '../model/frame';
import { heatCells, type Sketch } from '../model/sketch';
import { showClock, showTime, zoneName } from '../model/time';
import { plain, show, type Unit } from '../model/units';

const LEFT = 68, BOTTOM = 22, TOP = 4, HEIGHT = 220;

export interface HeatMapProps { sketch: Sketch; times: number[]; unit: Unit; width: number }

export function HeatMap({ sketch, times, unit, width }: HeatMapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const cells = useMemo(() => heatCells(sketch.points), [sketch]);
  const [hover, setHover] = useState<{ row: number; column: number; left: number } | undefined>(undefined);
  const dark = darkNow.value, z = zone.value;
  const inner = Math.max(1, width - LEFT - 8), high = HEIGHT - TOP - BOTTOM;
  const rows = Math.max(1, cells.rows.length), columns = Math.max(1, times.length);
  useLayoutEffect(() => {
    const ctx = canvas.current?.getContext('2d');
    if (!ctx) return;
    const ratio = devicePixelRatio || 1;
    canvas.current!.width = width * ratio;
    canvas.current!.height = HEIGHT * ratio;
    ctx.scale(ratio, ratio);
    ctx.clearRect(0, 0, width, HEIGHT);
    ctx.fillStyle = HUES[dark ? 'dark' : 'light'][0]!;
    cells.counts.forEach((row, r) => row.forEach((count, c) => {
      if (!count) return;
      // The square root lets thin tails be seen beside a heavy middle.
      ctx.globalAlpha = 0.08 + 0.92 * Math.sqrt(count / cells.most);
      const x = Math.round(LEFT + (c / columns) * inner), y = Math.round(TOP + high - ((r + 1) / rows) * high);
      ctx.fillRect(x, y, Math.max(1, Math.round(LEFT + ((c + 1) / columns) * inner) - x), Math.max(1, Math.round(TOP + high - (r / rows) * high) - y));
    }));
    ctx.globalAlpha = 1;
    ctx.fillStyle = dark ? '#98a2b1' : '#545d69';
    ctx.font = '11px system-ui, sans-serif';
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    const every = Math.max(1, Math.ceil(rows / 6));
    for (let r = 0; r < cells.rows.length; r += every) ctx.fillText(show(cells.rows[r]!.high, unit, 3), LEFT - 6, TOP + high - ((r + 1) / rows) * high + 6);
    ctx.textAlign = 'center';
    for (let i = 1; i < 5; i++) {
      const time = times[Math.floor((columns * i) / 5)];
      if (time !== undefined) ctx.fillText(showClock(time, z, false), LEFT + (inner * i) / 5, HEIGHT - 10);
    }
  }, [cells, width, dark, z, unit]);
  const move = (event: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left - LEFT) / inner) * columns);
    const row = Math.floor(((box.top + TOP + high - event.clientY) / high) * rows);
    setHover(column >= 0 && column < columns && row >= 0 && row < cells.rows.length ? { row, column, left: event.clientX - box.left } : undefined);
  };
  const bucket = hover && cells.rows[hover.row], count = hover && cells.counts[hover.row]?.[hover.column];
  return (
    <figure class="chart heat" data-hold>
      <canvas ref={canvas} style={{ width: `${width}px`, height: `${HEIGHT}px` }} role="img" aria-label={`Heat map of ${sketch.name}: ${cells.rows.length} buckets`} onPointerMove={move} onPointerLeave={() => setHover(undefined)} />
      {hover && bucket && (
        <div class="tip" style={{ top: '4px', maxWidth: `${Math.max(hover.left, width - hover.left) - 14}px`, ...(hover.left > width / 2 ? { right: `${width - hover.left + 14}px` } : { left: `${hover.left + 14}px` }) }} aria-hidden="true">
          <div class="tip-time">{showTime(times[hover.column]!, z)} {zoneName(times[hover.column]!, z)}</div>
          <div>{show(bucket.low, unit, 5)} … {show(bucket.high, unit, 5)}: <strong>{count === null || count === undefined ? 'no sample: a gap' : plain(count, 6)}</strong></div>
        </div>
      )}
      <figcaption class="dim small-text">{sketch.name}; darkest cell: {plain(cells.most, 5)} observations</figcaption>
    </figure>
  );
}
