// Alerts: what fires, since when, who has it, why?
import { api } from '../api';
import { more } from '../api_more';
import type { RulesData } from '../api_types';
import { alertRows, deliveriesFor, quietRules, telling, type AlertRow, type RuleRow } from '../model/alerts';
import { showDuration } from '../model/duration';
import { clock } from '../model/frame';
import { matchesWords, selector } from '../model/labels';
import { useResource } from '../model/resource';
import { notifierOff, whyNot } from '../model/paging';
import { rfcTime } from '../model/time';
import { href, param } from '../model/url';
import { AlertValue } from '../widgets/alert_value';
import { Age, Empty, LabelSet, Loaded, Tabs } from '../widgets/bits';
import { Choices, Search, toggleOpen } from '../widgets/filter';
import { Icon } from '../widgets/icon';
import { State } from '../widgets/state';
import { ReloadFailed } from '../widgets/reload';
import { VList } from '../widgets/vlist';
import { AlertDetail } from './alert_detail';
import { Rules } from './rules';
import '../style/rows.css';

const TABS: [string, string][] = [['alerts', 'Alerts'], ['rules', 'Rules']];

export function Alerts() {
  const tab = param('tab') === 'rules' ? 'rules' : 'alerts';
  const rules = useResource('rules', (stop) => api.rules(stop));
  const runtime = useResource('runtime', (stop) => more.runtime(stop));
  return (
    <div class="page">
      <div class="page-head"><h1>Alerts</h1><Tabs tabs={TABS} now={tab} link={(id) => href('/alerts', { tab: id === 'alerts' ? undefined : id })} /></div>
      <ReloadFailed of={runtime.data} />
      <Loaded of={rules} what="The rules could not be read." height={400}>
        {(data: RulesData) => (tab === 'rules' ? <Rules data={data} /> : <Active data={data} />)}
      </Loaded>
    </div>
  );
}

export const NO_RULES = (
  <Empty title="No rule is loaded." config={'# prometheus.yml\nrule_files:\n  - rules/*.yml\n\n# rules/shop.yml\ngroups:\n  - name: shop\n    rules:\n      - alert: ShopDown\n        expr: up{job="shop"} == 0\n        for: 2m\n        labels: {severity: page}\n        annotations: {summary: "{{ $labels.instance }} does not answer"}'}>
    <p>An alert is a query that should have no answer. Put rules into a file, name the file in the configuration, reload.</p>
  </Empty>
);

const ruleKey = ({ rule, group }: RuleRow) => JSON.stringify([group.file, group.name, rule.name, rule.query]);

