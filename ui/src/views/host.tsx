// Host: what is this machine doing? Utilisation, saturation and errors of each resource.
import { api } from '../api';
import type { QueryData } from '../api_types';
import { hostSections, type HostName } from '../model/host_panels';
import { useResource } from '../model/resource';
import { param, setParams } from '../model/url';
import { Empty, Loaded } from '../widgets/bits';
import { Panel } from '../widgets/panel';
import { hostAbsent } from './host_absent';

const KNOWN = 'count by (job, instance) (node_load1)';

function hostsOf(data: QueryData): HostName[] {
  if (data.resultType !== 'vector') return [];
  const rank = (host: HostName) => (host.job === 'host' ? 0 : 1);
  return data.result.map((item) => ({ job: item.metric.job ?? '', instance: item.metric.instance ?? '' }))
    .sort((a, b) => rank(a) - rank(b) || (a.job + a.instance < b.job + b.instance ? -1 : 1));
}

export function Host() {
  const known = useResource(KNOWN, (stop) => api.query(KNOWN, undefined, stop));
  return (
    <div class="page">
      <Loaded of={known} what="The hosts could not be listed." height={600}>{(data: QueryData) => <Dashboard hosts={hostsOf(data)} />}</Loaded>
    </div>
  );
}

function Dashboard({ hosts }: { hosts: HostName[] }) {
  const asked: HostName = { job: param('job'), instance: param('instance') };
  const found = hosts.find((h) => (!asked.instance || h.instance === asked.instance) && (!asked.job || h.job === asked.job));
  // A host that is gone keeps its page: the link may ask for a time when it lived.
  const host = asked.instance ? found ?? { job: asked.job || 'host', instance: asked.instance } : found;
  const why = useResource('host-absent', (stop) => hostAbsent(stop), { on: !host, live: false });
  if (!host) {
    return (
      <>
        <h1>Host</h1>
        <Loaded of={why} what="The flags could not be read." height={80}>{(text) => text}</Loaded>
        <Empty title="No other host is collected." config={'# prometheus.yml: other machines, through their node_exporter\nscrape_configs:\n  - job_name: node\n    static_configs:\n      - targets: ["machine-1:9100"]'}>
          <p>Other machines come through their exporters:</p>
        </Empty>
      </>
    );
  }
  const all = hosts.some((h) => h.job === host.job && h.instance === host.instance) ? hosts : [host, ...hosts];
  return (
    <>
      <div class="page-head">
        <h1>Host</h1>
        <label class="inline">instance <select value={JSON.stringify(host)} onChange={(e) => {
          const chosen = JSON.parse(e.currentTarget.value) as HostName;
          setParams({ job: chosen.job, instance: chosen.instance });
        }}>
          {all.map((h) => <option key={JSON.stringify(h)} value={JSON.stringify({ job: h.job, instance: h.instance })}>{h.instance} ({h.job})</option>)}
        </select></label>
        {!found && <span class="warn">no fresh data from this host</span>}
      </div>
      {hostSections(host).map((section) => (
        <section key={section.name} class="block" aria-label={section.name}>
          <h2 class="section-name">{section.name}</h2>
          <div class="panels">
            {section.panels.map((panel) => (
              <div key={panel.id + host.job + host.instance} class={`use ${panel.kind}`}>
                <p class="use-word">{panel.kind}</p>
                <Panel id={panel.id} title={panel.title} queries={panel.queries} look={{ ...panel.look, height: 150 }} nothing={panel.nothing} />
              </div>
            ))}
          </div>
        </section>
      ))}
    </>
  );
}
