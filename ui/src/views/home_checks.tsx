// What else Home's first sentence must say: that pages do not arrive, that the last reload failed.
// Comes on demand: on most days there is nothing to say.
import type { ComponentChildren } from 'preact';
import { api, ApiError } from '../api';
import type { Answer, Delivery } from '../api_types';
import { clock } from '../model/frame';
import { undelivered, whyNot } from '../model/paging';
import { href } from '../model/url';

export interface Checks { mood: 'ok' | 'pending' | 'firing'; said: ComponentChildren; banner: ComponentChildren }

export async function homeChecks(stop: AbortSignal): Promise<Answer<Checks>> {
  const answer = await api.deliveries(stop).catch((why: unknown) => {
    if (why instanceof ApiError && why.kind === 'missing') return undefined; // an older server keeps no list
    throw why;
  });
  const lost = undelivered(answer?.data.deliveries ?? [], clock.peek());
  const data: Checks = { mood: lost.length ? 'firing' : 'ok', said: lost.length ? <Undelivered lost={lost} /> : null, banner: null };
  return { data, warnings: [], infos: [], took: answer?.took ?? 0 };
}

function Undelivered({ lost }: { lost: Delivery[] }) {
  const receivers = [...new Set(lost.map((delivery) => delivery.receiver))];
  const names = receivers.length > 3 ? `${receivers.slice(0, 3).join(', ')} and ${receivers.length - 3} more` : receivers.join(', ');
  return <> <a href={href('/alerts')}>Pages to {names} are not delivered: {whyNot(lost[0]!)}.</a></>;
}
