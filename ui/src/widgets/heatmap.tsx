// A native histogram over time: a column for each step, a row for each bucket, the count as intensity of
// one hue, which every eye tells apart. A column without a sample is blank, one with a sample is tinted:
// a gap is not a zero. The pointer and the arrow keys read cells out; dragging zooms.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { HUES } from '../model/colors';
import { crosshair, crosshairAway } from '../model/crosshair';
import { darkNow, zone, zoomBack, zoomTo } from '../model/frame';
import { heat, heatCells, heatScale, type Bucket, type Sketch } from '../model/sketch';
import { showClock, showDate, showTime, zoneName } from '../model/time';
import { plain, show, whole, type Unit } from '../model/units';
import { timeSplits } from './chart_options';
import '../style/heat.css';

const LEFT = 74, BOTTOM = 22, TOP = 6, RIGHT = 8, HEIGHT = 240, SCALE = 5;

export interface HeatMapProps { sketch: Sketch; times: number[]; unit: Unit; width: number }

interface At { row: number; column: number }

/** "(25 ms, 50 ms]": whether its ends belong to it is told as in mathematics. */
function bounds(bucket: Bucket, unit: Unit): string {
  return `${bucket.closed[0] ? '[' : '('}${show(bucket.low, unit, 5)}, ${show(bucket.high, unit, 5)}${bucket.closed[1] ? ']' : ')'}`;
}

export function HeatMap({ sketch, times, unit, width }: HeatMapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const cells = useMemo(() => heatCells(sketch.points), [sketch]);
  const [at, setAt] = useState<At | undefined>(undefined);
  const [drag, setDrag] = useState<{ from: number; to: number } | undefined>(undefined);
  const dark = darkNow.value, z = zone.value;
  const inner = Math.max(1, width - LEFT - RIGHT), high = HEIGHT - TOP - BOTTOM;
  const rows = Math.max(1, cells.rows.length), columns = Math.max(1, times.length);
  const hue = HUES[dark ? 'dark' : 'light'][0]!;
  const x = (column: number) => Math.round(LEFT + (column / columns) * inner), y = (row: number) => Math.round(TOP + high - (row / rows) * high);
  const spot = at && at.row < cells.rows.length && at.column < times.length ? at : undefined;
  const moment = spot && times[spot.column];
  useEffect(() => {
    if (moment === undefined) return;
    crosshair.value = { time: moment, of: canvas };
    return () => crosshairAway(canvas);
  }, [moment]);
  useLayoutEffect(() => {
    const ctx = canvas.current?.getContext('2d');
    if (!ctx) return;
    const ratio = devicePixelRatio || 1;
    canvas.current!.width = width * ratio;
    canvas.current!.height = HEIGHT * ratio;
    ctx.scale(ratio, ratio);
    ctx.fillStyle = dark ? '#1a2028' : '#f3f5f8';
    sketch.points.forEach((point, c) => point && ctx.fillRect(x(c), TOP, Math.max(1, x(c + 1) - x(c)), high));
    ctx.fillStyle = hue;
    cells.counts.forEach((row, r) => row.forEach((count, c) => {
      if (!count) return;
      ctx.globalAlpha = heat(count, cells.most);
      ctx.fillRect(x(c), y(r + 1), Math.max(1, x(c + 1) - x(c)), Math.max(1, y(r) - y(r + 1)));
    }));
    ctx.globalAlpha = 1;
    ctx.fillStyle = dark ? '#98a2b1' : '#545d69';
    ctx.font = '11px system-ui, sans-serif';
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    const every = Math.max(1, Math.ceil(rows / 7));
    for (let r = 0; r < cells.rows.length; r += every) ctx.fillText(show(cells.rows[r]!.high, unit, 3), LEFT - 6, Math.max(8, y(r + 1)));
    ctx.textAlign = 'center';
    const first = times[0] ?? 0, last = times[columns - 1] ?? 1;
    for (const time of timeSplits(first, last, inner)) {
      ctx.fillText(last - first > 2 * 86400 ? showDate(time, z).slice(5) : showClock(time, z, last - first < 600), LEFT + ((time - first) / (last - first)) * inner, HEIGHT - 10);
    }
  }, [cells, width, dark, z, unit]);
  const cellAt = (event: PointerEvent): At & { left: number } => {
    const box = canvas.current!.getBoundingClientRect(), left = event.clientX - box.left;
    return { left, column: Math.floor(((left - LEFT) / inner) * columns), row: Math.floor(((box.top + TOP + high - event.clientY) / high) * rows) };
  };
  const within = (cell: At) => cell.column >= 0 && cell.column < columns && cell.row >= 0 && cell.row < cells.rows.length;
  const move = (event: PointerEvent) => {
    const cell = cellAt(event);
    setAt(within(cell) ? { row: cell.row, column: cell.column } : undefined);
    if (drag) setDrag({ ...drag, to: Math.min(LEFT + inner, Math.max(LEFT, cell.left)) });
  };
  const drop = () => {
    if (drag && Math.abs(drag.to - drag.from) >= 5) {
      const time = (left: number) => times[0]! + ((left - LEFT) / inner) * (times[columns - 1]! - times[0]!);
      zoomTo(time(Math.min(drag.from, drag.to)), time(Math.max(drag.from, drag.to)));
    }
    setDrag(undefined);
  };
  const key = (event: KeyboardEvent) => {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[event.key];
    if (!by || cells.rows.length === 0) return;
    const from = spot ?? { row: rows >> 1, column: columns - 1 };
    const next = { row: from.row + by[0]!, column: from.column + by[1]! };
    if (within(next)) setAt(spot ? next : from);
    event.preventDefault();
  };
  const title = `Heat map of ${sketch.name}: ${cells.rows.length} buckets`;
  return (
    <figure class="chart heat" data-hold>
      <div class="heat-room" tabIndex={0} role="group" aria-label={`${title}. Arrow keys read it out.`} onKeyDown={key} onBlur={() => setAt(undefined)}>
        <canvas ref={canvas} style={{ width: `${width}px`, height: `${HEIGHT}px` }} role="img" aria-label={title}
          onPointerMove={move} onPointerLeave={() => !drag && setAt(undefined)} onPointerUp={drop} onPointerCancel={() => setDrag(undefined)} onDblClick={() => zoomBack()}
          onPointerDown={(event) => {
            const cell = cellAt(event);
            if (event.button !== 0 || event.pointerType !== 'mouse' || !within(cell)) return;
            canvas.current!.setPointerCapture(event.pointerId);
            setDrag({ from: cell.left, to: cell.left });
          }} />
        {drag && <div class="heat-drag" style={{ left: `${Math.min(drag.from, drag.to)}px`, width: `${Math.abs(drag.to - drag.from)}px`, top: `${TOP}px`, height: `${high}px` }} />}
        <Cross of={canvas} from={times[0] ?? 0} to={times[columns - 1] ?? 0} inner={inner} />
        {spot && <div class="heat-spot" style={{ left: `${x(spot.column)}px`, width: `${Math.max(3, x(spot.column + 1) - x(spot.column))}px`, top: `${y(spot.row + 1)}px`, height: `${Math.max(3, y(spot.row) - y(spot.row + 1))}px` }} />}
        {spot && <Readout cells={cells} sketch={sketch} at={spot} time={times[spot.column]!} unit={unit} left={x(spot.column)} width={width} z={z} />}
      </div>
      <figcaption class="heat-foot"><span>{sketch.name}</span><span class="spring" />
        {cells.most > 0 && (
          <span class="heat-scale" title="Observations in a cell"><span class="heat-blank" /> gap<span class="heat-none" /> 0
            {heatScale(cells.most, SCALE).map((count) => (
              <span key={count}><svg width="22" height="10" aria-hidden="true"><rect width="22" height="10" fill={hue} opacity={heat(count, cells.most)} /></svg>{' '}{cells.most >= 25 ? whole(count) : plain(count, 2)}</span>
            ))}
          </span>
        )}
      </figcaption>
    </figure>
  );
}

