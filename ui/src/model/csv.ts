// A picture or a table as CSV (RFC 4180). A cell that a spreadsheet would run as a formula gets an
// apostrophe in front: label values come from strangers.
import type { Picture } from './series';
import { selector } from './labels';

export function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe !== value ? `"${safe.replace(/"/g, '""')}"` : safe;
}

export function csvRows(rows: readonly (readonly (string | number | null)[])[]): string {
  return rows.map((row) => row.map(csvCell).join(',')).join('\r\n') + '\r\n';
}

export function pictureCsv(shown: Picture): string {
  const head = ['time', ...shown.lines.map((line) => (Object.keys(line.labels).length ? selector(line.labels) : line.name))];
  const rows = shown.times.map((time, i) => [new Date(time * 1000).toISOString(), ...shown.lines.map((line) => line.values[i] ?? null)]);
  return csvRows([head, ...rows]);
}
