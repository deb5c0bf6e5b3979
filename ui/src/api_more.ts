// What the pages ask that come later than the first: loaded with them.
import { call } from './api';
import type { ActiveQuery, Delivery, ExemplarSeries, Labels, MetadataData, Plan, TsdbBlock, TsdbData } from './api_types';

export const more = {
  /** Refuses what the parser cannot read. */
  format: (query: string, stop?: AbortSignal) => call<string>('api/v1/format_query', { query }, 'POST', stop),
  labels: (match: string[], stop?: AbortSignal) =>
    call<string[]>('api/v1/labels', { 'match[]': match, limit: 1000 }, 'POST', stop),

  labelValues: (label: string, match: string[], limit: number, stop?: AbortSignal) =>
    call<string[]>(`api/v1/label/${encodeURIComponent(label)}/values`, { 'match[]': match, limit }, 'GET', stop),

  series: (match: string[], start: number, end: number, limit: number, stop?: AbortSignal) =>
    call<Labels[]>('api/v1/series', { 'match[]': match, start, end, limit }, 'POST', stop),

  explain: (query: string, start: number, end: number, step: number, analyze: boolean, stop?: AbortSignal) =>
    call<Plan>('api/v1/explain', { query, start: start.toFixed(3), end: end.toFixed(3), step, analyze: String(analyze) }, 'POST', stop),

  // A query that reads no series has an answer without a body.
  exemplars: async (query: string, start: number, end: number, stop?: AbortSignal) =>
    await call<ExemplarSeries[] | undefined>('api/v1/query_exemplars', { query, start: start.toFixed(3), end: end.toFixed(3) }, 'POST', stop) ?? [],

  metadata: (metric: string | undefined, limit: number, stop?: AbortSignal) =>
    call<MetadataData>('api/v1/metadata', { metric, limit }, 'GET', stop),

  deliveries: (stop?: AbortSignal) => call<{ deliveries: Delivery[] }>('api/v1/deliveries', {}, 'GET', stop),
  build: (stop?: AbortSignal) => call<Labels>('api/v1/status/buildinfo', {}, 'GET', stop),
  runtime: (stop?: AbortSignal) => call<Record<string, unknown>>('api/v1/status/runtimeinfo', {}, 'GET', stop),
  flags: (stop?: AbortSignal) => call<Labels>('api/v1/status/flags', {}, 'GET', stop),
  config: (stop?: AbortSignal) => call<{ yaml: string }>('api/v1/status/config', {}, 'GET', stop),
  tsdb: (limit: number, stop?: AbortSignal) => call<TsdbData>('api/v1/status/tsdb', { limit }, 'GET', stop),
  activeQueries: (stop?: AbortSignal) => call<ActiveQuery[]>('api/v1/status/active_queries', {}, 'GET', stop),
  cancelQuery: (id: number) => call<undefined>(`api/v1/status/active_queries/${id}`, {}, 'DELETE'),
  blocks: (stop?: AbortSignal) => call<{ blocks: TsdbBlock[] }>('api/v1/status/tsdb/blocks', {}, 'GET', stop),
};
