import { describe, expect, it } from 'vitest';
import type { RuleGroup, Target } from '../api_types';
import { alertRows, deliveriesFor, splitThreshold, valueSide } from './alerts';
import { findBase } from './base';
import { forecast, timeLeft } from './forecast';
import { commonLabels, fillLegend, labelKey, matchesWords, selector, seriesName } from './labels';
import { ownMatch } from './own';
import { notifierOff, undelivered, whyNot } from './paging';
import { fillQuery } from './range_query';
import { heat, heatCells, heatScale } from './sketch';
import { searchMatcher } from './search';
import { alignSpan, chooseStep, picture, runs, stacked, strongest } from './series';
import { guessUnit } from './units';
import { resolvePage } from './url';
import { verdict } from './verdict';
import { hostSections } from './host_panels';

describe('forecasts', () => {
  it('want half an hour of data before they speak', () => {
    expect(forecast('x')).toBe('bottomk(1, x / (-deriv(x[6h]) > 0) and x offset 30m) or -absent(x offset 30m)');
    expect(timeLeft(-1)).toBe('not enough data yet');
    expect(timeLeft(undefined)).toBe('not shrinking');
    expect(timeLeft(0)).toBe('0 h');
    expect(timeLeft(3600 * 5)).toBe('5 h');
    expect(timeLeft(41 * 86400)).toBe('41 days');
    expect(timeLeft(400 * 86400)).toBe('over a year');
  });
});

describe('addresses', () => {
  it('finds the base before the page', () => {
    expect(findBase('/')).toBe('/');
    expect(findBase('/query')).toBe('/');
    expect(findBase('/mon/dashboards/host')).toBe('/mon/');
    expect(findBase('/a/b/alerts/')).toBe('/a/b/');
    expect(findBase('/a/b/')).toBe('/a/b/');
    expect(findBase('/nonsense')).toBe('/');
  });
  it('leads upstream’s paths to our tabs and keeps parameters', () => {
    const [page, query] = resolvePage('/mon/rules', '?q=x', '/mon/');
    expect(page).toBe('/alerts');
    expect(query.get('tab')).toBe('rules');
    expect(query.get('q')).toBe('x');
    expect(resolvePage('/tsdb-status', '', '/')[1].get('tab')).toBe('tsdb');
    expect(resolvePage('/graph', '?g0.expr=up', '/')[0]).toBe('/query');
    expect(resolvePage('/', '', '/')[0]).toBe('/');
    expect(resolvePage('/dashboards/host/', '', '/')[0]).toBe('/dashboards/host');
  });
});

describe('labels', () => {
  it('write selectors that PromQL reads', () => {
    expect(selector({ __name__: 'up', job: 'a"b\\c\n' })).toBe('up{job="a\\"b\\\\c\\n"}');
    expect(selector({ a: '\u202ex\u2066' })).toBe('{a="\\u202ex\\u2066"}');
    expect(selector({ __name__: 'http.requests', 'a b': '1' })).toBe('{"http.requests", "a b"="1"}');
    expect(selector({})).toBe('{}');
    expect(selector({ __name__: 'up' })).toBe('up');
  });
  it('take out what all share', () => {
    const all = [{ __name__: 'x', job: 'a', i: '1' }, { __name__: 'x', job: 'a', i: '2' }];
    expect(commonLabels(all)).toEqual({ __name__: 'x', job: 'a' });
    expect(seriesName(all[0]!, commonLabels(all))).toBe('1');
    expect(seriesName({}, {})).toBe('value');
    expect(commonLabels([{ a: 'b' }])).toEqual({});
  });
  it('have keys without order, and legends are filled with text only', () => {
    expect(labelKey({ a: '1', b: '2' })).toBe(labelKey({ b: '2', a: '1' }));
    expect(labelKey({ a: '1' })).not.toBe(labelKey({ a: '2' }));
    expect(fillLegend('{{device}} in {{ nope }}', { device: '<b>$&' })).toBe('<b>$& in ');
    expect(matchesWords('Shop Down page', 'down SHOP')).toBe(true);
    expect(matchesWords('Shop', 'down')).toBe(false);
  });
  it('search safely', () => {
    expect(searchMatcher('node cpu')).toBe('{__name__=~"(?i).*node.*cpu.*"}');
    expect(searchMatcher('a.b"(')).toBe('{__name__=~"(?i).*a\\\\.b\\"\\\\(.*"}');
    expect(hostSections({ job: 'host', instance: '"} or vector(1) #' })[0]!.panels[0]!.queries[0]!.expr).toContain('instance="\\"} or vector(1) #"');
  });
});

