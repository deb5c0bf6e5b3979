// The queries of one panel over the page's range: asked together, drawn on one grid.
import { api } from '../api';
import type { Answer, QueryStats } from '../api_types';
import { promDuration } from './duration';
import { rangeText, span, zone } from './frame';
import { useResource, type Resource } from './resource';
import { alignSpan, chooseStep, picture, type Picture } from './series';

export interface PanelQuery {
  expr: string;
  legend?: string;
  /** The order of the answer's series by their legend, for stacks; others come last. */
  order?: string[];
}

export interface PanelData extends Picture {
  start: number;
  end: number;
  samples: number | undefined;
  serverSeconds: number | undefined;
}

/** $rate is a window that holds at least four samples at 15 s and never falls between two steps. */
export function fillQuery(expr: string, step: number): string {
  return expr.replaceAll('$rate', promDuration(Math.max(60, 2 * step))).replaceAll('$step', promDuration(step));
}

function total(all: (QueryStats | undefined)[], pick: (s: QueryStats) => number | undefined): number | undefined {
  const known = all.map((s) => (s ? pick(s) : undefined)).filter((x): x is number => x !== undefined);
  return known.length ? known.reduce((a, b) => a + b, 0) : undefined;
}

export async function loadPanel(queries: readonly PanelQuery[], width: number, stop: AbortSignal, wanted?: number, lane?: 'dashboard'): Promise<Answer<PanelData>> {
  const { start: from, end: to } = span.peek();
  const step = wanted ?? chooseStep(to - from, width);
  const { start, end } = alignSpan(from, to, step);
  const answers = await Promise.all(queries.map((q) => api.range(fillQuery(q.expr, step), start, end, step, stop, lane)));
  const stats = answers.map((a) => a.data.stats);
  return {
    data: {
      ...picture(answers.map((a, i) => ({ items: a.data.result, legend: queries[i]!.legend, order: queries[i]!.order })), start, end, step),
      start, end,
      samples: total(stats, (s) => s.samples?.samplesRead),
      serverSeconds: total(stats, (s) => s.timings?.execTotalTime ?? s.timings?.evalTotalTime),
    },
    warnings: [...new Set(answers.flatMap((a) => a.warnings))],
    infos: [...new Set(answers.flatMap((a) => a.infos))],
    took: Math.max(...answers.map((a) => a.took)),
  };
}

export function usePanel(queries: readonly PanelQuery[], width: number, on: boolean, step?: number, lane?: 'dashboard'): Resource<PanelData> {
  const { from, to } = rangeText.value;
  const room = Math.round(width / 64) * 64;
  const key = JSON.stringify([queries, from, to, room, /today|yesterday/.test(from + to) ? zone.value : '', step]);
  return useResource(key, (stop) => loadPanel(queries, room, stop, step, lane), { on: on && width > 0 });
}
