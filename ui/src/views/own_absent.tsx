// Why Tidemark has no figures of itself: no job of the configuration scrapes its own metrics.
import { Empty } from '../widgets/bits';

export function OwnAbsent() {
  const address = location.host || '127.0.0.1:9090';
  return (
    <Empty title="Tidemark is not scraped." config={`scrape_configs:\n  - job_name: tidemark\n    static_configs:\n      - targets: ["${address}"]`}>
      <p>No target of the last minutes has <code>tidemark_build_info</code>: no job scrapes this server's own <code>/metrics</code>, or the job drops it or is down. Without them nothing is known of its cost.</p>
    </Empty>
  );
}
