// Answers of a server that does not exist: plausible, deterministic series for any query of the pages.
// It evaluates nothing; it looks at the query's metric and its `by` labels and draws waves.

const HOST = { job: 'host', instance: 'build-7' };
const OWN = { job: 'tidemark', instance: '127.0.0.1:9090' };

/** metric → [labels, low, high]; the first pattern that fits the query decides. */
const SHAPES = [
  [/count by \(job, instance\) \(node_load1\)/, () => [[{ ...HOST }, 1, 1], [{ job: 'node', instance: 'shop-1:9100' }, 1, 1]]],
  [/count by \(instance\) \(node_load1/, () => [[HOST, 1, 1]]],
  [/count\(count by \(cpu\)/, () => [[{}, 8, 8]]],
  [/bottomk\(1, node_filesystem_avail/, () => [[{ ...HOST, mountpoint: '/var' }, 41 * 86400, 41 * 86400]]],
  [/node_cpu_seconds_total/, (q) => (/by \(mode\)/.test(q)
    ? [['user', 0.2, 0.35], ['system', 0.05, 0.12], ['iowait', 0.01, 0.06], ['softirq', 0.002, 0.01], ['irq', 0, 0.001], ['nice', 0, 0.002], ['steal', 0, 0.004]].map(([mode, a, b]) => [{ mode }, a, b])
    : [[HOST, 0.2, 0.5]])],
  [/node_tcp_connection_states/, (q) => (/"close_wait"/.test(q) && !/!~/.test(q)
    ? [[HOST, 700, 1180]]
    : ['established', 'time_wait', 'listen', 'fin_wait2', ...(/!~/.test(q) ? [] : ['close_wait'])].map((state, i) => [{ state }, 400 / (i + 1), 520 / (i + 1)]))],
  [/node_filesystem_(avail|size)/, () => ['/', '/var', '/home'].map((mountpoint, i) => [{ ...HOST, mountpoint, device: `/dev/sda${i}` }, 0.5 + i * 0.15, 0.52 + i * 0.15])],
  [/node_filesystem_/, () => ['/', '/var'].map((mountpoint) => [{ ...HOST, mountpoint }, 0, 0])],
  [/node_disk_(read|written)_bytes/, () => ['sda', 'nvme0n1'].map((device) => [{ ...HOST, device }, 2e5, 9e6])],
  [/node_disk_/, () => ['sda', 'nvme0n1'].map((device) => [{ ...HOST, device }, 0.01, 0.4])],
  [/node_network_\w+_bytes/, (q) => (/sum by/.test(q) ? [[HOST, 2e6, 9e6]] : ['eth0', 'eth1'].map((device) => [{ ...HOST, device }, 2e6, 9e6]))],
  [/node_network_/, () => ['eth0', 'eth1'].map((device) => [{ ...HOST, device }, 0, 0.4])],
  [/MemTotal_bytes\{[^}]*\} - |MemAvailable_bytes\{[^}]*\} - /, () => [[HOST, 5e9, 6e9]]],
  [/1 - node_memory/, () => [[HOST, 0.5, 0.6]]],
  [/node_memory_/, () => [[HOST, 2e9, 3e9]]],
  [/node_load1/, () => [[{ __name__: 'node_load1', ...HOST }, 1.2, 4.8]]],
  [/node_pressure/, () => [[HOST, 0.001, 0.09]]],
  [/node_filefd_allocated.*\//, () => [[HOST, 0.01, 0.02]]],
  [/node_filefd/, () => [[HOST, 11000, 12000]]],
  [/node_vmstat_oom_kill/, () => [[HOST, 0, 0]]],
  [/node_(vmstat|netstat)/, () => [[HOST, 0, 30]]],
  [/__name__=~"process_resident/, () => [
    [{ __name__: 'process_resident_memory_bytes', ...OWN }, 61e6, 61e6], [{ __name__: 'tidemark_memory_limit_bytes', ...OWN }, 4.8e9, 4.8e9],
    [{ __name__: 'tidemark_data_disk_free_bytes', ...OWN }, 210e9, 210e9], [{ __name__: 'tidemark_data_disk_size_bytes', ...OWN }, 480e9, 480e9],
    [{ __name__: 'prometheus_tsdb_storage_blocks_bytes', ...OWN }, 3.2e9, 3.2e9], [{ __name__: 'prometheus_tsdb_wal_storage_size_bytes', ...OWN }, 88e6, 88e6]]],
  [/delta\(tidemark_data_disk/, () => [[{}, -6e8, -6e8]]],
  [/iterations_missed/, () => [[{}, 0, 0]]],
  [/memory_limit/, () => [[{ __name__: 'tidemark_memory_limit_bytes', ...OWN }, 4.8e9, 4.8e9]]],
  [/process_resident/, () => [[{ __name__: 'process_resident_memory_bytes', ...OWN }, 58e6, 61e6]]],
  [/^tidemark_build_info$/, () => [[{ __name__: 'tidemark_build_info', version: '0.1.0', ...OWN }, 1, 1]]],
  [/process_cpu/, () => [[OWN, 0.01, 0.03]]],
  [/head_series/, () => [[{ __name__: 'prometheus_tsdb_head_series', ...OWN }, 11800, 12100]]],
  [/samples_appended/, () => [[OWN, 760, 820]]],
  [/wal_storage|storage_blocks/, () => [[OWN, 7e7, 9e7]]],
  [/rule_group_last_duration/, (q) => (/max by/.test(q) ? [[OWN, 0.0008, 0.003]] : ['host', 'shop'].map((g) => [{ ...OWN, rule_group: `/etc/tidemark/rules/${g}.yml;${g}` }, 0.0008, 0.003]))],
  [/rule_group_last_evaluation_samples/, () => [[{ ...OWN, rule_group: '/etc/tidemark/rules/host.yml;host' }, 214, 214]]],
  [/scrape_duration_seconds/, () => [[{ __name__: 'scrape_duration_seconds', ...OWN }, 0.004, 0.02]]],
];

const wave = (seed, t) => 0.5 + 0.3 * Math.sin(t / 410 + seed) + 0.15 * Math.sin(t / 97 + seed * 3) + 0.05 * Math.sin(t / 13 + seed * 7);

export function hash(text) {
  let h = 7;
  for (let i = 0; i < text.length; i++) h = (Math.imul(h, 31) + text.charCodeAt(i)) >>> 0;
  return h;
}

/** The series of a query: [{metric, at(t)}]; `world` adds its own metrics. */
export function seriesOf(query, world) {
  if (world.empty) return [];
  const own = world.series?.(query);
  const shapes = own ?? SHAPES.find(([pattern]) => pattern.test(query))?.[1](query) ?? [];
  return shapes.map(([metric, low, high, hole]) => {
    const seed = hash(JSON.stringify(metric) + query) % 97;
    return { metric, at: (t) => (hole?.(t) ? undefined : low === high ? low : low + (high - low) * wave(seed, t)) };
  });
}

export function matrix(query, start, end, step, world) {
  return seriesOf(query, world).map(({ metric, at }) => {
    const values = [];
    for (let t = start; t <= end + 1e-6; t += step) {
      const v = at(t);
      if (v !== undefined) values.push([t, String(Number(v.toPrecision(7)))]);
    }
    return { metric, values };
  }).filter((s) => s.values.length > 0);
}

export function vector(query, time, world) {
  const inner = /^timestamp\((.*)\)$/s.exec(query)?.[1];
  if (inner) {
    return vector(inner, time, world).map(({ metric: { __name__: _name, ...metric } }) => ({ metric, value: [time, String(time - 3)] }));
  }
  return seriesOf(query, world).map(({ metric, at }) => ({ metric, value: [time, String(Number((at(time) ?? 0).toPrecision(7)))] }));
}

/** A native histogram that wanders, with a hole in the middle. */
export function sketches(start, end, step) {
  const histograms = [];
  for (let t = start; t <= end; t += step) {
    if (t > start + (end - start) * 0.4 && t < start + (end - start) * 0.5) continue;
    const middle = 8 + 4 * wave(3, t);
    const buckets = Array.from({ length: 24 }, (_, i) => [0, String(2 ** (i / 2) / 1000), String(2 ** ((i + 1) / 2) / 1000), String(Math.round(100 * Math.exp(-((i - middle) ** 2) / 8)))]).filter((b) => b[3] !== '0');
    histograms.push([t, { count: String(buckets.reduce((n, b) => n + Number(b[3]), 0)), sum: '12', buckets }]);
  }
  return [{ metric: { __name__: 'sketch', job: 'shop' }, histograms }];
}

/** A plan of three parts, in the server's form. */
export function plan(query, ran) {
  const part = (op, detail, [series, samples, samplesRead, bytes, seconds], children) => ({ op, detail, ...(ran && { series, samples, samplesRead, bytes, seconds }), children });
  const tree = part('query', '361 steps of 10s', [4, 0, 0, 18000, 0.00004], [
    part('aggregate', 'sum by (job)', [4, 0, 0, 24000, 0.0021], [
      part('range', 'rate over 5m', [812, 1.46e6, 0, 9e6, 0.0112], [part('select', query.slice(0, 200), [812, 0, 292320, 4.1e6, 0.0034], [])]),
    ]),
  ]);
  return { text: 'query\n  aggregate\n', analyzed: ran, tree };
}

/** Sixty single events over the range, one of them far above the others. */
export function exemplars(start, end, world) {
  const id = (i) => hash(`trace ${i}`).toString(16).padStart(8, '0').repeat(2);
  const exemplars = Array.from({ length: 60 }, (_, i) => ({ labels: { trace_id: id(i), route: world.exemplar ?? '/pay' }, value: String(i === 30 ? 90 : 1 + 3 * wave(1, i * 50)), timestamp: start + ((i + 0.5) / 60) * (end - start) }));
  return [{ seriesLabels: { __name__: 'shop_request_seconds_bucket', job: 'shop', le: '5' }, exemplars }];
}
