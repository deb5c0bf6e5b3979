// The last hour of `up`, a value a minute, for the strips of targets and jobs.
import { api } from '../api';
import type { Answer, Labels } from '../api_types';
import { alignSpan, gridTimes, parseValue } from './series';
import { useResource, type Resource } from './resource';

export interface UpHistory {
  start: number;
  step: number;
  rows: { labels: Labels; values: (number | null)[] }[];
}

const STEP = 60;

export async function loadUp(query: string, stop: AbortSignal): Promise<Answer<UpHistory>> {
  const now = Date.now() / 1000;
  const { start, end } = alignSpan(now - 3600 + STEP, now, STEP);
  const answer = await api.range(query, start, end, STEP, stop);
  const count = gridTimes(start, end, STEP).length;
  const rows = answer.data.result.map((item) => {
    const values = new Array<number | null>(count).fill(null);
    for (const [time, text] of item.values ?? []) {
      const at = Math.round((time - start) / STEP);
      if (at >= 0 && at < count) values[at] = parseValue(text);
    }
    return { labels: item.metric, values };
  });
  return { ...answer, data: { start, step: STEP, rows } };
}

export function useUp(query: string, on = true): Resource<UpHistory> {
  return useResource(query, (stop) => loadUp(query, stop), { on });
}