/** Where the pointer is on another picture. */
function Cross({ of, from, to, inner }: { of: unknown; from: number; to: number; inner: number }) {
  const at = crosshair.value;
  if (!at || at.of === of || at.time < from || at.time > to || to <= from) return null;
  return <div class="heat-cross" style={{ left: `${Math.round(LEFT + ((at.time - from) / (to - from)) * inner)}px`, top: `${TOP}px`, height: `${HEIGHT - TOP - BOTTOM}px` }} />;
}

/** What is in a cell: its bucket with its bounds, how many observations, of how many at that time. */
function Readout({ cells, sketch, at, time, unit, left, width, z }: {
  cells: ReturnType<typeof heatCells>; sketch: Sketch; at: At; time: number; unit: Unit; left: number; width: number; z: string;
}) {
  const bucket = cells.rows[at.row]!, count = cells.counts[at.row]![at.column];
  const point = sketch.points[at.column], all = Number(point?.count), sum = Number(point?.sum);
  const right = left > width / 2;
  return (
    <div class="tip" role="status" style={{ top: '4px', maxWidth: `${Math.min(320, Math.max(left, width - left) - 14)}px`, [right ? 'right' : 'left']: `${(right ? width - left : left) + 18}px` }}>
      <div class="tip-time">{showTime(time, z)} {zoneName(time, z)}</div>
      <div class="num">{bounds(bucket, unit)}{bucket.joined > 1 && <span class="dim"> {bucket.joined} buckets</span>}</div>
      {count === null || count === undefined ? <div><strong>no sample: a gap</strong></div> : (
        <>
          <div class="num"><strong>{plain(count, 6)}</strong> of {plain(all, 6)}{Number.isInteger(all) ? ' observations' : ' (no whole count: a rate or the like)'}{all > 0 && <>, {plain((100 * count) / all, 3)} %</>}</div>
          {all > 0 && Number.isFinite(sum) && <div class="dim num">mean at this time {show(sum / all, unit, 4)}</div>}
        </>
      )}
    </div>
  );
}
