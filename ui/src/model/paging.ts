// Whether pages reach people: what the notifier's list of deliveries says of each receiver.
import type { Delivery } from '../api_types';
import { rfcTime } from './time';

/** How long a page that did not arrive is told of, in seconds; one that is still due is tried again well within it. */
const LATELY = 3600;

/** The last try of each page (receiver, integration, group) that did not arrive lately, newest first. */
export function undelivered(all: readonly Delivery[], now: number): Delivery[] {
  const last = new Map<string, Delivery>();
  for (const delivery of all) {
    const key = JSON.stringify([delivery.receiver, delivery.integration, delivery.groupKey]);
    const known = last.get(key);
    if (!known || rfcTime(delivery.time) > rfcTime(known.time)) last.set(key, delivery);
  }
  return [...last.values()]
    .filter((delivery) => delivery.status !== 'ok' && now - rfcTime(delivery.time) < LATELY)
    .sort((a, b) => rfcTime(b.time) - rfcTime(a.time));
}

/** Why a delivery failed, in few words: "connection refused"; without an answer there is no status to name. */
export function whyNot({ code, error }: Delivery): string {
  const text = error?.trim().split('\n')[0] ?? '';
  const system = /^Failed to connect\b.*: ([^:]+)$/.exec(text)?.[1]?.toLowerCase();
  const words = system ?? text;
  if (!words) return code ? `answer ${code}` : 'no answer';
  const short = words.length > 160 ? `${words.slice(0, 159)}…` : words;
  return code && !short.includes(String(code)) ? `answer ${code}: ${short}` : short;
}

/** The notifier is off: the server was started without its configuration. Unknown flags prove nothing. */
export function notifierOff(flags: Readonly<Record<string, string>> | undefined): boolean {
  return flags?.['alertmanager.config'] === '';
}