describe('pictures', () => {
  const item = (job: string, values: [number, string][]) => ({ metric: { __name__: 'up', job }, values });
  it('keep holes and never invent', () => {
    const p = picture([{ items: [item('a', [[0, '1'], [120, '3']])] }], 0, 180, 60);
    expect(p.times).toEqual([0, 60, 120, 180]);
    expect(p.lines[0]!.values).toEqual([1, null, 3, null]);
    expect(p.lines[0]).toMatchObject({ last: null, min: 1, max: 3, avg: 2 });
  });
  it('keep NaN apart from holes and out of the figures', () => {
    const p = picture([{ items: [item('a', [[0, 'NaN'], [60, '+Inf'], [120, '2']])] }], 0, 120, 60);
    expect(p.lines[0]!.values[0]).toBeNaN();
    expect(p.lines[0]!.values[1]).toBe(Infinity);
    expect(p.lines[0]!.min).toBe(2);
  });
  it('name lines by what differs', () => {
    const p = picture([{ items: [item('a', [[0, '1']]), item('b', [[0, '1']])] }], 0, 0, 60);
    expect(p.common).toEqual({ __name__: 'up' });
    expect(p.lines.map((l) => l.name)).toEqual(['a', 'b']);
  });
  it('keep keys apart when a legend repeats', () => {
    const p = picture([{ items: [item('a', []), item('b', [])], legend: 'same' }], 0, 0, 60);
    expect(new Set(p.lines.map((l) => l.key)).size).toBe(2);
  });
  it('draw the strongest hundred, in order', () => {
    const many = picture([{ items: Array.from({ length: 150 }, (_, i) => item(`j${i}`, [[0, String(i)]])) }], 0, 0, 60);
    const drawn = strongest(many.lines, 100);
    expect(drawn).toHaveLength(100);
    expect(drawn[0]!.max).toBe(50);
    expect(strongest(drawn, 100)).toHaveLength(100);
  });
  it('stack with holes as holes', () => {
    const p = picture([{ items: [item('a', [[0, '1'], [120, '1']]), item('b', [[0, '2'], [60, '2'], [120, '2']])] }], 0, 120, 60);
    expect(stacked(p.lines, 3)).toEqual([[1, null, 1], [3, 2, 3]]);
  });
  it('choose steps and grids', () => {
    expect(chooseStep(3600, 720)).toBe(15);
    expect(chooseStep(300, 1200)).toBe(1);
    expect(86400 * 365 / chooseStep(86400 * 365, 1200)).toBeLessThanOrEqual(1000);
    expect(alignSpan(1003, 4603, 15)).toEqual({ start: 990, end: 4590 });
    expect(fillQuery('rate(x[$rate]) by $step', 15)).toBe('rate(x[1m]) by 15s');
    expect(fillQuery('rate(x[$rate])', 300)).toBe('rate(x[10m])');
    expect(runs([1, 1, null, 0])).toEqual([{ from: 0, to: 2, value: 1 }, { from: 2, to: 3, value: null }, { from: 3, to: 4, value: 0 }]);
  });
});

