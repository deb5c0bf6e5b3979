// md5.h: MD5, for relabelling's hashmod only: upstream shards targets by it. Not for secrets.
#ifndef WIRE_MD5_H
#define WIRE_MD5_H

#include "base/base.h"

void md5_of(str s, u8 out[16]); // O(length).

#endif
