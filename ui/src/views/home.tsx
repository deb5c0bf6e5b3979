// Home: is anything wrong, and can I trust what I see? The verdict first, then four blocks.
import { api, awaySince } from '../api';
import type { RulesData, TargetsData } from '../api_types';
import { alertRows } from '../model/alerts';
import { clock } from '../model/frame';
import { useResource } from '../model/resource';
import { href } from '../model/url';
import { verdict } from '../model/verdict';
import { Age, Empty, LabelSet, Loaded } from '../widgets/bits';
import { Shape, State } from '../widgets/state';
import { AlertValue } from '../widgets/alert_value';
import { HomeHost, HomeOwn } from './home_graphs';
import { HomeTargets } from './home_targets';

const LISTED = 8;

export function Home() {
  const rules = useResource('rules', (stop) => api.rules(stop));
  const targets = useResource('targets', (stop) => api.targets(stop));
  const checks = useResource('checks', async (stop) => (await import('./home_checks')).homeChecks(stop)).data;
  const rows = rules.data ? alertRows(rules.data.groups) : undefined;
  const said = verdict({
    now: clock.value,
    targets: targets.data?.activeTargets,
    firing: rows?.filter((row) => row.state === 'firing').length,
    pending: rows?.filter((row) => row.state === 'pending').length ?? 0,
    brokenRules: rules.data?.groups.reduce((sum, g) => sum + g.rules.filter((r) => r.health === 'err').length, 0) ?? 0,
    away: awaySince.value / 1000,
    checks: checks?.mood,
  });
  const shape = said.mood === 'pending' ? 'pending' : said.mood;
  return (
    <div class="page home">
      <h1 class={`verdict ${said.mood}`}><Shape of={shape} /><span>{said.text}{checks?.said}</span></h1>
      {checks?.banner}
      <div class="pair">
        <section class="block" data-hold aria-labelledby="home-alerts">
          <h2 id="home-alerts"><a href={href('/alerts')}>Alerts</a></h2>
          <Loaded of={rules} what="The alerts could not be read." height={96}>{(data: RulesData) => <HomeAlerts data={data} />}</Loaded>
        </section>
        <section class="block" data-hold aria-labelledby="home-targets">
          <h2 id="home-targets"><a href={href('/targets')}>Targets</a> <span class="dim">by job, last hour</span></h2>
          <Loaded of={targets} what="The targets could not be read." height={96}>{(data: TargetsData) => <HomeTargets data={data} />}</Loaded>
        </section>
      </div>
      <HomeHost />
      <HomeOwn />
    </div>
  );
}

function HomeAlerts({ data }: { data: RulesData }) {
  const rows = alertRows(data.groups);
  const rules = data.groups.reduce((sum, g) => sum + g.rules.filter((r) => r.type === 'alerting').length, 0);
  if (rules === 0) {
    return (
      <Empty title="No alerting rule is loaded." config={'# prometheus.yml\nrule_files:\n  - rules/*.yml'}>
        <p>Name rule files in the configuration and reload it.</p>
      </Empty>
    );
  }
  if (rows.length === 0) {
    return <p class="calm"><State of="ok" word="Nothing fires." /> <a href={href('/alerts', { tab: 'rules' })}>{rules} {rules === 1 ? 'rule watches' : 'rules watch'}.</a></p>;
  }
  return (
    <>
      <ul class="rows">
        {rows.slice(0, LISTED).map((row) => (
          <li key={row.id + row.group.file + row.rule.name}>
            <a class="row-link" href={href('/alerts', { open: row.id })}>
              <State of={row.state} word={row.state} />
              <span class="grow"><strong>{row.name}</strong> <LabelSet labels={row.labels} first={['severity', 'instance', 'job']} without={['alertname']} /></span>
              <span class="num right"><AlertValue row={row} /></span>
              <span class="dim right age"><Age time={row.since} bare /></span>
            </a>
          </li>
        ))}
      </ul>
      {rows.length > LISTED && <p><a href={href('/alerts')}>and {rows.length - LISTED} more</a></p>}
    </>
  );
}