describe('native histograms', () => {
  const value = (buckets: [number, string, string, string][]) => ({ count: '3', sum: '1', buckets });
  it('become rows of buckets, gaps stay gaps', () => {
    const cells = heatCells([value([[0, '1', '2', '2'], [0, '-1', '1', '1']]), null, value([[0, '2', '4', '5']])]);
    expect(cells.rows).toMatchObject([{ low: -1, high: 1 }, { low: 1, high: 2 }, { low: 2, high: 4 }]);
    expect(cells.rows.map((row) => [row.closed, row.joined])).toEqual([[[false, true], 1], [[false, true], 1], [[false, true], 1]]);
    expect(cells.counts).toEqual([[1, null, 0], [2, null, 0], [0, null, 5]]);
    expect(cells.most).toBe(5);
  });
  it('keep the room of buckets that do not occur', () => {
    const rows = (...buckets: [number, string, string, string][]) => heatCells([value(buckets)]).rows.map((row) => [row.low, row.high, row.joined].map((x) => Number(x.toPrecision(9))));
    expect(rows([0, '1', '2', '1'], [0, '16', '32', '1'])).toEqual([[1, 2, 1], [2, 4, 0], [4, 8, 0], [8, 16, 0], [16, 32, 1]]);
    expect(rows([1, '-32', '-16', '1'], [1, '-4', '-2', '1'])).toEqual([[-32, -16, 1], [-16, -8, 0], [-8, -4, 0], [-4, -2, 1]]);
    expect(rows([3, '-0.001', '0.001', '1'], [0, '4', '8', '1'])).toEqual([[-0.001, 0.001, 1], [0.001, 4, 0], [4, 8, 1]]);
    expect(rows([0, '0.5', '1', '1'], [0, '8', '+Inf', '1'])).toEqual([[0.5, 1, 1], [1, 2, 0], [2, 4, 0], [4, 8, 0], [8, Infinity, 1]]);
    expect(rows([3, '-Inf', '-4', '1'], [3, '4', '+Inf', '1'])).toEqual([[-Infinity, -4, 1], [-4, 4, 0], [4, Infinity, 1]]);
    expect(rows([0, '1', '1.0001', '1'], [0, '1e9', '2e9', '1'])).toHaveLength(3);
    const ends = heatCells([value([[0, '1', '2', '1'], [0, '4', '8', '1']])]).rows;
    expect(ends[1]).toEqual({ low: 2, high: 4, closed: [false, true], joined: 0 });
  });
  it('are drawn the stronger the more there is, nothing as nothing', () => {
    expect([heat(0, 9), heat(9, 9), heat(5, 0)]).toEqual([0, 1, 0]);
    expect(heat(1, 1e6)).toBeGreaterThan(0.1);
    const scale = heatScale(100, 5);
    expect(scale).toEqual([4, 16, 36, 64, 100].map((x) => expect.closeTo(x, 9)));
    expect(scale.map((count) => heat(count, 100))).toEqual([0.28, 0.46, 0.64, 0.82, 1].map((x) => expect.closeTo(x, 9)));
  });
  it('merge rows beyond the limit without losing a count', () => {
    const many = value(Array.from({ length: 50 }, (_, i): [number, string, string, string] => [0, String(i), String(i + 1), '1']));
    const cells = heatCells([many], 10);
    expect(cells.rows).toHaveLength(10);
    expect(cells.counts.reduce((sum, row) => sum + (row[0] ?? 0), 0)).toBe(50);
  });
  it('come out of an answer beside its lines', () => {
    const p = picture([{ items: [{ metric: { __name__: 'h' }, histograms: [[60, value([[0, '1', '2', '3']])]] }] }], 0, 60, 60);
    expect(p.lines).toHaveLength(0);
    expect(p.sketches[0]!.points[0]).toBeNull();
    expect(p.sketches[0]!.points[1]!.count).toBe('3');
  });
});

