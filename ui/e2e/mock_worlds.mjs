// The worlds that the mock server can be in: usual, empty, hostile, many.
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

const usualTargets = () => {
  const target = (job, instance, health, more = {}) => ({
    discoveredLabels: { __address__: instance, __metrics_path__: '/metrics', __scheme__: 'http', job },
    labels: { job, instance }, scrapePool: job, scrapeUrl: `http://${instance}/metrics`, globalUrl: `http://${instance}/metrics`,
    lastError: '', lastScrape: ago(3), lastScrapeDuration: 0.0121, health, scrapeInterval: '15s', scrapeTimeout: '10s',
    phases: { resolve: 0.0002, connect: 0.0004, tls: 0, first_byte: 0.0071, transfer: 0.0013, parse: 0.0006, store: 0.0004 }, status: 200, samples: 812, ...more,
  });
  return [
    target('tidemark', '127.0.0.1:9090', 'up'), target('host', 'build-7', 'up'),
    target('shop', 'shop-1:8080', 'up'), target('shop', 'shop-2:8080', 'up'),
    target('shop', 'shop-3:8080', 'down', { lastError: 'dial tcp 10.0.3.7:8080: connect: connection refused', lastReason: 'refused', status: 0, samples: 0, phases: { resolve: 0.0003, connect: 0.0011 } }),
    target('pay', 'pay-1:8080', 'down', {
      lastError: 'line 4: expected a number after the name, found "oops"', lastReason: 'body', samples: 0,
      bodyExcerpt: '# HELP pay_total Payments taken.\n# TYPE pay_total counter\npay_total{kind="card"} 1204\npay_total{kind="cash"} oops\npay_open 3\n', errorLine: 4,
    }),
    target('pay', 'pay-2:8080', 'unknown', { lastScrape: '0001-01-01T00:00:00Z', lastScrapeDuration: 0, phases: undefined, status: undefined, samples: undefined }),
  ];
};

const rule = (name, query, more = {}) => ({
  type: 'alerting', name, query, duration: 900, keepFiringFor: 0, labels: { severity: 'page' }, annotations: { summary: `${name} on {{ $labels.instance }}` },
  alerts: [], state: 'inactive', health: 'ok', evaluationTime: 0.00042, lastEvaluation: ago(6), ...more,
});

const usualGroups = () => [
  {
    name: 'host', file: '/etc/tidemark/rules/host.yml', interval: 15, limit: 0, evaluationTime: 0.0021, lastEvaluation: ago(6), rules: [
      rule('CloseWaitHigh', 'sum by (instance) (node_tcp_connection_states{state="close_wait"}) > 1000', {
        state: 'firing', alerts: [{
          labels: { alertname: 'CloseWaitHigh', severity: 'page', instance: 'build-7' }, state: 'firing', activeAt: ago(1700), value: '1.152e+03',
          annotations: { summary: '1152 connections in CLOSE_WAIT on build-7', description: 'A process accepts connections and never closes them after the peer has. Find it with: ss -tanp state close-wait', runbook_url: 'https://runbooks.example.org/close-wait' },
        }],
      }),
      rule('DiskFilling', '1 - node_filesystem_avail_bytes / node_filesystem_size_bytes > 0.85', {
        duration: 300, labels: { severity: 'ticket' }, state: 'pending', alerts: [{
          labels: { alertname: 'DiskFilling', severity: 'ticket', instance: 'build-7', job: 'host', mountpoint: '/home', device: '/dev/sda2' }, state: 'pending', activeAt: ago(80), value: '8.71e-01', annotations: { summary: '/home on build-7 is 87 % full' },
        }],
      }),
      rule('MemoryShort', 'node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0.1'),
      rule('HostSilent', 'absent(up{job="host"})'),
      rule('instance:node_cpu:rate5m', '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))', { type: 'recording', duration: undefined, alerts: undefined, state: undefined, annotations: undefined }),
    ],
  },
  {
    name: 'shop', file: '/etc/tidemark/rules/shop.yml', interval: 30, limit: 0, evaluationTime: 0.0009, lastEvaluation: ago(11), rules: [
      rule('ShopDown', 'up{job="shop"} == 0', {
        duration: 60, state: 'firing', alerts: [{ labels: { alertname: 'ShopDown', severity: 'page', instance: 'shop-3:8080', job: 'shop' }, state: 'firing', activeAt: ago(240), value: '0e+00', annotations: { summary: 'shop-3:8080 does not answer' } }],
      }),
      rule('ShopSlow', 'histogram_quantile(0.99, sum by (le, job) (rate(shop_request_seconds_bucket[5m]))) > on (job) group_left shop:budget', { health: 'err', lastError: '1:92: execution: many-to-many matching not allowed: matching labels must be unique on one side' }),
    ],
  },
];

