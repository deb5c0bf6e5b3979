// Home's small multiples: this host, and what Tidemark itself costs.
import type { ComponentChildren } from 'preact';
import { api } from '../api';
import type { QueryData } from '../api_types';
import { forecast, timeLeft } from '../model/forecast';
import { useResource, type Resource } from '../model/resource';
import { parseValue } from '../model/series';
import { show } from '../model/units';
import { href } from '../model/url';
import { Loaded } from '../widgets/bits';
import { Panel, type PanelProps } from '../widgets/panel';

const HEIGHT = 84;
const HOST = 'job="host"';
const MOUNTS = 'fstype!~"tmpfs|ramfs|squashfs|overlay|devtmpfs|nsfs|autofs"';

const HOST_PANELS: Omit<PanelProps, 'small'>[] = [
  {
    title: 'CPU busy', look: { unit: 'ratio', height: HEIGHT, compact: true, top: 1 },
    queries: [{ expr: `1 - avg by (instance) (rate(node_cpu_seconds_total{${HOST},mode="idle"}[$rate]))`, legend: 'busy' }],
  },
  {
    title: 'Memory used', look: { unit: 'ratio', height: HEIGHT, compact: true, top: 1 },
    queries: [{ expr: `1 - node_memory_MemAvailable_bytes{${HOST}} / node_memory_MemTotal_bytes{${HOST}}`, legend: 'used' }],
  },
  {
    title: 'Fullest disks', look: { unit: 'ratio', height: HEIGHT, compact: true, top: 1 },
    queries: [{ expr: `topk(3, 1 - node_filesystem_avail_bytes{${HOST},${MOUNTS}} / node_filesystem_size_bytes{${HOST},${MOUNTS}})`, legend: '{{mountpoint}}' }],
  },
  {
    title: 'Network', look: { unit: 'bits/s', height: HEIGHT, compact: true },
    queries: [
      { expr: `8 * sum by (instance) (rate(node_network_receive_bytes_total{${HOST},device!="lo"}[$rate]))`, legend: 'in' },
      { expr: `8 * sum by (instance) (rate(node_network_transmit_bytes_total{${HOST},device!="lo"}[$rate]))`, legend: 'out' },
    ],
  },
  {
    title: 'TCP states', look: { unit: 'count', height: HEIGHT, compact: true },
    queries: [{ expr: `sum by (state) (node_tcp_connection_states{${HOST},state=~"established|close_wait|time_wait"})`, legend: '{{state}}' }],
  },
  {
    title: 'Load', look: { unit: 'count', height: HEIGHT, compact: true },
    queries: [{ expr: `node_load1{${HOST}}`, legend: '1 minute' }],
  },
];

const ownPanels = (OWN: string): Omit<PanelProps, 'small'>[] => [
  {
    title: 'Active series', look: { unit: 'count', height: HEIGHT, compact: true },
    queries: [{ expr: `prometheus_tsdb_head_series{${OWN}}`, legend: 'series' }],
  },
  {
    title: 'Samples stored', look: { unit: 'per second', height: HEIGHT, compact: true },
    queries: [{ expr: `sum by (instance) (rate(prometheus_tsdb_head_samples_appended_total{${OWN}}[$rate]))`, legend: 'samples' }],
  },
  {
    title: 'Memory', look: { unit: 'bytes', height: HEIGHT, compact: true },
    queries: [{ expr: `process_resident_memory_bytes{${OWN}}`, legend: 'resident' }],
  },
  {
    title: 'CPU', look: { unit: 'ratio', height: HEIGHT, compact: true },
    queries: [{ expr: `rate(process_cpu_seconds_total{${OWN}}[$rate])`, legend: 'of one core' }],
  },
  {
    title: 'WAL', look: { unit: 'bytes', height: HEIGHT, compact: true },
    queries: [{ expr: `prometheus_tsdb_wal_storage_size_bytes{${OWN}}`, legend: 'on disk' }],
  },
  {
    title: 'Slowest rule group', look: { unit: 'seconds', height: HEIGHT, compact: true },
    queries: [{ expr: `max by (instance) (prometheus_rule_group_last_duration_seconds{${OWN}})`, legend: 'last run' }],
  },
];

/** The values of an instant query by metric name; the largest where several answer. */
export function byName(data: QueryData | undefined): Map<string, number> {
  const out = new Map<string, number>();
  if (data?.resultType !== 'vector') return out;
  for (const item of data.result) {
    const name = item.metric.__name__ ?? '';
    if (item.value) out.set(name, Math.max(out.get(name) ?? -Infinity, parseValue(item.value[1])));
  }
  return out;
}