describe('alerts', () => {
  it('split an expression from its threshold', () => {
    expect(splitThreshold('sum(x{a=">5"}) > 1000')).toEqual({ left: 'sum(x{a=">5"})', op: '>', bound: 1000 });
    expect(splitThreshold('up == 0')).toEqual({ left: 'up', op: '==', bound: 0 });
    expect(splitThreshold('a <= 1e3')).toEqual({ left: 'a', op: '<=', bound: 1000 });
    expect(splitThreshold('a > b')).toBeUndefined();
    expect(splitThreshold('a > 1 and b > 2')).toBeUndefined();
    expect(splitThreshold('absent(up)')).toBeUndefined();
    expect(splitThreshold('(a > 1)and b')).toBeUndefined();
  });
  it('take their unit from what is compared, not from what it is compared with', () => {
    expect(valueSide('node_load15 > on (instance) 2 * count by (instance) (node_cpu_seconds_total{mode="idle"})')).toBe('node_load15');
    expect(guessUnit(valueSide('node_load15 > on (instance) 2 * count(node_cpu_seconds_total)'))).toBe('count');
    expect(valueSide('rate(a_bytes_total[5m]) > 1 and on () b_seconds')).toBe('rate(a_bytes_total[5m])');
    expect(valueSide('a_bytes unless b_seconds')).toBe('a_bytes');
    expect(valueSide('absent(up{job="a > b"})')).toBe('absent(up{job="a > b"})');
    expect(splitThreshold('(a > 1)')).toBeUndefined();
  });
  const group = (alerts: { state: 'firing' | 'pending'; activeAt: string; i: string }[]): RuleGroup => ({
    name: 'g', file: 'f', interval: 15, evaluationTime: 0, lastEvaluation: '', rules: [{
      type: 'alerting', name: 'A', query: 'x > 1', health: 'ok', evaluationTime: 0, lastEvaluation: '',
      alerts: alerts.map((a) => ({ labels: { alertname: 'A', i: a.i }, annotations: {}, state: a.state, activeAt: a.activeAt, value: '1.5e+01' })),
    }],
  });
  it('come by state, then the newest first', () => {
    const rows = alertRows([group([
      { state: 'pending', activeAt: '2026-01-03T00:00:00Z', i: 'p' }, { state: 'firing', activeAt: '2026-01-01T00:00:00Z', i: 'old' },
      { state: 'firing', activeAt: '2026-01-02T00:00:00Z', i: 'new' },
    ])]);
    expect(rows.map((r) => r.labels.i)).toEqual(['new', 'old', 'p']);
    expect(rows[0]!.value).toBe(15);
    expect(new Set(rows.map((r) => r.id)).size).toBe(3);
  });
  it('find what was sent for them', () => {
    const sent = { time: '', receiver: 'r', integration: 'webhook', status: 'ok' as const, alerts: [{ status: 'firing', labels: { alertname: 'A', i: '1' } }] };
    expect(deliveriesFor({ alertname: 'A', i: '1', more: 'x' }, [sent])).toHaveLength(1);
    expect(deliveriesFor({ alertname: 'A', i: '2' }, [sent])).toHaveLength(0);
    expect(deliveriesFor({ alertname: 'B', i: '1' }, [sent])).toHaveLength(0);
  });
});

