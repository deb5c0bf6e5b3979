// head_fixture.h: series of a head for this folder's tests, of the default tenant.
// Threads: owned, as the head is.
#ifndef TSDB_HEAD_FIXTURE_H
#define TSDB_HEAD_FIXTURE_H

#include "base/base.h"
#include "model/labels.h"
#include "model/sample.h"

struct head;

// Makes or finds the one of a set; the head must have room.
struct series_ref fixture_series(struct head *h, struct labels set);
// Series m0 … of each of so many targets, target after target.
void fixture_targets(struct head *h, u32 targets, u32 each, struct series_ref *refs);

#endif
