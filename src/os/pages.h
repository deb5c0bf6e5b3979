// pages.h: memory that is held but of no use goes back to the system, page by page; what will be
// used soon is fetched.
//
// Threads: from any; the range is the caller's.
#ifndef OS_PAGES_H
#define OS_PAGES_H

#include "base/base.h"

// Of the whole pages in the range, which are private memory and read as zeroes afterwards. Returns
// how many bytes went back; others are as they were.
size_t pages_drop(void *from, size_t bytes);
// The whole pages in the range are there afterwards with what they held, so that whoever writes to
// them next does not wait for each; others may write to them meanwhile. false: the system does not
// do it, and nothing is lost.
bool pages_fetch(void *from, size_t bytes);

#endif
