// How a picture is drawn: uPlot's options from lines, unit, thresholds and scheme.
import uPlot from 'uplot';
import { BACKGROUND, color, DASHES, type Scheme } from '../model/colors';
import type { Look, Threshold } from '../model/look';
import { zone, zoomBack, zoomTo } from '../model/frame';
import type { Line, Picture } from '../model/series';
import { showClock, showDate, wall, zoneOffset } from '../model/time';
import { show, ticks, zeroBased } from '../model/units';

const INK: Record<Scheme, { text: string; grid: string; pending: string; firing: string }> = {
  light: { text: '#59626f', grid: '#e4e7ec', pending: '#8a5a00', firing: '#bf2418' },
  dark: { text: '#98a2b1', grid: '#262d37', pending: '#e0b04a', firing: '#ff7f75' },
};

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000];

export function timeSplits(low: number, high: number, width: number): number[] {
  const most = Math.max(2, Math.floor(width / 88));
  const step = STEPS.find((s) => (high - low) / s <= most) ?? Math.ceil((high - low) / most / 86400) * 86400;
  const shift = zoneOffset((low + high) / 2, zone.peek());
  const out: number[] = [];
  for (let t = Math.ceil((low + shift) / step) * step - shift; t <= high; t += step) {
    const x = ((t - low) / (high - low)) * width, half = step < 60 ? 26 : 17;
    if (x > half - 4 && x < width - half + 8) out.push(t); // its word would run into the y axis, or over the edge
  }
  return out;
}

function timeWords(splits: number[]): string[] {
  const z = zone.peek();
  const step = (splits[1] ?? Infinity) - splits[0]!;
  return splits.map((t) => {
    const w = wall(t, z);
    if ((step >= 86400 && step < Infinity) || (w.hour === 0 && w.minute === 0 && w.second === 0)) return showDate(t, z).slice(5);
    return showClock(t, z, step < 60);
  });
}

/** Thresholds that the picture can show without flattening the data; the others are told in words. */
export function inReach(lines: readonly Line[], look: Look): Threshold[] {
  const top = peak(lines, look);
  return (look.thresholds ?? []).filter((t) => top >= t.at * 0.4);
}

function peak(lines: readonly Line[], look: Look): number {
  if (!look.stack) return lines.reduce((m, line) => Math.max(m, Number.isFinite(line.max ?? NaN) ? line.max! : -Infinity), -Infinity);
  return lines.reduce((m, line) => m + Math.max(0, Number.isFinite(line.max ?? NaN) ? line.max! : 0), 0);
}

function lonely(data: readonly (number | null | undefined)[]): number[] | null {
  const out: number[] = [];
  for (let i = 0; i < data.length; i++) {
    if (data[i] != null && data[i - 1] == null && data[i + 1] == null) out.push(i);
  }
  return out.length ? out : null;
}

export interface Eyes {
  hover: (u: uPlot) => void;
  isolate: (index: number) => void;
  /** After the lines. */
  draw: (u: uPlot) => void;
}

function pan(u: uPlot, event: MouseEvent): void {
  const { min, max } = u.scales.x!;
  if (min == null || max == null) return;
  const per = (max - min) / u.over.clientWidth;
  let by = 0;
  const move = (e: MouseEvent) => {
    by = (event.clientX - e.clientX) * per;
    u.setScale('x', { min: min + by, max: max + by });
  };
  const up = () => {
    document.removeEventListener('mousemove', move);
    document.removeEventListener('mouseup', up);
    if (Math.abs(by) > 2 * per) zoomTo(min + by, max + by);
  };
  document.addEventListener('mousemove', move);
  document.addEventListener('mouseup', up);
  event.preventDefault();
}

/** The drawn line next to the pointer, within 12 px; -1 if none is near. */
export function nearest(u: uPlot): number {
  const { idx, top } = u.cursor;
  if (idx == null || top == null || top < 0) return -1;
  let best = -1, distance = 12;
  for (let i = 1; i < u.series.length; i++) {
    const value = u.data[i]?.[idx];
    if (value == null || u.series[i]!.show === false) continue;
    const away = Math.abs(u.valToPos(value, 'y') - top);
    if (away < distance) {
      distance = away;
      best = i - 1;
    }
  }
  return best;
}

