// A picture leaves the page: as PNG with its title, names and times, or as CSV.
import { BACKGROUND, color, type Scheme } from '../model/colors';
import { pictureCsv } from '../model/csv';
import { darkNow, zone } from '../model/frame';
import type { Picture } from '../model/series';
import { showTime, zoneName } from '../model/time';
import { show } from '../model/units';
import type { Look } from '../model/look';

function offer(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function fileName(title: string, ending: string): string {
  const clean = title.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60);
  return `tidemark-${clean || 'picture'}.${ending}`;
}

export function saveCsv(title: string, shown: Picture): void {
  offer(new Blob([pictureCsv(shown)], { type: 'text/csv' }), fileName(title, 'csv'));
}

export function savePng(chart: HTMLCanvasElement, title: string, shown: Picture, look: Look): void {
  const scheme: Scheme = darkNow.peek() ? 'dark' : 'light';
  const ratio = devicePixelRatio || 1;
  const named = shown.lines.slice(0, 12);
  const line = 18 * ratio, edge = 12 * ratio, head = 44 * ratio;
  const canvas = document.createElement('canvas');
  canvas.width = chart.width + 2 * edge;
  canvas.height = head + chart.height + line * (named.length + (shown.lines.length > named.length ? 1 : 0)) + 2 * edge;
  const ctx = canvas.getContext('2d');
  if (!ctx) return;
  const ink = scheme === 'dark' ? '#e6eaf0' : '#14181f';
  ctx.fillStyle = BACKGROUND[scheme];
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.fillStyle = ink;
  ctx.font = `600 ${14 * ratio}px system-ui, sans-serif`;
  ctx.fillText(title, edge, edge + 12 * ratio);
  ctx.font = `${12 * ratio}px system-ui, sans-serif`;
  const first = shown.times[0] ?? 0, last = shown.times[shown.times.length - 1] ?? 0;
  ctx.fillText(`${showTime(first, zone.peek())} → ${showTime(last, zone.peek())} ${zoneName(last, zone.peek())}`, edge, edge + 30 * ratio);
  ctx.drawImage(chart, edge, head);
  let y = head + chart.height + line;
  for (const one of named) {
    ctx.fillStyle = color(one.paint, scheme);
    ctx.fillRect(edge, y - 6 * ratio, 12 * ratio, 3 * ratio);
    ctx.fillStyle = ink;
    ctx.fillText(`${one.name}   last ${one.last === null ? 'gap' : show(one.last, look.unit)}`, edge + 20 * ratio, y);
    y += line;
  }
  if (shown.lines.length > named.length) ctx.fillText(`and ${shown.lines.length - named.length} more series`, edge, y);
  canvas.toBlob((blob) => blob && offer(blob, fileName(title, 'png')), 'image/png');
}