const usualDeliveries = () => [
  { time: ago(12), receiver: 'ops-webhook', integration: 'webhook', status: 'ok', code: 200, attempt: 1, groupKey: '{}:{alertname="ShopDown"}', alerts: [{ status: 'firing', labels: { alertname: 'ShopDown', severity: 'page', instance: 'shop-3:8080', job: 'shop' } }] },
  { time: ago(95), receiver: 'ops-webhook', integration: 'webhook', status: 'failed', code: 503, attempt: 3, error: 'the receiver answered 503: upstream connect error', alerts: [{ status: 'firing', labels: { alertname: 'CloseWaitHigh', severity: 'page', instance: 'build-7' } }] },
  { time: ago(140), receiver: 'ops-webhook', integration: 'webhook', status: 'retrying', code: 503, attempt: 2, error: 'the receiver answered 503', alerts: [{ status: 'firing', labels: { alertname: 'CloseWaitHigh', severity: 'page', instance: 'build-7' } }] },
];

const active = () => {
  const end = Math.floor(Date.now() / 1000);
  const one = (id, query, runningSeconds, more) => ({ id, query, start: end - 86400, end, step: 60, began: ago(runningSeconds), runningSeconds, peer: '10.0.0.4', origin: '', class: 'adhoc', tenant: 0, series: 10000, samples: 57600000, bytes: 812e6, cancelled: false, ...more });
  return [
    one(4101, 'quantile_over_time(0.99, {__name__=~"shop_.+"}[1d:15s])', 48.2, { bytes: 1.9e9 }),
    one(4117, 'sum by (job) (rate(shop_request_seconds_count[5m]))', 3.1, { class: 'dashboard', origin: 'dashboard shop, panel 3', series: 812, samples: 1.4e6, bytes: 22e6 }),
    one(4119, 'count({__name__!=""})', 0.4, { step: 0, start: end, series: undefined, samples: undefined, bytes: undefined, class: undefined }),
  ];
};

const tsdb = (scale) => ({
  headStats: { numSeries: 12041 * scale, numLabelPairs: 3120 * scale, chunkCount: 48210 * scale, minTime: Date.now() - 7.2e6, maxTime: Date.now() },
  seriesCountByMetricName: [['node_cpu_seconds_total', 512], ['node_tcp_connection_states', 96], ['shop_request_seconds_bucket', 4100]].map(([name, value]) => ({ name, value: value * scale })),
  labelValueCountByLabelName: [['__name__', 911], ['le', 44], ['instance', 7]].map(([name, value]) => ({ name, value: value * scale })),
  memoryInBytesByLabelName: [['__name__', 24110], ['mountpoint', 1890]].map(([name, value]) => ({ name, value: value * scale })),
  seriesCountByLabelValuePair: [['job=shop', 8200], ['job=host', 1730]].map(([name, value]) => ({ name, value: value * scale })),
});

const up = (query) => {
  const hole = (t) => t % 3600 > 1500 && t % 3600 < 1800;
  if (/^avg by \(job\) \(up\)$/.test(query)) return [[{ job: 'tidemark' }, 1, 1], [{ job: 'host' }, 1, 1], [{ job: 'shop' }, 0.67, 0.67], [{ job: 'pay' }, 0, 0, hole]];
  if (/^up/.test(query)) {
    return usualTargets().map((t) => [{ __name__: 'up', ...t.labels }, t.health === 'up' ? 1 : 0, t.health === 'up' ? 1 : 0, t.health === 'down' ? hole : undefined]);
  }
  if (/^ALERTS/.test(query)) {
    return [[{ alertname: 'x', alertstate: 'pending' }, 1, 1, (t) => t < Date.now() / 1000 - 2600 || t > Date.now() / 1000 - 1700], [{ alertname: 'x', alertstate: 'firing' }, 1, 1, (t) => t < Date.now() / 1000 - 1700]];
  }
  return undefined;
};

