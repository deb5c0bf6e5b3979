// The legend below a chart: a sortable table. A long list draws only the rows in sight.
import { useRef, useState } from 'preact/hooks';
import type { Scheme } from '../model/colors';
import { darkNow } from '../model/frame';
import type { Line, Picture } from '../model/series';
import { show, type Unit } from '../model/units';
import { Swatch } from './chart';

type Column = 'name' | 'last' | 'min' | 'max' | 'avg';
const COLUMNS: Column[] = ['last', 'min', 'max', 'avg'];
const ROW = 22;
const SHOWN = 8;

export interface LegendProps {
  shown: Picture;
  /** The keys of the lines that the chart draws, if it does not draw all. */
  drawn?: ReadonlySet<string>;
  unit: Unit;
  only: string | undefined;
  onOnly: (key: string | undefined) => void;
  label: string;
  /** Room for five figures instead of three. */
  exact?: boolean;
}

export function Legend({ shown, drawn, unit, only, onOnly, label, exact }: LegendProps) {
  const [by, setBy] = useState<{ column: Column; down: boolean } | undefined>(undefined);
  const [top, setTop] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const scheme: Scheme = darkNow.value ? 'dark' : 'light';
  const lines = by ? [...shown.lines].sort((a, b) => compare(a, b, by.column) * (by.down ? -1 : 1)) : drawn ? [...shown.lines].sort((a, b) => Number(drawn.has(b.key)) - Number(drawn.has(a.key))) : shown.lines;
  const long = lines.length > SHOWN;
  const many = lines.length > 60;
  const first = many ? Math.max(0, Math.floor(top / ROW) - 4) : 0;
  const last = many ? Math.min(lines.length, first + SHOWN + 12) : lines.length;
  const choose = (column: Column) =>
    setBy(by?.column !== column ? { column, down: column !== 'name' } : by.down === (column !== 'name') ? { column, down: !by.down } : undefined);
  const head = (column: Column, word: string) => (
    <th key={column} scope="col" class={column === 'name' ? 'legend-name' : 'right'} aria-sort={by?.column === column ? (by.down ? 'descending' : 'ascending') : undefined}>
      <button type="button" onClick={() => choose(column)}>{word}{by?.column === column && (by.down ? ' ↓' : ' ↑')}</button>
    </th>
  );
  return (
    <div class={`legend${long ? ' long' : ''}${exact ? ' exact' : ''}${unit === 'time' ? ' times' : ''}`} ref={box} data-hold tabIndex={long ? 0 : undefined} role={long ? 'region' : undefined}
      aria-label={long ? `Legend of ${label}` : undefined}
      onScroll={many ? () => setTop(box.current?.scrollTop ?? 0) : undefined}>
      <table>
        <thead><tr>{head('name', lines.length === 1 ? 'series' : `${lines.length} series`)}{COLUMNS.map((c) => head(c, c))}</tr></thead>
        <tbody>
          {first > 0 && <tr aria-hidden="true"><td colSpan={2} style={{ height: `${first * ROW}px` }} /></tr>}
          {lines.slice(first, last).map((line) => (
            <tr key={line.key} class={only === undefined || only === line.key ? '' : 'off'}>
              <td class="legend-name">
                <button type="button" aria-pressed={only === line.key} title={line.name} onClick={() => onOnly(only === line.key ? undefined : line.key)}>
                  {!drawn || drawn.has(line.key) || only === line.key ? <Swatch line={line} scheme={scheme} /> : <span class="undrawn" title="Not drawn: click to see it alone" />}<span>{line.name}</span>
                </button>
              </td>
              {COLUMNS.map((c) => <td key={c} class="right num">{cell(line, c, unit, exact ? 5 : 3)}</td>)}
            </tr>
          ))}
          {last < lines.length && <tr aria-hidden="true"><td colSpan={2} style={{ height: `${(lines.length - last) * ROW}px` }} /></tr>}
        </tbody>
      </table>
    </div>
  );
}

function cell(line: Line, column: Column, unit: Unit, digits: number): string {
  const value = column === 'name' ? null : line[column];
  return value === null ? (column === 'last' ? 'gap' : '–') : show(value, unit, digits);
}

function compare(a: Line, b: Line, column: Column): number {
  if (column === 'name') return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  return (a[column] ?? -Infinity) - (b[column] ?? -Infinity);
}
