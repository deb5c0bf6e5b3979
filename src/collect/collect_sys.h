// collect_sys.h: what the host collector asks the kernel for without a file, as a replaceable seam.
//
// Threads: a struct collect_sys is frozen and may be shared.
#ifndef COLLECT_COLLECT_SYS_H
#define COLLECT_COLLECT_SYS_H

#include "base/base.h"

struct error;

struct mount_space {
    u64 block_bytes;
    u64 blocks;
    u64 blocks_free;  // For root.
    u64 blocks_avail; // For everybody.
    u64 files;
    u64 files_free;
};

// In the kernel's numbering: 1 established … 11 closing. 12 (new_syn_recv) shows as 3.
#define TCP_STATES 12
struct tcp_counts {
    u64 states[TCP_STATES];
    u64 rx_queued_bytes;
    u64 tx_queued_bytes;
};

// All NUL-terminated.
struct uname_words {
    char sysname[65];
    char release[65];
    char version[65];
    char machine[65];
    char nodename[65];
    char domainname[65];
};

// As adjtimex(2) gives it; nano tells the unit of offset, jitter and time.
struct clock_state {
    bool synced;
    bool nano;
    i64 status;
    i64 offset;
    i64 freq;
    i64 maxerror;
    i64 esterror;
    i64 constant;
    i64 tick;
    i64 ppsfreq;
    i64 jitter;
    i64 shift;
    i64 stabil;
    i64 jitcnt;
    i64 calcnt;
    i64 errcnt;
    i64 stbcnt;
    i64 tai;
};

struct collect_sys {
    const struct collect_sys_ops *ops;
};
struct collect_sys_ops {
    bool (*mount_space)(struct collect_sys *s, const char *path, struct mount_space *out,
                        struct error *e);
    // Adds the sockets of both families; false if the kernel would not tell or they are too many.
    bool (*tcp_counts)(struct collect_sys *s, struct tcp_counts *out, struct error *e);
    bool (*uname)(struct collect_sys *s, struct uname_words *out, struct error *e);
    bool (*clock_state)(struct collect_sys *s, struct clock_state *out, struct error *e);
    // Offset to UTC in seconds and name of the local zone.
    bool (*zone)(struct collect_sys *s, i64 t_s, i64 *offset_s, char name[32], struct error *e);
    u64 (*page_bytes)(struct collect_sys *s);
};

struct collect_sys *collect_sys_real(void); // Never freed.

#endif
