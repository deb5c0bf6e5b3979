// Which series Tidemark writes of itself: those beside tidemark_build_info, whatever the job is called.
import { api } from '../api';
import type { Answer, Labels } from '../api_types';
import { quote } from './labels';

/**
 * The matchers of this server among all that are scraped: the one at the page's address, else the only one,
 * else those of one job ("tidemark" before others). Empty if none is scraped.
 */
export function ownMatch(found: readonly Labels[], here: string): string {
  const of = (name: string, one: Labels) => `${name}=${quote(one[name] ?? '')}`;
  const rank = (one: Labels) => (one.instance === here ? 0 : one.job === 'tidemark' ? 1 : 2);
  const first = [...found].sort((a, b) => rank(a) - rank(b))[0];
  if (!first) return '';
  const alone = first.instance === here || found.every((one) => one.instance === first.instance && one.job === first.job);
  return alone ? `${of('job', first)},${of('instance', first)}` : of('job', first);
}

export async function ownSeries(stop: AbortSignal): Promise<Answer<string>> {
  const answer = await api.query('tidemark_build_info', undefined, stop);
  const found = answer.data.resultType === 'vector' ? answer.data.result.map((item) => item.metric) : [];
  return { ...answer, data: ownMatch(found, location.host) };
}