/** Labels that break lines, turn the writing around and have no end. */
const MONSTERS = { long: 'y'.repeat(600), turned: '\u202eمرحبا\u202e rtl', signs: '🚒🔥', zalgo: 'e\u0337\u0321\u0331\u034d'.repeat(20), blank: ' ' };
export const HOSTILE = '<img src=x onerror="window.__broken=1"><script>window.__broken=1</script>{{"${}=cmd|calc';

export function world(name) {
  if (name === 'empty') {
    return { name, empty: true, targets: [], groups: [], deliveries: [], tsdb: { headStats: { numSeries: 0, numLabelPairs: 0, chunkCount: 0, minTime: 9223372036854775807, maxTime: -9223372036854775808 }, seriesCountByMetricName: [], labelValueCountByLabelName: [], memoryInBytesByLabelName: [], seriesCountByLabelValuePair: [] }, yaml: '', names: [] };
  }
  const usual = { name, targets: usualTargets(), groups: usualGroups(), deliveries: usualDeliveries(), tsdb: tsdb(1), active: active(), series: up, yaml: 'global:\n  scrape_interval: 15s\n  evaluation_interval: 15s\nscrape_configs:\n  - job_name: shop\n    basic_auth:\n      username: tidemark\n      password: <secret>\n    static_configs:\n      - targets: ["shop-1:8080"]\n', names: ['up', 'node_load1', 'node_cpu_seconds_total', 'node_memory_MemAvailable_bytes', 'process_cpu_seconds_total', 'scrape_duration_seconds'] };
  if (name === 'hostile') {
    const evil = (text) => ({ ...text, ...MONSTERS, [HOSTILE]: HOSTILE, instance: HOSTILE });
    const groups = usualGroups();
    for (const group of groups) {
      group.name = HOSTILE;
      for (const r of group.rules) {
        r.name = HOSTILE;
        r.annotations = { [HOSTILE]: HOSTILE, summary: HOSTILE, runbook_url: 'javascript:window.__broken=1' };
        for (const a of r.alerts ?? []) {
          a.labels = evil(a.labels);
          a.annotations = r.annotations;
        }
      }
    }
    const targets = usualTargets().map((t) => ({ ...t, labels: evil(t.labels), discoveredLabels: evil(t.discoveredLabels), scrapePool: HOSTILE, scrapeUrl: 'javascript:window.__broken=1', globalUrl: 'javascript:window.__broken=1', lastError: t.lastError && HOSTILE, bodyExcerpt: t.bodyExcerpt && HOSTILE }));
    return {
      ...usual, targets, groups, names: [HOSTILE], yaml: HOSTILE, flags: { [HOSTILE]: HOSTILE }, active: active().map((q) => ({ ...q, query: `{a="${HOSTILE}",b="${'y'.repeat(600)}"}`, origin: HOSTILE, class: HOSTILE })),
      tsdb: { ...tsdb(1), seriesCountByMetricName: [{ name: HOSTILE, value: 3 }] },
      series: (query) => (/count by \(job, instance\)/.test(query) ? [[{ job: HOSTILE, instance: HOSTILE }, 1, 1]] : [[{ ...MONSTERS, __name__: HOSTILE, [HOSTILE]: HOSTILE, job: HOSTILE }, 1, 9], [{ __name__: HOSTILE, [HOSTILE]: 'b', job: HOSTILE }, 1, 9]]),
    };
  }
  if (name === 'many') {
    const base = usualTargets()[2];
    return {
      ...usual,
      targets: Array.from({ length: 3000 }, (_, i) => ({ ...base, scrapePool: `job-${i % 30}`, labels: { job: `job-${i % 30}`, instance: `machine-${i}:9100` }, scrapeUrl: `http://machine-${i}:9100/metrics`, health: i % 97 === 0 ? 'down' : 'up', lastError: i % 97 === 0 ? 'context deadline exceeded' : '' })),
      groups: [{ ...usualGroups()[0], rules: Array.from({ length: 3000 }, (_, i) => rule(`Rule${i}`, `up{job="job-${i % 30}"} == 0`)) }],
      series: (query) => (/many/.test(query) ? Array.from({ length: 312 }, (_, i) => [{ __name__: 'many', id: String(i), zone: 'a' }, i, i + 40]) : up(query)),
    };
  }
  return usual;
}
