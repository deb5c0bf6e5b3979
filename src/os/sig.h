// sig.h: signals as data: handlers only set a flag and wake a descriptor; the main thread asks.
// Threads: sig_init before any other thread is made; sig_wait on the main thread only.
#ifndef OS_SIG_H
#define OS_SIG_H

#include "base/base.h"

enum sig_event { SIG_EVENT_NONE, SIG_EVENT_STOP, SIG_EVENT_RELOAD };

void sig_init(void); // TERM, INT → stop; HUP → reload; PIPE ignored.
// The most urgent pending event (stop, reload), each told once; SIG_EVENT_NONE on time-out.
// timeout_ms < 0 waits on.
enum sig_event sig_wait(i64 timeout_ms);
void sig_raise(enum sig_event event); // The same from any thread (/-/quit, /-/reload).

#endif
