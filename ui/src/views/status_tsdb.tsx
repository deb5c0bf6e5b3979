// The TSDB: head, blocks as a strip of time, and who causes the series.
import { more } from '../api_more';
import type { NameValue, TsdbBlock, TsdbData } from '../api_types';
import { showDuration } from '../model/duration';
import { zone } from '../model/frame';
import { quote } from '../model/labels';
import { useResource } from '../model/resource';
import { showTime, zoneName } from '../model/time';
import { show, whole } from '../model/units';
import { href, param, setParams } from '../model/url';
import { Loaded, Time } from '../widgets/bits';

const LIMITS = ['10', '50', '200'];

export function Tsdb() {
  const limit = LIMITS.includes(param('limit')) ? param('limit') : '10';
  const tsdb = useResource(`tsdb ${limit}`, (stop) => more.tsdb(Number(limit), stop));
  const blocks = useResource('blocks', (stop) => more.blocks(stop));
  return (
    <Loaded of={tsdb} what="The TSDB's figures could not be read." height={400}>
      {(data: TsdbData) => (
        <>
          <section class="block"><h2>Head</h2><Head data={data} /></section>
          <section class="block"><h2>Time on disk</h2><Blocks blocks={blocks.data?.blocks} head={data.headStats} /></section>
          <div class="page-head"><h2>Who causes series</h2>
            <label class="inline">top <select value={limit} onChange={(e) => setParams({ limit: e.currentTarget.value })}>{LIMITS.map((n) => <option key={n}>{n}</option>)}</select></label>
          </div>
          <div class="pair tops">
            <Top title="Series by metric" rows={data.seriesCountByMetricName} link={(name) => `count({__name__=${quote(name)}})`} />
            <Top title="Series by label pair" rows={data.seriesCountByLabelValuePair} link={(pair) => {
              const at = pair.indexOf('=');
              return `count by (__name__) ({${pair.slice(0, at)}=${quote(pair.slice(at + 1))}})`;
            }} />
            <Top title="Values by label" rows={data.labelValueCountByLabelName} />
            <Top title="Memory by label" rows={data.memoryInBytesByLabelName} bytes />
          </div>
        </>
      )}
    </Loaded>
  );
}

function Head({ data }: { data: TsdbData }) {
  const { numSeries, numLabelPairs, chunkCount, minTime, maxTime } = data.headStats;
  const known = minTime > 0 && maxTime >= minTime && maxTime < 1e15;
  return (
    <dl class="facts">
      <div class="fact"><dt>Series</dt><dd class="num">{whole(numSeries)}</dd></div>
      {numLabelPairs !== undefined && <div class="fact"><dt>Label pairs</dt><dd class="num">{whole(numLabelPairs)}</dd></div>}
      {chunkCount !== undefined && <div class="fact"><dt>Chunks</dt><dd class="num">{whole(chunkCount)}</dd></div>}
      {known && <div class="fact"><dt>Holds</dt><dd class="num">{showDuration((maxTime - minTime) / 1000)}</dd></div>}
      {known && <div class="fact"><dt>From</dt><dd><Time time={minTime / 1000} /></dd></div>}
    </dl>
  );
}

function Blocks({ blocks, head }: { blocks: TsdbBlock[] | undefined; head: TsdbData['headStats'] }) {
  const known = head.minTime > 0 && head.maxTime >= head.minTime && head.maxTime < 1e15;
  const all = blocks ?? [];
  if (!known && all.length === 0) return <p class="calm">Nothing is stored yet. The first samples come with the first scrape.</p>;
  const low = Math.min(...all.map((b) => b.minTime), known ? head.minTime : Infinity);
  const high = Math.max(...all.map((b) => b.maxTime), known ? head.maxTime : -Infinity);
  const width = Math.max(1, high - low);
  const place = (from: number, to: number) => ({ x: `${((from - low) / width) * 100}%`, width: `${Math.max(0.3, ((to - from) / width) * 100)}%` });
  const z = zone.value;
  return (
    <>
      <svg class="blocks" width="100%" height="30" role="img" aria-label={`${all.length} blocks and the head, from ${showTime(low / 1000, z)} to ${showTime(high / 1000, z)}`}>
        {all.map((b) => (
          <rect key={b.ulid} class="tsdb-block" y="2" height="12" rx="2" {...place(b.minTime, b.maxTime)}>
            <title>{`${showTime(b.minTime / 1000, z)} → ${showTime(b.maxTime / 1000, z)}, level ${b.compaction?.level ?? '?'}, ${b.stats?.numSamples === undefined ? '?' : show(b.stats.numSamples, 'count')} samples of ${b.stats?.numSeries === undefined ? '?' : show(b.stats.numSeries, 'count')} series`}</title>
          </rect>
        ))}
        {known && <rect class="tsdb-head" y="17" height="12" rx="2" {...place(head.minTime, head.maxTime)}><title>head</title></rect>}
      </svg>
      <p class="dim small-text spread"><span>{showTime(low / 1000, z)}</span><span>{blocks ? `${all.length} ${all.length === 1 ? 'block' : 'blocks'} above, the head below` : 'the head (this server lists no blocks)'}</span><span>{showTime(high / 1000, z)} {zoneName(high / 1000, z)}</span></p>
    </>
  );
}

function Top({ title, rows, link, bytes }: { title: string; rows: NameValue[]; link?: (name: string) => string; bytes?: boolean }) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return (
    <section class="block">
      <h3>{title}</h3>
      {rows.length === 0 ? <p class="dim">Nothing yet.</p> : (
        <table class="top"><tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <td class="top-name">{link ? <a href={href('/query', { 'g0.expr': link(row.name), 'g0.tab': 'table' })}>{row.name || '(empty)'}</a> : row.name || '(empty)'}</td>
              <td class="right num">{bytes ? show(row.value, 'bytes') : whole(row.value)}</td>
              <td class="bar-cell"><svg width="100%" height="8" aria-hidden="true"><rect class="bar" height="8" width={`${(row.value / most) * 100}%`} rx="1" /></svg></td>
            </tr>
          ))}
        </tbody></table>
      )}
    </section>
  );
}
