// One target, opened: where the time of its last scrape went, what it answered, its labels before and after.
import type { Phases, Target } from '../api_types';
import { showDuration } from '../model/duration';
import { quote, selector } from '../model/labels';
import { href } from '../model/url';
import { Copy, LabelSet } from '../widgets/bits';
import { Panel } from '../widgets/panel';

const PHASES: [keyof Phases, string, string][] = [
  ['resolve', 'resolve', 'finding the address of the name'], ['connect', 'connect', 'the TCP handshake'],
  ['tls', 'TLS', 'the TLS handshake'], ['first_byte', 'first byte', 'waiting for the target to answer'],
  ['transfer', 'transfer', 'receiving the body'], ['parse', 'parse', 'reading the samples'], ['store', 'store', 'storing the samples'],
];

/** What to try next, by what the scrape said. */
export function advice(target: Target): string {
  const text = `${target.lastReason ?? ''} ${target.lastError}`.toLowerCase();
  if (target.lastReason === 'series_limit') return 'The target is up, but what was not stored is missing from every answer. Find what made so many series on the Status page, drop it by metric_relabel_configs, or raise the limit.';
  if (/refused/.test(text)) return 'Nothing listens at that address: is the process running, is the port right?';
  if (/resolve|no such host|name or service|\bdns\b/.test(text)) return 'The name has no address: check the spelling and the DNS of the machine that Tidemark runs on.';
  if (/timeout|timed out|deadline/.test(text)) return 'No answer within the scrape time-out: the phases below say where the time went. A firewall that drops packets shows as a long connect, a busy target as a long wait for the first byte.';
  if (/certificate|tls|ssl|x509/.test(text)) return 'The TLS handshake failed: check the certificate, its names and ca_file in tls_config.';
  if (/\b401\b|\b403\b|unauthori|forbidden/.test(text)) return 'The target wants credentials: set authorization or basic_auth for this job.';
  if (/\b404\b|not found/.test(text)) return 'The address answers but has no such page: check metrics_path.';
  if (/parse|expected|invalid|syntax|exposition|utf-8/.test(text)) return 'The target answers something that is no valid exposition; the whole scrape was refused.' + (target.errorLine ? ' The line is marked below.' : '');
  if (/limit|too (many|large|big)|exceed/.test(text)) return 'The answer is beyond a limit of this job; the message names it.';
  return 'Ask the address by hand from the machine that Tidemark runs on, as shown below.';
}

function PhaseBars({ phases }: { phases: Phases }) {
  const known = PHASES.filter(([id]) => phases[id] !== undefined);
  const sum = known.reduce((s, [id]) => s + (phases[id] ?? 0), 0);
  const most = Math.max(...known.map(([id]) => phases[id] ?? 0), 1e-9);
  return (
    <table class="phases">
      <caption class="offscreen">Where the time of the last scrape went</caption>
      <tbody>
        {known.map(([id, word, meaning]) => {
          const seconds = phases[id] ?? 0;
          return (
            <tr key={id} title={meaning}>
              <th scope="row">{word}</th>
              <td class="right num">{showDuration(seconds)}</td>
              <td class="bar-cell"><svg width="100%" height="8" aria-hidden="true"><rect class="bar" x="0" y="0" height="8" width={`${(seconds / most) * 100}%`} rx="1" /></svg></td>
            </tr>
          );
        })}
        <tr><th scope="row">in all</th><td class="right num">{showDuration(sum)}</td><td /></tr>
      </tbody>
    </table>
  );
}

/** The start of a broken body with line numbers, the offending line marked by shape, word and colour. */
function Excerpt({ body, line }: { body: string; line: number | undefined }) {
  const lines = body.split('\n');
  return (
    <pre class="excerpt" tabIndex={0} aria-label="Start of the body">
      {lines.slice(0, 60).map((text, i) => (
        <div key={i} class={i + 1 === line ? 'bad-line' : undefined}>
          <span class="line-no">{i + 1 === line ? '▸ ' : ''}{i + 1}</span>{text || ' '}{i + 1 === line && <span class="mark"> ← here</span>}
        </div>
      ))}
    </pre>
  );
}

export function TargetDetail({ target }: { target: Target }) {
  const safe = /^https?:\/\//.test(target.globalUrl);
  // All labels of the target: job and instance may be shared with another one.
  const all = selector(target.labels);
  const match = `job=${quote(target.labels.job ?? '')},instance=${quote(target.labels.instance ?? '')}`;
  return (
    <div class="detail">
      <div class="detail-main">
        {target.lastError && <div class="trouble"><p><strong>{target.lastError}</strong></p><p>{advice(target)}</p></div>}
        {target.bodyExcerpt !== undefined && target.bodyExcerpt !== '' && <><h3>First bytes of the body{!!target.errorLine && <span class="dim">, line {target.errorLine} cannot be read</span>}</h3><Excerpt body={target.bodyExcerpt} line={target.errorLine} /></>}
        {target.phases ? <><h3>Last scrape</h3><PhaseBars phases={target.phases} /></> : null}
        <Panel title="Scrape duration" queries={[{ expr: `scrape_duration_seconds${all}`, legend: 'duration' }]} look={{ unit: 'seconds', height: 120 }} />
      </div>
      <div class="detail-side">
        <h3>Address</h3>
        <p class="wrap">{safe ? <a href={target.globalUrl} rel="noreferrer noopener" target="_blank">{target.scrapeUrl}</a> : target.scrapeUrl}</p>
        <p><Copy text={`curl -sS -i ${shellQuote(target.scrapeUrl)}`} label="Copy as curl" /></p>
        <p class="dim">
          Every {target.scrapeInterval}, time-out {target.scrapeTimeout}{target.status !== undefined && target.status > 0 && `, HTTP status ${target.status}`}.
          {' '}<a href={href('/query', { 'g0.expr': `{${match}}`, 'g0.tab': 'table' })}>Its series in Explore</a>
        </p>
        <h3>Labels</h3>
        <LabelSet labels={target.labels} first={['job', 'instance']} />
        <details><summary>Before relabelling</summary><LabelSet labels={target.discoveredLabels} /></details>
      </div>
    </div>
  );
}

function shellQuote(text: string): string {
  return `'${text.replace(/'/g, `'\\''`)}'`;
}
