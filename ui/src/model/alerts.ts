// Alerts as the pages show them: each with the rule it came from, its value against the threshold and
// what the notifier did for it.
import type { Alert, Delivery, Labels, Rule, RuleGroup } from '../api_types';
import { hash } from './colors';
import { labelKey } from './labels';
import { parseValue } from './series';
import { rfcTime } from './time';

export interface AlertRow {
  id: string;
  name: string;
  state: 'firing' | 'pending';
  labels: Labels;
  annotations: Labels;
  since: number;
  value: number;
  rule: Rule;
  group: RuleGroup;
}

export interface Threshold { left: string; op: string; bound: number }

/** The last comparison outside all brackets and strings, and where the first and/or/unless stands (or -1). */
function topLevel(expr: string): { at: number; length: number; set: number } {
  let depth = 0, quoteMark = '', at = -1, length = 0;
  for (let i = 0; i < expr.length; i++) {
    const c = expr[i]!;
    if (quoteMark) {
      if (c === '\\' && quoteMark !== '`') i++;
      else if (c === quoteMark) quoteMark = '';
    } else if (c === '"' || c === "'" || c === '`') quoteMark = c;
    else if (c === '(' || c === '{' || c === '[') depth++;
    else if (c === ')' || c === '}' || c === ']') depth--;
    else if (depth === 0) {
      const found = /^(==|!=|>=|<=|>|<)/.exec(expr.slice(i, i + 2));
      if (found) {
        at = i;
        length = found[1]!.length;
        i += length - 1;
      } else if (/^(and|or|unless)\b/i.test(expr.slice(i, i + 7)) && /[\s)]/.test(expr[i - 1] ?? '')) return { at, length, set: i };
    }
  }
  return { at, length, set: -1 };
}

/** The part of an alert's expression that its value comes from: what stands left of the comparison. */
export function valueSide(expr: string): string {
  const { at, set } = topLevel(expr);
  return expr.slice(0, at >= 0 ? at : set >= 0 ? set : undefined).trim();
}

/** `expr > 1000` split at its last comparison with a number, outside all brackets and strings. */
export function splitThreshold(expr: string): Threshold | undefined {
  const { at, length, set } = topLevel(expr);
  if (at < 0 || set >= 0) return undefined;
  const right = expr.slice(at + length).trim();
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(right)) return undefined;
  return { left: expr.slice(0, at).trim(), op: expr.slice(at, at + length), bound: Number(right) };
}

export function alertId(labels: Labels): string {
  return hash(labelKey(labels)).toString(16).padStart(8, '0');
}

/** Firing before pending, then the newest first; the rest of the order is stable. */
export function alertRows(groups: readonly RuleGroup[]): AlertRow[] {
  const out: AlertRow[] = [];
  for (const group of groups) {
    for (const rule of group.rules) {
      for (const alert of rule.alerts ?? []) {
        if (alert.state === 'firing' || alert.state === 'pending') out.push(alertRow(alert, rule, group));
      }
    }
  }
  const rank = (row: AlertRow) => (row.state === 'firing' ? 0 : 1);
  return out.sort((a, b) => rank(a) - rank(b) || b.since - a.since || (a.id < b.id ? -1 : 1));
}

function alertRow(alert: Alert, rule: Rule, group: RuleGroup): AlertRow {
  return {
    id: alertId(alert.labels),
    name: alert.labels.alertname ?? rule.name,
    state: alert.state as 'firing' | 'pending',
    labels: alert.labels,
    annotations: alert.annotations,
    since: rfcTime(alert.activeAt),
    value: parseValue(alert.value),
    rule,
    group,
  };
}

export interface RuleRow { rule: Rule; group: RuleGroup }

export function quietRules(groups: readonly RuleGroup[]): RuleRow[] {
  return groups.flatMap((group) => group.rules
    .filter((rule) => rule.type === 'alerting' && !(rule.alerts ?? []).some((a) => a.state === 'firing' || a.state === 'pending'))
    .map((rule) => ({ rule, group })));
}

/** Deliveries that carried this alert, newest first. What is sent may have external labels more, dropped ones less. */
export function deliveriesFor(labels: Labels, all: readonly Delivery[]): Delivery[] {
  return all.filter((delivery) => delivery.alerts.some((sent) => sent.labels.alertname === labels.alertname &&
    Object.entries(sent.labels).every(([name, value]) => (labels[name] ?? value) === value)));
}

/** The labels worth a place in the row: not the name, not what every alert repeats. */
export function telling(labels: Labels): [string, string][] {
  const first = ['severity', 'instance', 'job', 'device', 'mountpoint'];
  const rank = (name: string) => (first.indexOf(name) + 1 || first.length + 1);
  return Object.entries(labels).filter(([name]) => name !== 'alertname')
    .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
