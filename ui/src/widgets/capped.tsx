// Says that a chart does not draw all its series, by what those it draws were chosen, and leads to the rest.
import type { Rank } from '../model/series';
import { whole } from '../model/units';
import { setParams } from '../model/url';

export interface CappedProps {
  lines: number;
  points: number;
  most: number;
  by: Rank;
  /** How many of the highest are passed over; negative: all are drawn. */
  skip: number;
  onSkip: (skip: number) => void;
}

const WORDS: [Rank, string][] = [['last', 'last value'], ['max', 'maximum'], ['avg', 'mean']];
/** More points than this keep a browser busy for seconds. */
const BEARABLE = 1e6;

export function Capped({ lines, points, most, by, skip, onSkip }: CappedProps) {
  if (skip < 0) {
    return <p class="capped">Draws all {whole(lines)} series. <button type="button" class="small" onClick={() => onSkip(0)}>Draw {most}</button></p>;
  }
  const from = skip < lines ? skip : 0, to = Math.min(from + most, lines);
  const left = Math.min(most, lines - to);
  return (
    <p class="capped">
      <span>{from === 0 ? `Draws ${most} of ${whole(lines)} series, those with the highest` : `Draws ${whole(from + 1)}–${whole(to)} of ${whole(lines)} series, ranked by`}</span>{' '}
      <select aria-label="Choose series by" value={by} onChange={(e) => setParams({ top: e.currentTarget.value === 'max' ? undefined : e.currentTarget.value }, 'replace')}>
        {WORDS.map(([id, word]) => <option key={id} value={id}>{word}</option>)}
      </select>{' '}
      {from > 0 && <button type="button" class="small" onClick={() => onSkip(Math.max(0, from - most))}>The {most} before</button>}{' '}
      {left > 0 && <button type="button" class="small" onClick={() => onSkip(to)}>The next {left}</button>}{' '}
      {lines * points <= BEARABLE
        ? <button type="button" class="small" onClick={() => onSkip(-1)}>Draw all</button>
        : <span class="dim">All at once would be {whole(lines * points)} points, too many to draw.</span>}
    </p>
  );
}
