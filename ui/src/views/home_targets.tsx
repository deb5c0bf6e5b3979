// Home's targets: a row for each job, those with something down first, each with its last hour.
import type { TargetsData } from '../api_types';
import { useUp } from '../model/strips';
import { href } from '../model/url';
import { Empty } from '../widgets/bits';
import { State } from '../widgets/state';
import { Strip } from '../widgets/strip';

const LISTED = 8;

interface Job { name: string; up: number; down: number; unknown: number; reason: string }

export function jobsOf(data: TargetsData): Job[] {
  const jobs = new Map<string, Job>();
  for (const target of data.activeTargets) {
    const name = target.labels.job ?? target.scrapePool;
    const job = jobs.get(name) ?? { name, up: 0, down: 0, unknown: 0, reason: '' };
    if (target.health === 'up') job.up++;
    else if (target.health === 'down') {
      job.down++;
      job.reason ||= target.lastError;
    } else job.unknown++;
    jobs.set(name, job);
  }
  return [...jobs.values()].sort((a, b) => b.down - a.down || b.unknown - a.unknown || (a.name < b.name ? -1 : 1));
}

export function HomeTargets({ data }: { data: TargetsData }) {
  const jobs = jobsOf(data);
  const up = useUp('avg by (job) (up)');
  if (jobs.length === 0) {
    return (
      <Empty title="Nothing is scraped." config={'# prometheus.yml\nscrape_configs:\n  - job_name: shop\n    static_configs:\n      - targets: ["shop-1:8080"]'}>
        <p>Add a job to the configuration and reload it (<code>POST /-/reload</code> or SIGHUP).</p>
      </Empty>
    );
  }
  return (
    <>
      <ul class="rows">
        {jobs.slice(0, LISTED).map((job) => {
          const all = job.up + job.down + job.unknown;
          const strip = up.data?.rows.find((row) => row.labels.job === job.name);
          const of = job.down ? 'firing' : job.unknown ? 'unknown' : 'ok';
          const word = job.down ? `${job.down} of ${all} down` : job.unknown ? `${job.unknown} not scraped yet` : all === 1 ? 'up' : `all ${all} up`;
          return (
            <li key={job.name}>
              <a class="row-link job-row" href={href('/targets', { job: job.name })} title={job.reason}>
                <span class="job-name cut"><strong>{job.name}</strong></span>
                <State of={of} word={word} />
                {strip && up.data ? <Strip values={strip.values} start={up.data.start} step={up.data.step} label={job.name} /> : <span class="strip" />}
              </a>
            </li>
          );
        })}
      </ul>
      {jobs.length > LISTED && <p><a href={href('/targets')}>and {jobs.length - LISTED} more jobs</a></p>}
    </>
  );
}
