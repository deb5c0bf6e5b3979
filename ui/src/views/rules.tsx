// Rules: every group with its last run, how long it took, what it read, and errors with their place.
import { api } from '../api';
import type { Rule, RuleGroup, RulesData } from '../api_types';
import { showDuration } from '../model/duration';
import { matchesWords, selector } from '../model/labels';
import { useResource } from '../model/resource';
import { parseValue } from '../model/series';
import { rfcTime } from '../model/time';
import { whole } from '../model/units';
import { param } from '../model/url';
import { Age, Expr, LabelSet } from '../widgets/bits';
import { Choices, Search, toggleOpen } from '../widgets/filter';
import { Icon } from '../widgets/icon';
import { State, type StateName } from '../widgets/state';
import { VList } from '../widgets/vlist';
import { NextRun, NO_RULES } from './alerts';

type Item = { group: RuleGroup; rule?: Rule; id: string };

function ruleState(rule: Rule): { of: StateName; word: string } {
  if (rule.health === 'err') return { of: 'firing', word: 'error' };
  if (rule.health === 'unknown') return { of: 'unknown', word: 'not run yet' };
  if (rule.type === 'recording') return { of: 'ok', word: 'records' };
  if (rule.state === 'firing') return { of: 'firing', word: 'firing' };
  if (rule.state === 'pending') return { of: 'pending', word: 'pending' };
  return { of: 'quiet', word: 'inactive' };
}

export function Rules({ data }: { data: RulesData }) {
  const q = param('q'), type = param('type'), open = param('open');
  const query = 'prometheus_rule_group_last_evaluation_samples';
  const samples = useResource(query, (stop) => api.query(query, undefined, stop));
  const read = new Map<string, number>();
  if (samples.data?.resultType === 'vector') {
    for (const item of samples.data.result) if (item.value) read.set(item.metric.rule_group ?? '', parseValue(item.value[1]));
  }
  const all = data.groups.reduce((sum, g) => sum + g.rules.length, 0);
  if (all === 0) return NO_RULES;
  const items: Item[] = [];
  for (const group of data.groups) {
    const rules = group.rules.filter((rule) =>
      (!type || (type === 'error' ? rule.health === 'err' : rule.type === type)) &&
      (!q || matchesWords(`${rule.name} ${rule.query} ${group.name} ${group.file} ${selector(rule.labels ?? {})}`, q)));
    if (rules.length === 0) continue;
    const base = `${group.file};${group.name}`;
    items.push({ group, id: base });
    rules.forEach((rule) => items.push({ group, rule, id: `${base};${group.rules.indexOf(rule)}` }));
  }
  const count = (test: (rule: Rule) => boolean) => data.groups.reduce((sum, g) => sum + g.rules.filter(test).length, 0);
  return (
    <>
      <div class="tools">
        <Search label="Search rules" />
        <Choices name="type" label="Kind" choices={[
          { id: 'alerting', word: 'alerting', count: count((r) => r.type === 'alerting') },
          { id: 'recording', word: 'recording', count: count((r) => r.type === 'recording') },
          { id: 'error', word: 'with an error', of: 'firing', count: count((r) => r.health === 'err') },
        ]} />
      </div>
      {items.length === 0 ? <p class="calm">No rule matches.</p> : (
        <VList items={items} keyOf={(item) => item.id} guess={36} label="Rules" row={(item) => (item.rule
          ? <RuleRow rule={item.rule} id={item.id} open={open === item.id} />
          : <GroupRow group={item.group} read={read.get(item.id)} />)} />
      )}
    </>
  );
}

function GroupRow({ group, read }: { group: RuleGroup; read: number | undefined }) {
  const last = rfcTime(group.lastEvaluation);
  const slow = group.evaluationTime > group.interval;
  return (
    <div class="group-row">
      <h2>{group.name}</h2> <code class="dim cut">{group.file}</code>
      <span class="dim group-facts">
        every {showDuration(group.interval)} · last run <Age time={last} /> · took <span class={slow ? 'warn' : ''}>{showDuration(group.evaluationTime)}{slow && ', longer than its interval'}</span>
        {read !== undefined && <> · {whole(read)} samples</>}{Number.isFinite(last) && <> · <NextRun at={last + group.interval} every={group.interval} /></>}
      </span>
    </div>
  );
}

function RuleRow({ rule, id, open }: { rule: Rule; id: string; open: boolean }) {
  const { of, word } = ruleState(rule);
  return (
    <article class={open ? 'fold-row open' : 'fold-row'}>
      <button type="button" class="fold-head rule-row" aria-expanded={open} onClick={() => toggleOpen(id)}>
        <State of={of} word={word} />
        <span class="grow"><strong>{rule.name}</strong> <code class="dim cut">{rule.query}</code>{rule.lastError && <span class="line warn">{rule.lastError}</span>}</span>
        <span class="right num dim wide" title="duration of the last run">{showDuration(rule.evaluationTime)}</span>
        <span class="right dim age"><Age time={rfcTime(rule.lastEvaluation)} /></span>
        <Icon name={open ? 'down' : 'right'} />
      </button>
      {open && (
        <div class="detail single">
          <Expr query={rule.query} />
          {rule.lastError && <div class="trouble"><p><strong>The last run failed.</strong> The rule keeps being tried; its results are missing until it works.</p><pre tabIndex={0}>{rule.lastError}</pre></div>}
          {rule.type === 'alerting' && <p>{rule.duration ? `Fires after ${showDuration(rule.duration)} of being true` : 'Fires at once'}{rule.keepFiringFor ? `, and keeps firing for ${showDuration(rule.keepFiringFor)}` : ''}.</p>}
          {rule.labels && Object.keys(rule.labels).length > 0 && <><h3>Labels it adds</h3><LabelSet labels={rule.labels} /></>}
          {rule.annotations && Object.keys(rule.annotations).length > 0 && (
            <dl class="notes-list">{Object.entries(rule.annotations).map(([name, text]) => <div key={name}><dt>{name}</dt><dd class="text">{text}</dd></div>)}</dl>
          )}
        </div>
      )}
    </article>
  );
}
