// Home's first sentence: is anything wrong, and can the page be trusted?
import type { Target } from '../api_types';
import { showDuration } from './duration';
import { rfcTime } from './time';

export type Mood = 'ok' | 'pending' | 'firing' | 'unknown';

export interface Verdict { mood: Mood; text: string }

export interface Facts {
  now: number;
  targets: readonly Target[] | undefined;
  firing: number | undefined;
  pending: number;
  brokenRules: number;
  /** Seconds since the epoch when the server stopped answering, 0 if it answers. */
  away: number;
  /** The mood of what is said beside the verdict: pages that do not arrive, a failed reload. */
  checks?: 'ok' | 'pending' | 'firing';
}

const many = (count: number, one: string, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;

/** The age of the newest scrape; NaN if nothing was scraped yet. */
export function newestScrape(targets: readonly Target[]): number {
  return targets.reduce((newest, target) => {
    const time = rfcTime(target.lastScrape);
    return Number.isNaN(time) ? newest : Number.isNaN(newest) ? time : Math.max(newest, time);
  }, NaN);
}

export function verdict(facts: Facts): Verdict {
  if (facts.away) {
    return { mood: 'unknown', text: `The server has not answered for ${showDuration(Math.max(1, Math.round(facts.now - facts.away)))}; nothing below is newer than that.` };
  }
  const { targets, firing } = facts;
  if (!targets || firing === undefined) return { mood: 'unknown', text: 'Asking the server how things stand.' };
  const words: string[] = [];
  let mood: Mood = 'ok';
  const down = targets.filter((t) => t.health === 'down').length;
  const unknown = targets.filter((t) => t.health === 'unknown').length;
  if (targets.length === 0) {
    words.push('No target is configured, so nothing is watched yet');
    mood = 'pending';
  } else if (down > 0) {
    words.push(`${down} of ${many(targets.length, 'target')} ${down === 1 ? 'is' : 'are'} down`);
    mood = 'firing';
  } else if (unknown > 0) {
    words.push(`${targets.length - unknown} of ${many(targets.length, 'target')} are up, ${unknown} not scraped yet`);
    mood = 'pending';
  } else {
    words.push(targets.length === 1 ? 'The only target is up' : `All ${targets.length} targets are up`);
  }
  if (firing > 0) {
    words.push(`${many(firing, 'alert')} ${firing === 1 ? 'is' : 'are'} firing`);
    mood = 'firing';
  } else {
    words.push('no alert is firing');
  }
  if (facts.pending > 0) {
    words.push(`${facts.pending} pending`);
    if (mood === 'ok') mood = 'pending';
  }
  if (facts.brokenRules > 0) {
    words.push(`${many(facts.brokenRules, 'rule')} cannot be evaluated`);
    mood = 'firing';
  }
  const newest = newestScrape(targets);
  if (!Number.isNaN(newest)) {
    const age = Math.max(0, facts.now - newest);
    words.push(`data is ${showDuration(Math.round(age))} old`);
    if (age > 120 && mood !== 'firing') mood = 'unknown';
  }
  if (facts.checks === 'firing' || (facts.checks && mood === 'ok')) mood = facts.checks;
  const text = words.join('; ');
  return { mood, text: text[0]!.toUpperCase() + text.slice(1) + '.' };
}
