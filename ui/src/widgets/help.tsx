// The sheet of keys.
import { helpOpen, SHEET } from '../model/keys';
import { Modal } from './modal';

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
