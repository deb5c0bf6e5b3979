// The sheet of keys.
import { helpOpen } from '../model/keys';
import { PAGES } from '../model/pages';
import { Modal } from './modal';
import '../style/dialogs.css';

const SHEET: [string, string][] = [
  ['Ctrl/⌘ K', 'go anywhere: pages, metrics, alerts, targets'],
  ['/', 'search on this page, else anywhere'],
  ...PAGES.map((page): [string, string] => [`g ${page.key}`, `go to ${page.word}`]),
  ['[  ]', 'move the range back, forward'],
  ['+  −', 'zoom the range in, out'],
  ['r', 'refresh now'],
  ['h', 'queries of before'],
  ['Ctrl/⌘ Enter', 'run the query (Shift Enter too)'],
  ['Esc', 'close what is open, leave a text field'],
  ['?', 'this sheet'],
];

export function Help() {
  return (
    <Modal open={helpOpen.value} onClose={() => (helpOpen.value = false)} label="Keys" class="help">
      <h2>Keys</h2>
      <table><tbody>{SHEET.map(([key, word]) => <tr key={key}><th scope="row"><kbd>{key}</kbd></th><td>{word}</td></tr>)}</tbody></table>
      <p class="dim">On a chart: drag zooms, double click goes back, Shift and drag moves, click isolates a series.</p>
      <button type="button" onClick={() => (helpOpen.value = false)}>Close</button>
    </Modal>
  );
}
