// Targets: what do we fail to see, and why? By job, down first, each with its last hour.
import { api } from '../api';
import type { Target, TargetsData } from '../api_types';
import { showDuration } from '../model/duration';
import { labelKey, matchesWords, quote, selector } from '../model/labels';
import { useResource } from '../model/resource';
import { useUp, type UpHistory } from '../model/strips';
import { rfcTime } from '../model/time';
import { whole } from '../model/units';
import { href, param, setParams } from '../model/url';
import { Age, Empty, LabelSet, Loaded } from '../widgets/bits';
import { Choices, Search, toggleOpen } from '../widgets/filter';
import { Icon } from '../widgets/icon';
import { healthState, State } from '../widgets/state';
import { Strip } from '../widgets/strip';
import { VList } from '../widgets/vlist';
import { hash } from '../model/colors';
import { TargetDetail } from './target_detail';
import '../style/rows.css';

const MANY = 500;

type Item = { job: string; up: number; all: number } | { target: Target; id: string };

export function targetId(target: Target): string {
  return hash(labelKey({ ...target.labels, ' pool': target.scrapePool, ' url': target.scrapeUrl })).toString(16).padStart(8, '0');
}

export function Targets() {
  const targets = useResource('targets', (stop) => api.targets(stop));
  return (
    <div class="page">
      <div class="page-head"><h1>Targets</h1></div>
      <Loaded of={targets} what="The targets could not be read." height={400}>{(data: TargetsData) => <List data={data} />}</Loaded>
    </div>
  );
}

const RANK = { down: 0, unknown: 1, up: 2 };

function itemsOf(active: Target[], folded: (job: string) => boolean): Item[] {
  const jobs = new Map<string, Target[]>();
  for (const target of active) {
    const list = jobs.get(target.scrapePool);
    if (list) list.push(target);
    else jobs.set(target.scrapePool, [target]);
  }
  const downs = (list: Target[]) => list.filter((t) => t.health === 'down').length;
  const ordered = [...jobs].sort(([a, x], [b, y]) => Math.sign(downs(y)) - Math.sign(downs(x)) || (a < b ? -1 : 1));
  const out: Item[] = [];
  for (const [job, list] of ordered) {
    out.push({ job, up: list.filter((t) => t.health === 'up').length, all: list.length });
    if (folded(job)) continue;
    list.sort((a, b) => RANK[a.health] - RANK[b.health] || (a.scrapeUrl < b.scrapeUrl ? -1 : 1));
    out.push(...list.map((target) => ({ target, id: targetId(target) })));
  }
  return out;
}

function List({ data }: { data: TargetsData }) {
  const q = param('q'), health = param('health'), job = param('job'), open = param('open');
  const active = data.activeTargets;
  const pools = [...new Set(active.map((t) => t.scrapePool))].sort();
  const query = job ? `up{job=${quote(job)}}` : 'up';
  const history = useUp(query, active.length <= MANY || job !== '');
  const byKey = new Map(history.data?.rows.map((row) => {
    const { __name__: _name, ...rest } = row.labels;
    return [labelKey(rest), row.values] as const;
  }));
  const dropped = data.droppedTargetCounts ? Object.values(data.droppedTargetCounts).reduce((a, b) => a + b, 0) : data.droppedTargets.length;
  const shown = param('dropped') !== '';
  const gone = dropped > 0 && (
    <>
      <p class="dim">{whole(dropped)} more {dropped === 1 ? 'was' : 'were'} discovered and dropped by relabelling. <a href={href('/targets', { q, job, health, dropped: shown ? undefined : '1' })}>{shown ? 'Hide' : 'Show'} them</a></p>
      {shown && <Dropped data={data} all={dropped} q={q} job={job} />}
    </>
  );
  if (active.length === 0) {
    return (
      <><Empty title="Nothing is scraped." config={'# prometheus.yml\nscrape_configs:\n  - job_name: shop\n    scrape_interval: 15s\n    static_configs:\n      - targets: ["shop-1:8080", "shop-2:8080"]'}>
        <p>Each target is an address that answers <code>GET /metrics</code>. Add a job to the configuration and reload it (<code>POST /-/reload</code> or SIGHUP).</p>
      </Empty>{gone}</>
    );
  }
  const fits = (t: Target) => (!health || t.health === health) && (!job || t.scrapePool === job || t.labels.job === job) &&
    (!q || matchesWords(`${t.scrapePool} ${t.scrapeUrl} ${selector(t.labels)} ${t.lastError} ${t.lastReason ?? ''}`, q));
  const closed = new Set(param('fold').split('~').filter(Boolean));
  const items = itemsOf(active.filter(fits), (name) => closed.has(name));
  const count = (h: string) => active.filter((t) => t.health === h).length;
  const fold = (name: string) => {
    if (!closed.delete(name)) closed.add(name);
    setParams({ fold: [...closed].join('~') }, 'replace');
  };
  return (
    <>
      <div class="tools">
        <Search label="Search targets" />
        <Choices name="health" label="Health" choices={[
          { id: 'down', word: 'down', of: 'firing', count: count('down') },
          { id: 'unknown', word: 'unknown', of: 'unknown', count: count('unknown') },
          { id: 'up', word: 'up', of: 'ok', count: count('up') },
        ]} />
        {pools.length > 1 && (
          <label class="inline">job <select value={job} onChange={(e) => setParams({ job: e.currentTarget.value })}>
            <option value="">all</option>{[...new Set([...pools, ...(job ? [job] : [])])].map((name) => <option key={name} value={name}>{name}</option>)}
          </select></label>
        )}
      </div>
      {active.length > MANY && !job && <p class="dim">More than {MANY} targets: choose a job to see the last hour of each.</p>}
      {items.length === 0 ? <p class="calm">No target matches. <a href={href('/targets')}>Show all {active.length}</a></p> : (
        <VList items={items} keyOf={(item) => ('job' in item ? `job ${item.job}` : item.id)} guess={40} label="Targets" row={(item) => ('job' in item
          ? <JobRow item={item} folded={closed.has(item.job)} onFold={() => fold(item.job)} />
          : <TargetRow target={item.target} id={item.id} open={open === item.id} up={byKey.get(labelKey(item.target.labels))} history={history.data} />)} />
      )}
      {gone}
    </>
  );
}