function DiskFull({ free }: { free: string }) {
  const of = useInstant(forecast(free));
  const seconds = single(of);
  const mount = of.data?.resultType === 'vector' && of.data.result[0]?.metric.mountpoint;
  return <Fact name="Disk full in" alarm={seconds !== undefined && seconds >= 0 && seconds < 3 * 86400 ? 'firing' : undefined}>{of.data ? timeLeft(seconds) : '–'}{mount && ` (${mount})`}</Fact>;
}

function useInstant(query: string): Resource<QueryData> {
  return useResource(query, (stop) => api.query(query, undefined, stop));
}

function Fact({ name, children, alarm }: { name: string; children: ComponentChildren; alarm?: string }) {
  return <div class="fact"><dt>{name}</dt><dd class={alarm ? `num ${alarm}` : 'num'}>{children}</dd></div>;
}

function single(of: Resource<QueryData>): number | undefined {
  return of.data?.resultType === 'vector' && of.data.result[0]?.value ? parseValue(of.data.result[0].value[1]) : undefined;
}

export function HomeHost() {
  const known = useInstant(`count by (instance) (node_load1{${HOST}})`);
  const empty = known.data?.resultType === 'vector' && known.data.result.length === 0;
  const why = useResource('host-absent', async (stop) => (await import('./host_absent')).hostAbsent(stop), { on: empty, live: false });
  return (
    <section class="block" aria-labelledby="home-host">
      <h2 id="home-host"><a href={href('/dashboards/host')}>This host</a></h2>
      {!empty && <dl class="facts"><DiskFull free={`node_filesystem_avail_bytes{${HOST},${MOUNTS}}`} /></dl>}
      {empty ? (
        <Loaded of={why} what="The flags could not be read.">{(text) => text}</Loaded>
      ) : <div class="smalls">{HOST_PANELS.map((panel) => <Panel key={panel.title} {...panel} small />)}</div>}
    </section>
  );
}

/** "Tidemark itself": found by what only it writes, since its job may have any name. */
export function HomeOwn() {
  const own = useResource('own', async (stop) => (await import('../model/own')).ownSeries(stop));
  const absent = useResource('own-absent', async () => ({ ...own.answer!, data: (await import('./own_absent')).OwnAbsent }), { on: own.data === '', live: false });
  return (
    <section class="block" aria-labelledby="home-own">
      <h2 id="home-own"><a href={href('/status')}>Tidemark itself</a></h2>
      <Loaded of={own} what="Its own figures could not be found." height={340}>
        {(found) => (found ? <OwnFigures key={found} OWN={found} /> : absent.data && <absent.data />)}
      </Loaded>
    </section>
  );
}

function OwnFigures({ OWN }: { OWN: string }) {
  const names = 'process_resident_memory_bytes|tidemark_memory_limit_bytes|tidemark_data_disk_free_bytes|tidemark_data_disk_size_bytes|prometheus_tsdb_storage_blocks_bytes|prometheus_tsdb_wal_storage_size_bytes';
  const now = useInstant(`{__name__=~"${names}",${OWN}}`);
  // A group that never missed a run has no such series: then it is the 0 of the groups that do run.
  const missed = useInstant(`sum(increase(prometheus_rule_group_iterations_missed_total{${OWN}}[1h])) or 0 * sum(prometheus_rule_group_last_duration_seconds{${OWN}})`);
  const value = byName(now.data);
  const rss = value.get('process_resident_memory_bytes'), limit = value.get('tidemark_memory_limit_bytes');
  const free = value.get('tidemark_data_disk_free_bytes'), size = value.get('tidemark_data_disk_size_bytes');
  const blocks = value.get('prometheus_tsdb_storage_blocks_bytes'), wal = value.get('prometheus_tsdb_wal_storage_size_bytes');
  const skipped = single(missed);
  const bytes = (x: number | undefined) => (x === undefined ? '–' : show(x, 'bytes', 3));
  return (
    <>
      <dl class="facts">
        <Fact name="Memory" alarm={rss !== undefined && limit && rss > 0.9 * limit ? 'firing' : undefined}>{bytes(rss)}{limit !== undefined && <span class="dim"> of {bytes(limit)}</span>}</Fact>
        <Fact name="Data">{bytes(blocks === undefined && wal === undefined ? undefined : (blocks ?? 0) + (wal ?? 0))}</Fact>
        <Fact name="Disk free" alarm={free !== undefined && size && free < 0.05 * size ? 'firing' : undefined}>{bytes(free)}{size !== undefined && <span class="dim"> of {bytes(size)}</span>}</Fact>
        <DiskFull free={`tidemark_data_disk_free_bytes{${OWN}}`} />
        <Fact name="Rule runs missed, 1 h" alarm={skipped !== undefined && skipped >= 1 ? 'firing' : undefined}>{skipped === undefined ? '–' : show(Math.round(skipped), 'count')}</Fact>
      </dl>
      <div class="smalls">{ownPanels(OWN).map((panel) => <Panel key={panel.title} {...panel} small />)}</div>
    </>
  );
}
