// An alert's value now against its threshold: "1,204 > 1,000".
import { splitThreshold, valueSide, type AlertRow } from '../model/alerts';
import { guessUnit, show } from '../model/units';

export function AlertValue({ row }: { row: Pick<AlertRow, 'rule' | 'value'> }) {
  const split = splitThreshold(row.rule.query);
  const unit = guessUnit(valueSide(row.rule.query));
  return (
    <span title={`exactly ${row.value}`}>{show(row.value, unit)}{split && <span class="dim"> {split.op} {show(split.bound, unit)}</span>}</span>
  );
}