/** What discovery found and relabelling dropped, as far as the server keeps it: the labels that the rules saw. */
function Dropped({ data, all, q, job }: { data: TargetsData; all: number; q: string; job: string }) {
  const rows = data.droppedTargets.filter((t) => (!job || t.scrapePool === job) && (!q || matchesWords(`${t.scrapePool ?? ''} ${selector(t.discoveredLabels)}`, q)));
  return (
    <section class="block">
      <h2>Dropped <span class="dim">{whole(rows.length)}{rows.length < all && ` of ${whole(all)}`}, before relabelling</span></h2>
      {rows.length === 0 ? <p class="calm">{data.droppedTargets.length === 0 ? 'None of them was kept: keep_dropped_targets says how many are.' : 'No dropped target matches.'}</p> : (
        <VList items={rows.map((row, i) => ({ row, i }))} keyOf={({ i }) => String(i)} guess={40} label="Dropped targets" row={({ row }) => (
          <div class="fold-row"><div class="fold-head"><State of="quiet" word="dropped" /><span class="grow">{row.scrapePool !== undefined && <strong>{row.scrapePool} </strong>}<LabelSet labels={row.discoveredLabels} first={['__address__']} /></span></div></div>
        )} />
      )}
    </section>
  );
}

function JobRow({ item, folded, onFold }: { item: { job: string; up: number; all: number }; folded: boolean; onFold: () => void }) {
  return (
    <div class="group-row">
      <button type="button" class="quiet" aria-expanded={!folded} onClick={onFold} aria-label={folded ? `Show targets of ${item.job}` : `Hide targets of ${item.job}`}><Icon name={folded ? 'right' : 'down'} /></button>
      <h2>{item.job}</h2><span class={item.up < item.all ? 'warn num' : 'dim num'}>{item.up} of {item.all} up</span>
    </div>
  );
}

function TargetRow({ target, id, open, up, history }: {
  target: Target; id: string; open: boolean; up: (number | null)[] | undefined; history: UpHistory | undefined;
}) {
  const { of, word } = healthState(target.health);
  const down = target.health === 'down';
  return (
    <article class={open ? 'fold-row open' : 'fold-row'}>
      <button type="button" class="fold-head target-row" aria-expanded={open} onClick={() => toggleOpen(id)}>
        <State of={of} word={down && target.lastReason ? `down: ${target.lastReason}` : word} />
        <span class="grow"><strong>{target.labels.instance ?? target.scrapeUrl}</strong>{target.labels.instance !== undefined && <span class="dim cut url"> {target.scrapeUrl}</span>}
          {target.lastError && <span class="line warn">{target.lastError}</span>}
        </span>
        {up && history ? <Strip values={up} start={history.start} step={history.step} label={target.labels.instance ?? target.scrapeUrl} /> : <span class="strip" />}
        <span class="right num dim wide count">{target.samples !== undefined && `${whole(target.samples)} ${target.samples === 1 ? 'sample' : 'samples'}`}</span>
        <span class="right num dim took">{showDuration(target.lastScrapeDuration)}</span>
        <span class="right dim age"><Age time={rfcTime(target.lastScrape)} /></span>
        <Icon name={open ? 'down' : 'right'} />
      </button>
      {open && <TargetDetail target={target} />}
    </article>
  );
}
