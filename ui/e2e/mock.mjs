// A small server for the walks: the built pages under the policy that the real server sends, and the
// API out of the mock's worlds (or, with `upstream`, out of a real server).
import { createServer } from 'node:http';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exemplars, matrix, plan, sketches, vector } from './mock_data.mjs';
import { HOSTILE, world } from './mock_worlds.mjs';

const DIST = join(fileURLToPath(new URL('.', import.meta.url)), '..', 'dist');
/** The mock knows of nothing before. */
const BEGAN = 1.5e9;
const DROPPED = [1, 2, 3, 4].map((n) => ({ scrapePool: 'shop', discoveredLabels: { __address__: `spare-${n}:8080`, __meta_filepath: '/etc/shop.json', note: HOSTILE } }));
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' };
export const POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

function staticFile(path) {
  const asset = path.lastIndexOf('/assets/');
  const name = asset >= 0 ? path.slice(asset) : path.endsWith('/icon.svg') ? '/icon.svg' : '/index.html';
  const file = join(DIST, name);
  if (!file.startsWith(DIST) || !statSync(file, { throwIfNoEntry: false })?.isFile()) return undefined;
  return { body: readFileSync(file), type: TYPES[file.split('.').pop()] ?? 'application/octet-stream' };
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function badQuery(query) {
  const at = query.indexOf('!!');
  return at < 0 ? undefined : `invalid parameter "query": 1:${at + 1}: parse error: unexpected character: '!'`;
}

function answer(path, q, state) {
  const w = state.world;
  if (w.unknown?.includes(path)) return undefined; // as a server that is older
  const stats = (points) => ({ timings: { evalTotalTime: 0.0021, execTotalTime: 0.0031 }, samples: { totalQueryableSamples: points, samplesRead: points, peakSamples: 100 } });
  if (path === 'query' || path === 'query_range') {
    const query = q.get('query') ?? '';
    const wrong = badQuery(query);
    if (wrong) return { error: wrong };
    if (path === 'query') return { resultType: 'vector', result: vector(query, Number(q.get('time') ?? Date.now() / 1000), w), stats: stats(12) };
    if (query === 'sketch') return { resultType: 'matrix', result: sketches(Number(q.get('start')), Number(q.get('end')), Number(q.get('step'))), stats: stats(1) };
    const points = (Number(q.get('end')) - Number(q.get('start'))) / Number(q.get('step'));
    if (points > 11000) return { error: `exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX); step=${Math.ceil(points * Number(q.get('step')) / 10000)}s would fit` };
    if (Number(q.get('end')) < BEGAN) return { resultType: 'matrix', result: [], stats: stats(0) };
    const result = matrix(query, Number(q.get('start')), Number(q.get('end')), Number(q.get('step')), w);
    return { resultType: 'matrix', result, stats: stats(result.reduce((n, s) => n + s.values.length, 0) * 4) };
  }
  switch (path) {
    case 'query_exemplars': return /exempt/.test(q.get('query')) ? [] : exemplars(Number(q.get('start')), Number(q.get('end')), w);
    case 'explain': return w.plan === undefined ? plan(q.get('query'), q.get('analyze') === 'true') : w.plan;
    case 'format_query': return badQuery(q.get('query') ?? '') ? { error: badQuery(q.get('query')) } : q.get('query');
    case 'alerts': return { alerts: w.groups.flatMap((g) => g.rules.flatMap((r) => r.alerts ?? [])) };
    case 'rules': return { groups: w.groups };
    case 'targets': return { activeTargets: w.targets, droppedTargets: w.empty ? [] : DROPPED, droppedTargetCounts: { shop: w.empty ? 0 : 4 } };
    case 'deliveries': return { deliveries: w.deliveries };
    case 'labels': return ['__name__', 'instance', 'job', 'mode'];
    case 'metadata': return { node_load1: [{ type: 'gauge', help: '1m load average.', unit: '' }] };
    case 'status/buildinfo': return { version: '3.14.0', tidemarkVersion: '0.1.0', revision: 'abcdef', branch: 'main', buildDate: '2026-11-21', compiler: 'gcc 12.2' };
    case 'status/runtimeinfo': return { startTime: new Date(Date.now() - 4e6).toISOString(), serverTime: new Date().toISOString(), reloadConfigSuccess: w.reloaded ?? true, lastConfigTime: new Date(Date.now() - 3e6).toISOString(), storageRetention: '15d', hostname: 'build-7' };
    case 'status/flags': return w.flags ?? { 'storage.tsdb.path': './data', 'web.listen-address': '127.0.0.1:9090', 'log.level': 'info', 'web.enable-lifecycle': 'false', 'alertmanager.config': '/etc/tidemark/alertmanager.yml', 'config.file': '/etc/tidemark/prometheus.yml', 'collect.host': 'true' };
    case 'status/config': return { yaml: w.yaml };
    case 'status/active_queries': return w.empty ? [] : w.active ?? [];
    case 'status/tsdb': return w.tsdb;
    case 'status/tsdb/blocks': return { blocks: w.empty ? [] : [6, 4, 2].map((h, i) => ({ ulid: `01B${i}`, minTime: Date.now() - (h + 2) * 3.6e6, maxTime: Date.now() - h * 3.6e6, stats: { numSamples: 5.7e6, numSeries: 12000 }, compaction: { level: 1 } })) };
    default:
      if (path.startsWith('label/')) {
        const wanted = /\.\*(.*?)\.\*/.exec(q.get('match[]') ?? '')?.[1]?.toLowerCase() ?? '';
        return w.names.filter((n) => n.toLowerCase().includes(wanted));
      }
      return undefined;
  }
}

async function relay(upstream, request, path, search, body) {
  const reply = await fetch(upstream + path + search, { method: request.method, headers: body ? { 'content-type': 'application/x-www-form-urlencoded' } : {}, body: body || undefined });
  return { status: reply.status, text: await reply.text() };
}

export function startMock({ name = 'usual', upstream = '', prefix = '/', port = 0 } = {}) {
  const state = { world: world(name), away: false, gate: undefined, asked: 0 };
  /** Answers nothing until the function that it gives is called. */
  const hold = () => {
    let release;
    state.gate = new Promise((done) => (release = done));
    return release;
  };
  const server = createServer((request, response) => void (async () => {
    const url = new URL(request.url, 'http://mock');
    if (state.away) return request.socket.destroy();
    if (!url.pathname.startsWith(prefix)) {
      response.writeHead(404);
      return response.end('beside the prefix');
    }
    const at = url.pathname.indexOf('/api/v1/');
    if (at < 0) {
      const file = staticFile('/' + url.pathname.slice(prefix.length));
      if (!file) {
        response.writeHead(404);
        return response.end();
      }
      response.writeHead(200, { 'content-type': file.type, 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
      return response.end(file.body);
    }
    state.asked++;
    const body = request.method === 'POST' ? await bodyOf(request) : '';
    await state.gate;
    const path = url.pathname.slice(at + 8);
    if (upstream) {
      const { status, text } = await relay(upstream, request, url.pathname.slice(at), url.search, body);
      response.writeHead(status, { 'content-type': 'application/json' });
      return response.end(text);
    }
    if (request.method === 'DELETE') {
      const row = !state.world.refused && state.world.active?.find((q) => `status/active_queries/${q.id}` === path);
      if (row) row.cancelled = true;
      response.writeHead(row ? 204 : 404, row ? {} : { 'content-type': 'application/json' });
      return response.end(row ? undefined : JSON.stringify({ status: 'error', errorType: 'not_found', error: 'no such query' }));
    }
    const data = answer(path, body ? new URLSearchParams(body) : url.searchParams, state);
    const bad = data === undefined ? 404 : data.error ? 400 : 200;
    response.writeHead(bad, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(bad === 200 ? { status: 'success', data } : { status: 'error', errorType: bad === 404 ? 'not_found' : 'bad_data', error: data?.error ?? 'no such endpoint' }));
  })().catch((why) => {
    response.writeHead(502);
    response.end(String(why));
  }));
  return new Promise((ready) => server.listen(port, '127.0.0.1', () => ready({
    url: `http://127.0.0.1:${server.address().port}${prefix}`, state, hold, set: (n) => (state.world = world(n)), close: () => {
      server.closeAllConnections();
      server.close();
    },
  })));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , name = 'usual', port = '9099', upstream = ''] = process.argv;
  const { url } = await startMock({ name, port: Number(port), upstream });
  console.log(url);
}
