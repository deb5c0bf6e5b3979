// A query's plan as rows: depth first, each with its own time and that of all below it.
import type { PlanNode } from '../api_types';

export interface PlanRow {
  /** Its place, depth first; the same in each run of a query. */
  id: number;
  depth: number;
  node: PlanNode;
  parts: number;
  own: number;
  /** With all parts below. */
  whole: number;
}

const positive = (x: number | undefined) => (x !== undefined && x > 0 ? x : 0);

/** Without recursion: a hostile query may be thousands of levels deep. */
export function planRows(tree: PlanNode): PlanRow[] {
  const out: PlanRow[] = [];
  const left: { node: PlanNode; depth: number }[] = [{ node: tree, depth: 0 }];
  for (let next; (next = left.pop());) {
    const { node, depth } = next;
    const children = node.children ?? [];
    const own = positive(node.seconds);
    out.push({ id: out.length, depth, node, parts: children.length, own, whole: own });
    for (let i = children.length - 1; i >= 0; i--) left.push({ node: children[i]!, depth: depth + 1 });
  }
  // Rows below a row follow it: from the end, each gives its sum to the row it hangs on.
  const above: PlanRow[] = [];
  const parent = new Map<PlanRow, PlanRow>();
  for (const row of out) {
    above.length = row.depth;
    if (row.depth > 0) parent.set(row, above[row.depth - 1]!);
    above[row.depth] = row;
  }
  for (let i = out.length - 1; i > 0; i--) parent.get(out[i]!)!.whole += out[i]!.whole;
  return out;
}

/** The rows that are seen when those in `folded` are closed. */
export function seenRows(rows: readonly PlanRow[], folded: ReadonlySet<number>): PlanRow[] {
  let closed = Infinity;
  return rows.filter((row) => {
    if (row.depth > closed) return false;
    closed = folded.has(row.id) ? row.depth : Infinity;
    return true;
  });
}

/** The part that took longest, if one took most of the time. */
export function heaviest(rows: readonly PlanRow[]): PlanRow | undefined {
  const total = rows[0]?.whole ?? 0;
  return rows.find((row) => total > 0 && row.own > total / 2);
}
