// How the server is asked, and what the first page asks it; the other pages' questions are in api_more.ts.
// No other file knows URLs of the server. Everything is asked relative to the base path, so
// that a route prefix needs no rebuild. Answers are upstream's envelope; an error becomes an
// ApiError whose `text` is a sentence for people and whose `raw` is what the server said.
import { signal } from '@preact/signals';
import type { Alert, Answer, QueryData, RangeData, RulesData, TargetsData } from './api_types';
import { basePath } from './model/base';

/** When the server last answered anything, and since when it does not (0 = it does). */
export const awaySince = signal(0);
export const lastContact = signal(0);

export class ApiError extends Error {
  constructor(
    readonly kind: 'away' | 'bad' | 'refused' | 'missing' | 'broken' | 'timeout',
    readonly text: string,
    readonly raw: string,
    readonly status: number,
  ) {
    super(raw || text);
  }
}

type Params = Record<string, string | number | string[] | undefined>;

function encode(params: Params): URLSearchParams {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined) continue;
    if (Array.isArray(value)) for (const one of value) out.append(key, one);
    else out.append(key, String(value));
  }
  return out;
}

function away(path: string, why: string): ApiError {
  if (awaySince.value === 0) awaySince.value = Date.now();
  return new ApiError('away', 'The server does not answer. This page tries again by itself.', `${path}: ${why}`, 0);
}

/** What went wrong, for people. */
export function sentence(status: number, kind: string, raw: string): ApiError {
  if (status === 400 || kind === 'bad_data') {
    return new ApiError('bad', 'The server could not read the request.', raw, status);
  }
  if (status === 404) {
    return new ApiError('missing', 'This server does not offer that (404). It may be an older version.', raw, status);
  }
  if (status === 422) return new ApiError('bad', 'The query could not be carried out.', raw, status);
  if (status === 429) {
    return new ApiError('refused', 'The server has too many queries at the moment (429). Try again in a few seconds.', raw, status);
  }
  if (kind === 'canceled') {
    return new ApiError('refused', 'The query was cancelled on the server: by somebody at Status, Queries, or because it stops. Run it again if it is needed.', raw, status);
  }
  if (status === 503 && kind === 'timeout') {
    return new ApiError('timeout', 'The query ran out of time. Ask for a shorter range or fewer series.', raw, status);
  }
  if (status === 503) {
    return new ApiError('refused', 'The server is not ready (503): it is starting, stopping or shedding load.', raw, status);
  }
  return new ApiError('broken', `The server failed to answer (${status}). Its log says why.`, raw, status);
}

/** An answer without a body (204) has no data: T is undefined there. */
export async function call<T>(path: string, params: Params, method: 'GET' | 'POST' | 'DELETE', stop?: AbortSignal, lane?: string): Promise<Answer<T>> {
  const began = performance.now();
  const form = encode(params);
  const query = form.toString();
  const headers: Record<string, string> = lane ? { 'x-tidemark-lane': lane } : {};
  let response: Response;
  try {
    response = method === 'POST'
      ? await fetch(basePath + path, { method, headers, body: form, signal: stop })
      : await fetch(basePath + path + (query ? `?${query}` : ''), { method, headers, signal: stop });
  } catch (why) {
    if (stop?.aborted) throw why;
    throw away(path, String(why));
  }
  let text: string;
  try {
    text = await response.text();
  } catch (why) {
    if (stop?.aborted) throw why;
    throw away(path, String(why));
  }
  if (response.status === 502 || response.status === 504) throw away(path, `HTTP ${response.status}`);
  let body: { status?: string; data?: T; error?: string; errorType?: string; warnings?: string[]; infos?: string[] };
  try {
    body = response.status === 204 ? { status: 'success' } : JSON.parse(text) as typeof body;
  } catch {
    throw sentence(response.ok ? 500 : response.status, '', text.slice(0, 2000));
  }
  awaySince.value = 0;
  lastContact.value = Date.now();
  if (!response.ok || body.status !== 'success') {
    throw sentence(response.ok ? 500 : response.status, body.errorType ?? '', body.error ?? text.slice(0, 2000));
  }
  return {
    data: body.data as T,
    warnings: body.warnings ?? [],
    infos: body.infos ?? [],
    took: performance.now() - began,
  };
}

export const api = {
  query: (query: string, time?: number, stop?: AbortSignal, limit?: number) =>
    call<QueryData>('api/v1/query', { query, time: time === undefined ? undefined : time.toFixed(3), limit, stats: 'all' }, 'POST', stop),

  /** `lane` says what the answer is for: the panels of a page are served before what is asked by hand. */
  range: (query: string, start: number, end: number, step: number, stop?: AbortSignal, lane?: 'dashboard') =>
    call<RangeData>('api/v1/query_range', { query, start: start.toFixed(3), end: end.toFixed(3), step, stats: 'all' }, 'POST', stop, lane),

  targets: (stop?: AbortSignal) => call<TargetsData>('api/v1/targets', {}, 'GET', stop),
  alerts: (stop?: AbortSignal) => call<{ alerts: Alert[] }>('api/v1/alerts', {}, 'GET', stop),
  rules: (stop?: AbortSignal) => call<RulesData>('api/v1/rules', {}, 'GET', stop),
};