describe('paging', () => {
  const at = 1795161600;
  const sent = (age: number, status: 'ok' | 'failed' | 'retrying', more = {}) => ({ time: new Date((at - age) * 1000).toISOString(), receiver: 'team', integration: 'webhook', groupKey: 'a', status, alerts: [], ...more });
  it('judges each page by its last try, whatever the order', () => {
    expect(undelivered([sent(60, 'failed'), sent(5, 'ok')], at)).toEqual([]);
    expect(undelivered([sent(5, 'failed'), sent(60, 'ok')], at)).toHaveLength(1);
    expect(undelivered([sent(5, 'ok', { groupKey: 'b' }), sent(9, 'retrying')], at)).toHaveLength(1);
    expect(undelivered([sent(9, 'failed', { receiver: 'old' }), sent(5, 'failed')], at).map((d) => d.receiver)).toEqual(['team', 'old']);
    expect(undelivered([sent(7200, 'failed')], at)).toEqual([]);
  });
  it('says why in words, and never that the answer was 0', () => {
    expect(whyNot({ ...sent(1, 'failed'), code: 0, error: "Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server: Connection refused" })).toBe('connection refused');
    expect(whyNot({ ...sent(1, 'failed'), code: 0 })).toBe('no answer');
    expect(whyNot({ ...sent(1, 'failed'), code: 503, error: 'the receiver answered 503' })).toBe('the receiver answered 503');
    expect(whyNot({ ...sent(1, 'failed'), code: 400, error: 'bad token' })).toBe('answer 400: bad token');
    expect(whyNot({ ...sent(1, 'failed'), error: 'x'.repeat(900) })).toHaveLength(160);
  });
  it('is off only when the server says that it has no configuration', () => {
    expect(notifierOff({ 'alertmanager.config': '' })).toBe(true);
    expect(notifierOff({ 'alertmanager.config': 'am.yml' })).toBe(false);
    expect(notifierOff({})).toBe(false);
    expect(notifierOff(undefined)).toBe(false);
  });
});

describe('Tidemark itself', () => {
  const one = (job: string, instance: string) => ({ job, instance });
  it('is found under any name of its job', () => {
    expect(ownMatch([one('self', 'a:1')], 'x')).toBe('job="self",instance="a:1"');
    expect(ownMatch([one('tidemark', 'a:1'), one('fleet', 'b:1')], 'b:1')).toBe('job="fleet",instance="b:1"');
    expect(ownMatch([one('fleet', 'b:1'), one('tidemark', 'a:1')], 'x')).toBe('job="tidemark"');
    expect(ownMatch([one('a"b', 'i')], 'x')).toBe('job="a\\"b",instance="i"');
    expect(ownMatch([], 'x')).toBe('');
  });
});

describe('the verdict', () => {
  const now = 1795161600;
  const target = (health: Target['health']) => ({ health, lastScrape: new Date((now - 3) * 1000).toISOString() }) as Target;
  const facts = { now, firing: 0, pending: 0, brokenRules: 0, away: 0 };
  it('is calm when all is well', () => {
    expect(verdict({ ...facts, targets: [target('up'), target('up')] })).toEqual({ mood: 'ok', text: 'All 2 targets are up; no alert is firing; data is 3 s old.' });
  });
  it('names what is wrong', () => {
    const said = verdict({ ...facts, targets: [target('up'), target('down')], firing: 1, brokenRules: 1 });
    expect(said.mood).toBe('firing');
    expect(said.text).toBe('1 of 2 targets is down; 1 alert is firing; 1 rule cannot be evaluated; data is 3 s old.');
  });
  it('is no better than what is said beside it', () => {
    const calm = { ...facts, targets: [target('up')] };
    expect(verdict({ ...calm, checks: 'firing' }).mood).toBe('firing');
    expect(verdict({ ...calm, checks: 'pending' }).mood).toBe('pending');
    expect(verdict({ ...calm, checks: 'ok' }).mood).toBe('ok');
    expect(verdict({ ...calm, firing: 1, checks: 'pending' }).mood).toBe('firing');
    expect(verdict({ ...calm, checks: 'firing', away: now - 60 }).mood).toBe('unknown');
  });
  it('does not trust silence', () => {
    expect(verdict({ ...facts, targets: [target('up')], away: now - 60 }).mood).toBe('unknown');
    expect(verdict({ ...facts, targets: undefined, firing: undefined }).mood).toBe('unknown');
    expect(verdict({ ...facts, targets: [] }).mood).toBe('pending');
    expect(verdict({ ...facts, now: now + 600, targets: [target('up')] }).mood).toBe('unknown');
  });
});
