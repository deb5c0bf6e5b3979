// eval_fuzz_store.h: the small fixed store that fuzzers evaluate queries over.
//
// `a` and `b_total`: two float series each, with a label `le`; `h`: native histograms of changing
// resolution and of changing custom bounds that grow, begin again and are gauges at times. 600 s
// from 0.
#ifndef PROMQL_EVAL_FUZZ_STORE_H
#define PROMQL_EVAL_FUZZ_STORE_H

struct storage;

struct storage *eval_fuzz_store(void); // The same one each time.

#endif
