import { describe, expect, it } from 'vitest';
import { sentence } from '../api';
import type { ActiveQuery, PlanNode } from '../api_types';
import { endWord, mergeActive } from './active';
import { readExemplars, sameKind, thinned, traceOf } from './exemplars';
import { historyKey, readPast, withQuery } from './history';
import { heaviest, planRows, seenRows } from './plan';
import { picture, strongest } from './series';
import { enoughStep, fitOf, stepOf } from './step';

const running = (id: number, more: Partial<ActiveQuery> = {}): ActiveQuery => ({
  id, query: 'up', start: 0, end: 60, step: 15, began: '2026-11-21T00:00:00Z', runningSeconds: 1, cancelled: false, ...more,
});

describe('running queries', () => {
  const ids = (rows: readonly { id: number }[]) => rows.map((row) => row.id);
  it('stand in the order of their ids, whatever the server sends', () => {
    expect(ids(mergeActive([], [running(7), running(2), running(11)], 100, false))).toEqual([2, 7, 11]);
  });
  it('stay in place when they have ended, and leave ten seconds later', () => {
    let rows = mergeActive([], [running(1), running(2, { cancelled: true })], 100, false);
    rows = mergeActive(rows, [running(3)], 102, false);
    expect(rows.map((row) => [row.id, row.ended])).toEqual([[1, 102], [2, 102], [3, undefined]]);
    expect(rows.slice(0, 2).map((row) => endWord(row, false))).toEqual(['ended', 'cancelled']);
    expect(endWord(rows[0]!, true)).toBe('cancelled');
    rows = mergeActive(rows, [running(3)], 111, false);
    expect(ids(rows)).toEqual([1, 2, 3]);
    rows = mergeActive(rows, [running(3)], 112, false);
    expect(ids(rows)).toEqual([3]);
  });
  it('do not leave under the pointer', () => {
    let rows = mergeActive([], [running(1)], 100, false);
    rows = mergeActive(rows, [], 102, true);
    rows = mergeActive(rows, [], 500, true);
    expect(ids(rows)).toEqual([1]);
    expect(mergeActive(rows, [], 502, false)).toEqual([]);
  });
});

describe('queries of before', () => {
  it('are kept apart by base path and tenant', () => {
    const keys = [['/', '0'], ['/', '1'], ['/a/', '0'], ['/a', '/0']].map(([base, whose]) => historyKey(base!, whose!));
    expect(new Set(keys).size).toBe(4);
  });
  it('are newest first, each once', () => {
    let list = withQuery(withQuery(withQuery([], 'a', 1), 'b', 2), 'a', 3);
    expect(list).toEqual([{ query: 'a', at: 3 }, { query: 'b', at: 2 }]);
    for (let i = 0; i < 500; i++) list = withQuery(list, `q${i}`, i);
    expect(list).toHaveLength(200);
    expect(list[0]!.query).toBe('q499');
  });
  it('are bounded in length, one by one and together', () => {
    expect(withQuery([], 'x'.repeat(8001), 1)).toEqual([]);
    let list: { query: string; at: number }[] = [];
    for (let i = 0; i < 100; i++) list = withQuery(list, `${i}`.padEnd(7000, 'x'), i);
    expect(list.reduce((n, one) => n + one.query.length, 0)).toBeLessThanOrEqual(200000);
    expect(list[0]!.query).toMatch(/^99x/);
  });
  it('survive what else may stand in the store', () => {
    for (const text of [null, '', '{', '{}', '7', 'null', '[null,3,"x",{"query":1,"at":1},{"query":"a"},{"query":"a","at":null}]']) expect(readPast(text)).toEqual([]);
    expect(readPast('[{"query":"up","at":5,"more":1},null]')).toEqual([{ query: 'up', at: 5 }]);
  });
});

describe('steps', () => {
  it('are seconds or a duration, else the page chooses', () => {
    expect([stepOf('30'), stepOf('1m30s'), stepOf(' 0.5 '), stepOf('250ms')]).toEqual([30, 90, 0.5, 0.25]);
    expect(['', '0', '-5', 'x', '1e999', '0s'].map(stepOf)).toEqual(Array(6).fill(undefined));
  });
  it('that would fit are read out of a refusal', () => {
    expect(fitOf('exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX); step=30s would fit')).toEqual({ step: 30 });
    expect(fitOf('the query needs 12 GB of 1 GB (--query.max-memory); step 60s would fit')).toEqual({ step: 60 });
    expect(fitOf('more than 50000000 samples (--query.max-samples): step=1m30s would fit')).toEqual({ step: 90 });
    expect(fitOf('too much; a range of 6h would fit')).toEqual({ range: 21600 });
    expect(fitOf('step=30s does not fit; nothing would fit')).toEqual({});
  });
  it('are fine enough when each pixel has a point', () => {
    expect(enoughStep(900, 3600, 1000)).toBeUndefined();
    expect(enoughStep(3601, 3600, 1000)).toBe(5);
    expect(enoughStep(3601, 3600, 0)).toBeUndefined();
  });
});

