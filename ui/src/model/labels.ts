// Label sets: keys, names, what a group of them shares, selectors.
import type { Labels } from '../api_types';

/** A key that is equal for equal label sets, whatever their order. */
export function labelKey(labels: Labels): string {
  return JSON.stringify(Object.keys(labels).sort().map((name) => [name, labels[name]]));
}

/** A PromQL string. What would turn the text around it (marks of writing direction) stands as an escape. */
export function quote(value: string): string {
  return `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`)}"`;
}

const PLAIN_METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export function labelName(name: string): string {
  return PLAIN_LABEL.test(name) ? name : quote(name);
}

/** As PromQL writes it: name{a="b",…}; UTF-8 names are quoted. */
export function selector(labels: Labels, without: ReadonlySet<string> = new Set()): string {
  const metric = without.has('__name__') ? '' : labels.__name__ ?? '';
  const inside: string[] = [];
  if (metric && !PLAIN_METRIC.test(metric)) inside.push(quote(metric));
  for (const name of Object.keys(labels).sort()) {
    if (name === '__name__' || without.has(name)) continue;
    inside.push(`${labelName(name)}=${quote(labels[name]!)}`);
  }
  const head = metric && PLAIN_METRIC.test(metric) ? metric : '';
  return inside.length ? `${head}{${inside.join(', ')}}` : head || '{}';
}

/** The labels that all of them have with the same value. */
export function commonLabels(all: readonly Labels[]): Labels {
  const out: Labels = {};
  const first = all[0];
  if (!first || all.length < 2) return out;
  for (const [name, value] of Object.entries(first)) {
    if (all.every((labels) => labels[name] === value)) out[name] = value;
  }
  return out;
}

/** The name of a series in a legend: without what all share; short if one label is left. */
export function seriesName(labels: Labels, common: Labels): string {
  const left = Object.keys(labels).filter((name) => !(name in common));
  if (left.length === 0) return Object.keys(labels).length === 0 ? 'value' : selector(labels);
  if (left.length === 1 && left[0] !== '__name__') return labels[left[0]!] || `${left[0]}=""`;
  if (left.length === 1) return labels.__name__!;
  return selector(labels, new Set(Object.keys(common)));
}

/** "{{name}}" in a legend template becomes the label's value. */
export function fillLegend(template: string, labels: Labels): string {
  return template.replace(/\{\{\s*([^}\s]+)\s*\}\}/g, (_, name: string) => labels[name] ?? '');
}

/** Do all of `part` stand in `whole` with equal values? */
export function includesLabels(whole: Labels, part: Labels): boolean {
  return Object.entries(part).every(([name, value]) => whole[name] === value);
}

/** Labels in the order a person wants them: the name and severity first, then the alphabet. */
export function orderedLabels(labels: Labels, first: readonly string[] = []): [string, string][] {
  const rank = (name: string) => {
    const at = first.indexOf(name);
    return at < 0 ? first.length : at;
  };
  return Object.entries(labels).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
}

/** Every word of the needle occurs somewhere in the text. */
export function matchesWords(text: string, needle: string): boolean {
  const low = text.toLowerCase();
  return needle.toLowerCase().split(/\s+/).every((word) => low.includes(word));
}