export function chartOptions(shown: Picture, look: Look, scheme: Scheme, width: number, eyes: Eyes): uPlot.Options {
  const ink = INK[scheme];
  const font = '11px system-ui, sans-serif';
  const most = look.compact ? 3 : look.height < 160 ? 4 : 6;
  const range = (u: uPlot, low: number | null, high: number | null): [number, number] => {
    if (low == null || high == null) return look.top ? [0, look.top] : [0, 1];
    for (const t of inReach(shown.lines, look)) {
      if (t.at > high) high = t.at;
    }
    // Shares that add up to a hair more than all do not ask for an axis to 150 %.
    const all = look.unit === 'ratio' ? 1 : look.unit === 'percent' ? 100 : Infinity;
    if (high > all && high < all * 1.05) high = all;
    if (look.top !== undefined) high = Math.max(high, look.top);
    if (zeroBased(look.unit)) {
      if (low > 0) low = 0;
      if (high < 0) high = 0;
    }
    void u;
    const marks = ticks(low, high, look.unit, most);
    return [marks[0]!, marks[marks.length - 1]!];
  };
  const series: uPlot.Series[] = shown.lines.map((line) => {
    const stroke = color(line.paint, scheme);
    return {
      label: line.name, stroke, width: 1.5, dash: [...DASHES[line.paint.dash]!], spanGaps: false,
      fill: look.stack ? stroke + '14' : undefined,
      points: {
        size: 4, width: 0, fill: stroke,
        show: (u: uPlot, _s: number, i0: number, i1: number) => u.bbox.width / uPlot.pxRatio / Math.max(1, i1 - i0) > 8,
        filter: (u: uPlot, s: number, visible: boolean) => (visible ? null : lonely(u.data[s] as (number | null)[])),
      },
    };
  });
  // An empty picture has its axes too: it can be zoomed, panned and left as any other.
  if (series.length === 0) series.push({});
  let downAt: [number, number] = [0, 0];
  return {
    width, height: look.height, pxAlign: 1, padding: [8, 8, 0, 0],
    legend: { show: false },
    scales: { x: { time: false, range: (_u, low, high) => (low === high ? [low - 0.5, high + 0.5] : [low, high]) }, y: { range } },
    axes: [
      {
        stroke: ink.text, font, size: 22, gap: 4, grid: { show: !look.compact, stroke: ink.grid, width: 1 }, ticks: { show: false },
        splits: (u, _a, low, high) => timeSplits(low, high, u.over.clientWidth || width),
        values: (_u, splits) => timeWords(splits),
      },
      {
        stroke: ink.text, font, gap: 6,
        size: (_u, words) => Math.max(look.compact ? 58 : 68, ...(words ?? []).map((word) => word.length * 6 + 10)), // room for the longest word
        grid: { stroke: ink.grid, width: 1 }, ticks: { show: false },
        splits: (_u, _a, low, high) => ticks(low, high, look.unit, most),
        values: (_u, splits) => splits.map((v) => show(v, look.unit, 3)),
      },
    ],
    series: [{}, ...series],
    bands: look.stack ? shown.lines.slice(1).map((_line, i) => ({ series: [i + 2, i + 1] as [number, number] })) : undefined,
    cursor: {
      y: false,
      points: { size: 7, width: 1.5, fill: () => BACKGROUND[scheme], stroke: (_u, i) => String(series[i - 1]?.stroke ?? ink.text) },
      drag: { x: true, y: false, setScale: false },
      sync: { key: 'page', scales: ['x', null], setSeries: false, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
      bind: {
        mousedown: (u, _target, handle) => (event) => {
          downAt = [event.clientX, event.clientY];
          if (event.shiftKey) pan(u, event);
          else handle(event);
          return null;
        },
        click: (u) => (event) => {
          if (Math.hypot(event.clientX - downAt[0], event.clientY - downAt[1]) < 4) eyes.isolate(nearest(u));
          return null;
        },
        dblclick: () => () => {
          zoomBack();
          return null;
        },
      },
    },
    hooks: {
      setCursor: [eyes.hover],
      setSelect: [(u) => {
        const { left, width: wide } = u.select;
        if (wide < 5) return;
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        zoomTo(u.posToVal(left, 'x'), u.posToVal(left + wide, 'x'));
      }],
      draw: [(u) => drawThresholds(u, inReach(shown.lines, look), ink), eyes.draw],
    },
  };
}

function drawThresholds(u: uPlot, all: Threshold[], ink: { pending: string; firing: string }): void {
  const { ctx, bbox } = u;
  const ratio = uPlot.pxRatio;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'right';
  let edge = bbox.left + bbox.width - 2 * ratio, above = -Infinity;
  for (const t of [...all].sort((a, b) => b.at - a.at)) {
    const y = Math.round(u.valToPos(t.at, 'y', true)) + 0.5;
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = ink[t.mood];
    ctx.lineWidth = ratio;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    // Two lines that are close together have their words side by side.
    if (y - above > 13 * ratio) edge = bbox.left + bbox.width - 2 * ratio;
    ctx.fillText(t.word, edge, y - 3 * ratio);
    edge -= ctx.measureText(t.word).width + 10 * ratio;
    above = y;
  }
  ctx.restore();
}