function Active({ data }: { data: RulesData }) {
  const all = alertRows(data.groups);
  const quiet = quietRules(data.groups);
  const deliveries = useResource('deliveries', (stop) => more.deliveries(stop), { on: all.length > 0 });
  const off = notifierOff(useResource('flags', (stop) => more.flags(stop), { live: false }).data);
  const state = param('state'), q = param('q'), open = param('open');
  const hit = (row: AlertRow) => (!state || row.state === state) && (!q || matchesWords(`${selector(row.labels)} ${row.name} ${row.rule.query} ${row.group.name} ${row.group.file} ${Object.values(row.annotations).join(' ')}`, q));
  const rows = all.filter(hit);
  const found = quiet.filter(({ rule, group }) => !q || matchesWords(`${rule.name} ${rule.query} ${rule.lastError ?? ''} ${group.name} ${group.file} ${selector(rule.labels ?? {})}`, q));
  const broken = quiet.filter(({ rule }) => rule.health === 'err').length;
  const failing = state && state !== 'failing' ? [] : found.filter(({ rule }) => rule.health === 'err');
  const still = state && state !== 'inactive' ? [] : found.filter(({ rule }) => rule.health !== 'err');
  const quietOnly = state === 'inactive' || state === 'failing';
  const sent = deliveries.data?.deliveries;
  if (all.length + quiet.length === 0) return NO_RULES;
  return (
    <>
      <div class="tools">
        <Search label="Search alerts" />
        <Choices name="state" label="State" choices={[
          { id: 'firing', word: 'firing', of: 'firing', count: all.filter((r) => r.state === 'firing').length },
          { id: 'pending', word: 'pending', of: 'pending', count: all.filter((r) => r.state === 'pending').length },
          { id: 'failing', word: 'failing', of: 'unknown', count: broken },
          { id: 'inactive', word: 'inactive', of: 'quiet', count: quiet.length - broken },
        ]} />
      </div>
      {off && all.length > 0 && <div class="trouble"><p><strong>No notifier is configured: nobody is told of these alerts.</strong> Start the server with <code>--alertmanager.config=alertmanager.yml</code>.</p></div>}
      <h2 class="offscreen">Active alerts</h2>
      {!quietOnly && rows.length > 0 && (
        <VList items={rows} keyOf={(row) => row.id + row.group.file + row.group.name + row.rule.name} guess={62} label="Active alerts"
          row={(row) => <Row row={row} open={open === row.id} sent={sent ? deliveriesFor(row.labels, sent)[0] : undefined} all={sent} off={off} />} />
      )}
      {!quietOnly && rows.length === 0 && (
        <p class="calm">{all.length === 0 ? <State of="ok" word="Nothing fires and nothing is pending." /> : 'No active alert matches.'}</p>
      )}
      {failing.length > 0 && (
        <section class="block">
          <h2>Failing <span class="dim">{failing.length} {failing.length === 1 ? 'rule cannot' : 'rules cannot'} be evaluated: whether there is an alert is not known</span></h2>
          <VList items={failing} keyOf={ruleKey} guess={56} label="Failing rules" row={({ rule, group }) => (
            <a class="row-link" href={href('/alerts', { tab: 'rules', q: rule.name })}>
              <State of="unknown" word="failing" />
              <span class="grow"><strong>{rule.name}</strong> <code class="dim cut">{rule.query}</code>{rule.lastError && <span class="line warn">{rule.lastError}</span>}</span>
              <span class="dim right wide">{group.name}</span>
            </a>
          )} />
        </section>
      )}
      {still.length > 0 && (
        <section class="block">
          <h2>Inactive <span class="dim">{still.length} {still.length === 1 ? 'rule has' : 'rules have'} no alert</span></h2>
          <VList items={still} keyOf={ruleKey} guess={34} label="Inactive rules" row={({ rule, group }) => (
            <a class="row-link" href={href('/alerts', { tab: 'rules', q: rule.name })}>
              <State of="quiet" word="inactive" />
              <span class="grow"><strong>{rule.name}</strong> <code class="dim cut">{rule.query}</code></span>
              <span class="dim right wide">{group.name}</span>
            </a>
          )} />
        </section>
      )}
    </>
  );
}

function Row({ row, open, sent, all, off }: {
  row: AlertRow; open: boolean; sent: ReturnType<typeof deliveriesFor>[number] | undefined; all: ReturnType<typeof deliveriesFor> | undefined; off: boolean;
}) {
  const next = rfcTime(row.group.lastEvaluation) + row.group.interval;
  const id = `alert-${row.id}`;
  return (
    <article class={open ? `fold-row open ${row.state}` : `fold-row ${row.state}`}>
      <button type="button" class="fold-head alert-row" aria-expanded={open} aria-controls={id} onClick={() => toggleOpen(row.id)}>
        <State of={row.state} word={row.state} />
        <span class="grow">
          <strong>{row.name}</strong> <LabelSet labels={Object.fromEntries(telling(row.labels))} first={['severity', 'instance', 'job']} />
          <span class="line dim">
            {row.annotations.summary && <span class="summary">{row.annotations.summary}</span>}
            {sent && <span class={sent.status === 'ok' ? '' : 'warn'}>{sent.status === 'ok' ? 'sent to' : sent.status === 'retrying' ? 'being sent again to' : 'could not be sent to'} {sent.receiver} <Age time={rfcTime(sent.time)} />{sent.status === 'ok' ? sent.code ? `, ${sent.code}` : '' : `: ${whyNot(sent)}`}</span>}
          </span>
        </span>
        <span class="right num value"><AlertValue row={row} /></span>
        <span class="right age"><Age time={row.since} bare /></span>
        <span class="right dim wide meta">{row.group.name}<br />{Number.isFinite(next) && <NextRun at={next} every={row.group.interval} />}</span>
        <Icon name={open ? 'down' : 'right'} />
      </button>
      <div id={id}>{open && <AlertDetail row={row} sent={all ? deliveriesFor(row.labels, all) : undefined} off={off} />}</div>
    </article>
  );
}

/** "next run in 7 s"; a group that is late says so. */
export function NextRun({ at, every }: { at: number; every: number }) {
  const left = at - clock.value;
  if (left < -Math.max(5, every)) return <span class="warn">run late by {showDuration(Math.round(-left))}</span>;
  return <>next run {left < 0.5 ? 'due' : `in ${showDuration(Math.ceil(left))}`}</>;
}
