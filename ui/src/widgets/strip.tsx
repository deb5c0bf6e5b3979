// A strip of states over time: up is low, down is high, no sample is a gap. Height says what colour says.
import { showDuration } from '../model/duration';
import { zone } from '../model/frame';
import { runs } from '../model/series';
import { showClock } from '../model/time';

export interface StripProps {
  /** One value per step: 1 = all up, 0 = down, between = some down; null = no sample. */
  values: (number | null)[];
  start: number;
  step: number;
  label: string;
}

export function Strip({ values, start, step, label }: StripProps) {
  const count = Math.max(1, values.length);
  const minutes = (test: (v: number | null) => boolean) => values.filter(test).length * step;
  const down = minutes((v) => v !== null && v < 1), gap = minutes((v) => v === null);
  const words = `${label}: ${down > 0 ? `down for ${showDuration(down)}` : 'never down'}${gap > 0 ? `, no data for ${showDuration(gap)}` : ''} in the last ${showDuration(count * step)}`;
  return (
    <svg class="strip" viewBox={`0 0 ${count} 14`} preserveAspectRatio="none" role="img" aria-label={words}>
      <rect class="strip-base" x="0" y="13" width={count} height="1" />
      {runs(values.map((v) => (v === null ? null : v >= 1 ? 1 : v <= 0 ? 0 : 0.5))).map((run) => run.value !== null && (
        <rect key={run.from} class={run.value === 1 ? 'strip-up' : 'strip-down'} x={run.from} width={run.to - run.from}
          y={run.value === 1 ? 8 : run.value === 0 ? 0 : 4} height={run.value === 1 ? 6 : run.value === 0 ? 14 : 10}>
          <title>{`${run.value === 1 ? 'up' : run.value === 0 ? 'down' : 'partly down'} ${showClock(start + run.from * step, zone.value, false)} → ${showClock(start + run.to * step, zone.value, false)}`}</title>
        </rect>
      ))}
    </svg>
  );
}
