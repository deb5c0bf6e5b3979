// What the HTTP API answers, as far as the pages read it. Fields that only Tidemark sends are
// optional: the pages must work without them.

export type Labels = Record<string, string>;

/** Seconds since the epoch and the value as the server wrote it. */
export type Sample = [number, string];

export interface HistogramValue {
  count: string;
  sum: string;
  /** [rule, low, high, count]; rule 0 = (lo,hi], 1 = [lo,hi), 2 = open, 3 = closed. */
  buckets?: [number, string, string, string][];
}

export interface VectorItem {
  metric: Labels;
  value?: Sample;
  histogram?: [number, HistogramValue];
}

export interface MatrixItem {
  metric: Labels;
  values?: Sample[];
  histograms?: [number, HistogramValue][];
}

export interface QueryStats {
  timings?: { evalTotalTime?: number; execTotalTime?: number; execQueueTime?: number };
  samples?: { totalQueryableSamples?: number; samplesRead?: number; peakSamples?: number };
}

export type QueryData = { stats?: QueryStats } & (
  | { resultType: 'vector'; result: VectorItem[] }
  | { resultType: 'matrix'; result: MatrixItem[] }
  | { resultType: 'scalar'; result: Sample }
  | { resultType: 'string'; result: Sample }
);

export interface RangeData {
  resultType: 'matrix';
  result: MatrixItem[];
  stats?: QueryStats;
}

export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
  /** Milliseconds between asking and having the answer. */
  took: number;
}

export interface Phases {
  resolve?: number;
  connect?: number;
  tls?: number;
  first_byte?: number;
  transfer?: number;
  parse?: number;
  store?: number;
}

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: 'up' | 'down' | 'unknown';
  scrapeInterval: string;
  scrapeTimeout: string;
  phases?: Phases;
  status?: number;
  bodyExcerpt?: string;
  errorLine?: number;
  samples?: number;
  lastReason?: string;
}

export interface TargetsData {
  activeTargets: Target[];
  droppedTargets: { discoveredLabels: Labels; scrapePool?: string }[];
  droppedTargetCounts?: Record<string, number>;
}

export interface Alert {
  labels: Labels;
  annotations: Labels;
  state: 'firing' | 'pending' | 'inactive' | 'unknown';
  activeAt?: string;
  keepFiringSince?: string;
  value: string;
}

export interface Rule {
  type: 'alerting' | 'recording';
  name: string;
  query: string;
  labels?: Labels;
  annotations?: Labels;
  duration?: number;
  keepFiringFor?: number;
  state?: 'firing' | 'pending' | 'inactive' | 'unknown';
  alerts?: Alert[];
  health: 'ok' | 'err' | 'unknown';
  lastError?: string;
  evaluationTime: number;
  lastEvaluation: string;
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  limit?: number;
  rules: Rule[];
  evaluationTime: number;
  lastEvaluation: string;
}

export interface RulesData {
  groups: RuleGroup[];
}

export interface Delivery {
  time: string;
  receiver: string;
  integration: string;
  status: 'ok' | 'failed' | 'retrying';
  code?: number;
  attempt?: number;
  error?: string;
  groupKey?: string;
  alerts: { fingerprint?: string; status: string; labels: Labels }[];
}

/** A part of a query's plan. Costs are its own, without those of the parts below; absent if it was not run. */
export interface PlanNode {
  op: string;
  detail: string;
  series?: number;
  /** Looked at. */
  samples?: number;
  /** Given by storage. */
  samplesRead?: number;
  bytes?: number;
  seconds?: number;
  children?: PlanNode[];
}

export interface ExemplarSeries {
  seriesLabels: Labels;
  exemplars: { labels: Labels; value: string; timestamp: number }[];
}

export interface Plan { text: string; tree: PlanNode }

/** A query that the server is busy with. What a server does not account for is absent. */
export interface ActiveQuery {
  id: number;
  query: string;
  /** Seconds; equal for an instant query, whose step is 0. */
  start: number;
  end: number;
  step: number;
  began: string;
  runningSeconds: number;
  peer?: string;
  origin?: string;
  class?: string;
  tenant?: string | number;
  series?: number;
  samples?: number;
  bytes?: number;
  cancelled: boolean;
}

export type MetadataData = Record<string, { type: string; help: string; unit?: string }[]>;

export interface NameValue {
  name: string;
  value: number;
}

export interface TsdbData {
  headStats: {
    numSeries: number;
    numLabelPairs?: number;
    chunkCount?: number;
    minTime: number;
    maxTime: number;
  };
  seriesCountByMetricName: NameValue[];
  labelValueCountByLabelName: NameValue[];
  memoryInBytesByLabelName: NameValue[];
  seriesCountByLabelValuePair: NameValue[];
}

export interface TsdbBlock {
  ulid: string;
  minTime: number;
  maxTime: number;
  stats?: { numSamples?: number; numSeries?: number; numChunks?: number };
  compaction?: { level?: number };
}