describe('the choice of a hundred series', () => {
  const item = (id: string, values: number[]) => ({ metric: { id }, values: values.map((v, i): [number, string] => [i * 10, Number.isFinite(v) ? String(v) : Number.isNaN(v) ? 'NaN' : '+Inf']) });
  const { lines } = picture([{ items: [item('peak', [9, 0, 0]), item('late', [0, 0, 5]), item('steady', [4, 4, 4]), item('nan', [NaN, NaN, NaN]), item('inf', [0, Infinity, 0])] }], 0, 20, 10);
  const ids = (by: 'last' | 'max' | 'avg', most = 2, skip = 0) => strongest(lines, most, by, skip).map((line) => line.labels.id);
  it('is by last value, by maximum or by mean, in the old order', () => {
    expect(ids('last')).toEqual(['late', 'steady']);
    expect(ids('max')).toEqual(['peak', 'inf']);
    expect(ids('avg')).toEqual(['steady', 'inf']);
  });
  it('has the rest one page away, those without a number last', () => {
    expect(ids('max', 2, 2)).toEqual(['late', 'steady']);
    expect(ids('max', 2, 4)).toEqual(['nan']);
  });
});

describe('plans', () => {
  const leaf = (seconds?: number) => ({ op: 'select', detail: 'up', seconds });
  it('are rows depth first, with the time of all below', () => {
    const rows = planRows({ op: 'query', detail: '', seconds: 1, children: [{ op: 'aggregate', detail: 'sum', seconds: 2, children: [leaf(8)] }, leaf(4)] });
    expect(rows.map((row) => [row.id, row.depth, row.own, row.whole])).toEqual([[0, 0, 1, 15], [1, 1, 2, 10], [2, 2, 8, 8], [3, 1, 4, 4]]);
    expect(heaviest(rows)?.id).toBe(2);
    expect(seenRows(rows, new Set([1])).map((row) => row.id)).toEqual([0, 1, 3]);
    expect(seenRows(rows, new Set([0])).map((row) => row.id)).toEqual([0]);
  });
  it('may be without figures, and as deep as a query may be', () => {
    expect(planRows(leaf())).toMatchObject([{ own: 0, whole: 0, parts: 0 }]);
    expect(heaviest(planRows(leaf()))).toBeUndefined();
    let deep: PlanNode = leaf(1);
    for (let i = 0; i < 5000; i++) deep = { op: 'unary', detail: '-', seconds: 0, children: [deep] };
    const rows = planRows(deep);
    expect([rows.length, rows[0]!.whole]).toEqual([5001, 1]);
  });
});

describe('exemplars', () => {
  const at = (timestamp: number, value: string) => ({ labels: { trace_id: `t${timestamp}` }, value, timestamp });
  const found = readExemplars([{ seriesLabels: { le: '1' }, exemplars: [at(30, '2'), at(10, '1')] }, { seriesLabels: { le: '2' }, exemplars: [at(20, 'NaN'), at(15, '+Inf'), at(25, '5')] }]);
  it('stand by time, without what has no place', () => {
    expect(found.map((x) => [x.time, x.value, x.series.le])).toEqual([[10, 1, '1'], [25, 5, '2'], [30, 2, '1']]);
  });
  it('are thinned to the highest and the middle one of each moment', () => {
    const many = readExemplars([{ seriesLabels: {}, exemplars: Array.from({ length: 1000 }, (_, i) => at(i + 0.5, String(i % 10))) }]);
    const kept = thinned(many, 0, 1000, 100);
    expect(kept).toHaveLength(100);
    expect([kept.filter((x) => x.value === 9).length, kept.filter((x) => x.value === 4).length]).toEqual([50, 50]);
    expect(thinned(many, 0, 1000, 1000)).toHaveLength(1000);
  });
  it('name their trace, whatever it is called', () => {
    expect([{ trace_id: 'a' }, { traceID: 'b' }, { TraceId: 'c' }, { span_id: 'd' }].map((labels) => traceOf(labels as unknown as Record<string, string>))).toEqual(['a', 'b', 'c', undefined]);
  });
  it('stand at their value only where the graph shows values of their kind', () => {
    for (const expr of ['histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))', 'rate(x_sum[5m]) / rate(x_count[5m])', 'histogram_avg(x)']) expect(sameKind(expr)).toBe(true);
    for (const expr of ['rate(x_bucket[5m])', 'x_bucket', 'rate(x_count[5m])', 'increase(x_total[1h])']) expect(sameKind(expr)).toBe(false);
  });
});

describe('a refusal', () => {
  it('says who cancelled, and what is too much', () => {
    expect(sentence(499, 'canceled', 'query was canceled').text).toMatch(/was cancelled on the server.*Run it again/);
    expect(sentence(503, 'canceled', 'query was canceled').text).toMatch(/was cancelled on the server/);
    expect(sentence(503, 'timeout', 'x').text).toMatch(/ran out of time/);
    expect(sentence(429, '', 'x').kind).toBe('refused');
    expect(sentence(500, '', 'x').text).toMatch(/\(500\)/);
  });
});
