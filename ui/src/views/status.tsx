// Status: how is Tidemark itself, and what is it costing?
import { more } from '../api_more';
import type { Labels } from '../api_types';
import { useResource } from '../model/resource';
import { matchesWords } from '../model/labels';
import { ownSeries } from '../model/own';
import { rfcTime } from '../model/time';
import { show } from '../model/units';
import { href, param } from '../model/url';
import { Copy, Loaded, Tabs, Time } from '../widgets/bits';
import { Search } from '../widgets/filter';
import { Panel, type PanelProps } from '../widgets/panel';
import { ReloadFailed } from '../widgets/reload';
import { OwnAbsent } from './own_absent';
import { Queries } from './status_queries';
import { Tsdb } from './status_tsdb';
import '../style/status.css';

const TABS: [string, string][] = [['build', 'Build'], ['flags', 'Flags'], ['configuration', 'Configuration'], ['tsdb', 'TSDB'], ['queries', 'Queries']];

export function Status() {
  const tab = TABS.find(([id]) => id === param('tab'))?.[0] ?? 'build';
  return (
    <div class="page">
      <div class="page-head"><h1>Status</h1><Tabs tabs={TABS} now={tab} link={(id) => href('/status', { tab: id === 'build' ? undefined : id })} /></div>
      {tab === 'build' && <Build />}
      {tab === 'flags' && <Flags />}
      {tab === 'configuration' && <Configuration />}
      {tab === 'tsdb' && <Tsdb />}
      {tab === 'queries' && <Queries />}
    </div>
  );
}

const graphs = (OWN: string): PanelProps[] => [
  {
    title: 'Memory against its budget', look: { unit: 'bytes', height: 150 }, queries: [
      { expr: `process_resident_memory_bytes{${OWN}}`, legend: 'resident' },
      { expr: `tidemark_memory_limit_bytes{${OWN}}`, legend: 'budget' },
    ],
  },
  { title: 'CPU, of one core', look: { unit: 'ratio', height: 150 }, queries: [{ expr: `rate(process_cpu_seconds_total{${OWN}}[$rate])`, legend: 'CPU' }] },
  { title: 'Samples stored', look: { unit: 'per second', height: 150 }, queries: [{ expr: `sum by (instance) (rate(prometheus_tsdb_head_samples_appended_total{${OWN}}[$rate]))`, legend: 'samples' }] },
  { title: 'Active series', look: { unit: 'count', height: 150 }, queries: [{ expr: `prometheus_tsdb_head_series{${OWN}}`, legend: 'series' }] },
  {
    title: 'Data on disk', look: { unit: 'bytes', height: 150, stack: true }, queries: [
      { expr: `prometheus_tsdb_storage_blocks_bytes{${OWN}}`, legend: 'blocks' },
      { expr: `prometheus_tsdb_wal_storage_size_bytes{${OWN}}`, legend: 'WAL' },
    ],
  },
  {
    title: 'Rule groups', look: { unit: 'seconds', height: 150 },
    queries: [{ expr: `prometheus_rule_group_last_duration_seconds{${OWN}}`, legend: '{{rule_group}}' }],
  },
];

const WORDS: Record<string, string> = { version: 'speaks as Prometheus', tidemarkVersion: 'tidemark', openFds: 'open files', maxFds: 'most open files' };

function Facts({ facts, first = [] }: { facts: Record<string, unknown>; first?: string[] }) {
  const names = [...first.filter((name) => name in facts), ...Object.keys(facts).filter((name) => !first.includes(name))]
    .filter((name) => facts[name] !== '' && !/^GO|^go/.test(name)); // what upstream's own runtime would tell
  return (
    <table class="facts-table"><tbody>
      {names.map((name) => {
        const value = facts[name];
        const text = typeof value === 'string' ? value : JSON.stringify(value);
        const time = /time/i.test(name) && /^\d{4}-\d\d-\d\dT/.test(text) ? rfcTime(text) : NaN;
        return <tr key={name}><th scope="row" title={name}>{WORDS[name] ?? name.replace(/([a-z])(?=[A-Z])/g, '$1 ').toLowerCase()}</th><td class="num wrap">{Number.isFinite(time) ? <Time time={time} /> : /Bytes$/.test(name) ? <span title={text}>{show(Number(value), 'bytes')}</span> : text}</td></tr>;
      })}
    </tbody></table>
  );
}

function Build() {
  const build = useResource('build', (stop) => more.build(stop), { live: false });
  const runtime = useResource('runtime', (stop) => more.runtime(stop));
  const own = useResource('own', ownSeries);
  return (
    <>
      <div class="pair">
        <section class="block"><h2>Build</h2><Loaded of={build} what="The build could not be read." height={160}>{(data: Labels) => <Facts facts={data} first={['tidemark', 'tidemarkVersion', 'version', 'revision']} />}</Loaded></section>
        <section class="block"><h2>Runtime</h2><Loaded of={runtime} what="The runtime facts could not be read." height={160}>{(data: Record<string, unknown>) => <Facts facts={data} first={['startTime', 'serverTime', 'lastConfigTime', 'reloadConfigSuccess']} />}</Loaded></section>
      </div>
      <section class="block" aria-label="Own graphs"><h2>What it costs</h2>
        <Loaded of={own} what="The server's own figures could not be found." height={600}>
          {(found) => (found ? <div class="panels" key={found}>{graphs(found).map((panel) => <div class="use" key={panel.title}><Panel {...panel} /></div>)}</div> : <OwnAbsent />)}
        </Loaded>
      </section>
    </>
  );
}

function Flags() {
  const flags = useResource('flags', (stop) => more.flags(stop), { live: false });
  const q = param('q');
  return (
    <>
      <div class="tools"><Search label="Search flags" /></div>
      <Loaded of={flags} what="The flags could not be read." height={400}>
        {(data: Labels) => {
          const rows = Object.entries(data).filter(([name, value]) => !q || matchesWords(`--${name} ${value}`, q)).sort(([a], [b]) => (a < b ? -1 : 1));
          if (rows.length === 0) return <p class="calm">{q ? 'No flag matches.' : 'The server tells no flags.'}</p>;
          return (
            <table class="facts-table mono"><thead><tr><th scope="col">flag</th><th scope="col">value</th></tr></thead>
              <tbody>{rows.map(([name, value]) => <tr key={name}><th scope="row">--{name}</th><td class="wrap">{value === '' ? <span class="dim">(empty)</span> : value}</td></tr>)}</tbody>
            </table>
          );
        }}
      </Loaded>
    </>
  );
}

function Configuration() {
  const config = useResource('config', (stop) => more.config(stop), { live: false });
  const runtime = useResource('runtime', (stop) => more.runtime(stop));
  return (
    <>
      <ReloadFailed of={runtime.data} below />
      <Loaded of={config} what="The configuration could not be read." height={400}>
        {(data: { yaml: string }) => (data.yaml.trim() === ''
          ? <p class="calm">The configuration is empty: everything is at its default.</p>
          : <div class="config"><p class="dim">As in force: what was not given is at its default, secrets are masked.</p><pre tabIndex={0} aria-label="Configuration">{data.yaml}</pre><Copy text={data.yaml} /></div>)}
      </Loaded>
    </>
  );
}
