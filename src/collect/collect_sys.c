// collect_sys.c: the real kernel behind collect_sys.h.
//
// TCP states come through sock_diag: the kernel walks its tables and hands over one fixed record
// per socket, which we only count. /proc/net/tcp would print each as a line of text, at many times
// the cost, with a seek that restarts the walk.
#include "collect/collect_sys.h"

#include "base/error.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum {
    DIAG_BUFFER_BYTES = 32768, // the kernel fills up to 32 KiB a message
    DIAG_SOCKETS_MAX = 2000000,
    DIAG_TIMEOUT_S = 1,
    STATE_SYN_RECV = 3,
    STATE_NEW_SYN_RECV = 12
};

static bool sys_mount_space(UNUSED struct collect_sys *s, const char *path, struct mount_space *out,
                            struct error *e)
{
    struct statvfs v;
    if (statvfs(path, &v) != 0) {
        return err_errno(e, errno, "statvfs %s", path);
    }
    *out = (struct mount_space){
        .block_bytes = v.f_frsize ? v.f_frsize : v.f_bsize,
        .blocks = v.f_blocks,
        .blocks_free = v.f_bfree,
        .blocks_avail = v.f_bavail,
        .files = v.f_files,
        .files_free = v.f_ffree,
    };
    return true;
}

// Returns true when the dump of this family has ended.
static bool diag_message(struct nlmsghdr *h, struct tcp_counts *out, u64 *sockets, struct error *e,
                         bool *ok)
{
    if (h->nlmsg_type == NLMSG_DONE) {
        return true;
    }
    if (h->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *err = NLMSG_DATA(h);
        int code = h->nlmsg_len >= NLMSG_LENGTH(sizeof(*err)) ? -err->error : EPROTO;
        *ok = err_errno(e, code, "sock_diag");
        return true;
    }
    if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        h->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) {
        return false;
    }
    const struct inet_diag_msg *m = NLMSG_DATA(h);
    u32 state = m->idiag_state == STATE_NEW_SYN_RECV ? STATE_SYN_RECV : m->idiag_state;
    if (state > 0 && state < TCP_STATES) {
        out->states[state]++;
    }
    out->rx_queued_bytes += m->idiag_rqueue;
    out->tx_queued_bytes += m->idiag_wqueue;
    if (++*sockets > DIAG_SOCKETS_MAX) {
        *ok = err_set(e, ERR_LIMIT, "more than %d TCP sockets", DIAG_SOCKETS_MAX);
        return true;
    }
    return false;
}

static bool diag_read(int fd, struct tcp_counts *out, u64 *sockets, struct error *e)
{
    _Alignas(struct nlmsghdr) char buffer[DIAG_BUFFER_BYTES];
    bool ok = true;
    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return err_errno(e, n == 0 ? EPROTO : errno, "reading sock_diag");
        }
        for (size_t at = 0; at + sizeof(struct nlmsghdr) <= (size_t)n;) {
            struct nlmsghdr *h = (struct nlmsghdr *)(void *)(buffer + at);
            if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > (size_t)n - at) {
                return err_set(e, ERR_CORRUPT, "sock_diag: a message of %u bytes", h->nlmsg_len);
            }
            if (diag_message(h, out, sockets, e, &ok)) {
                return ok;
            }
            at += NLMSG_ALIGN(h->nlmsg_len);
        }
    }
}

static bool diag_ask(int fd, u8 family, struct error *e)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } ask = {
        .head = {.nlmsg_len = sizeof(ask),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .req = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = UINT32_MAX},
    };
    if (send(fd, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask)) {
        return err_errno(e, errno, "asking sock_diag");
    }
    return true;
}

static bool sys_tcp_counts(UNUSED struct collect_sys *s, struct tcp_counts *out, struct error *e)
{
    static const u8 families[] = {AF_INET, AF_INET6};
    const struct timeval timeout = {.tv_sec = DIAG_TIMEOUT_S};
    struct tcp_counts counts = {0};
    u64 sockets = 0;
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) {
        return err_errno(e, errno, "opening sock_diag");
    }
    bool ok = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 ||
              err_errno(e, errno, "setting sock_diag's time-out");
    for (size_t i = 0; ok && i < ARRAY_LEN(families); i++) {
        struct error why = {0};
        ok = diag_ask(fd, families[i], e) && diag_read(fd, &counts, &sockets, &why);
        // A kernel without IPv6 has no such family: what there is, was counted.
        if (!ok && families[i] == AF_INET6 && why.code == ERR_NOT_FOUND) {
            ok = true;
        } else if (!ok && why.code != ERR_NONE && e) {
            *e = why;
        }
    }
    close(fd);
    if (ok) {
        *out = counts;
    }
    return ok;
}

static void word_copy(char out[65], const char *from)
{
    size_t n = strnlen(from, 64);
    memcpy(out, from, n);
    out[n] = '\0';
}

static bool sys_uname(UNUSED struct collect_sys *s, struct uname_words *out, struct error *e)
{
    struct utsname u;
    if (uname(&u) != 0) {
        return err_errno(e, errno, "uname");
    }
    word_copy(out->sysname, u.sysname);
    word_copy(out->release, u.release);
    word_copy(out->version, u.version);
    word_copy(out->machine, u.machine);
    word_copy(out->nodename, u.nodename);
    word_copy(out->domainname, u.domainname);
    return true;
}

static bool sys_clock_state(UNUSED struct collect_sys *s, struct clock_state *out, struct error *e)
{
    struct timex t = {.modes = 0};
    int state = adjtimex(&t);
    if (state < 0) {
        return err_errno(e, errno, "adjtimex");
    }
    *out = (struct clock_state){
        .synced = state != TIME_ERROR,
        .nano = (t.status & STA_NANO) != 0,
        .status = t.status,
        .offset = t.offset,
        .freq = t.freq,
        .maxerror = t.maxerror,
        .esterror = t.esterror,
        .constant = t.constant,
        .tick = t.tick,
        .ppsfreq = t.ppsfreq,
        .jitter = t.jitter,
        .shift = t.shift,
        .stabil = t.stabil,
        .jitcnt = t.jitcnt,
        .calcnt = t.calcnt,
        .errcnt = t.errcnt,
        .stbcnt = t.stbcnt,
        .tai = t.tai,
    };
    return true;
}

static bool sys_zone(UNUSED struct collect_sys *s, i64 t_s, i64 *offset_s, char name[32],
                     struct error *e)
{
    const time_t t = (time_t)t_s;
    struct tm tm;
    if (!localtime_r(&t, &tm)) {
        return err_errno(e, errno, "localtime");
    }
    size_t n = tm.tm_zone ? strnlen(tm.tm_zone, 31) : 0;
    memcpy(name, tm.tm_zone ? tm.tm_zone : "", n);
    name[n] = '\0';
    *offset_s = tm.tm_gmtoff;
    return true;
}

static u64 sys_page_bytes(UNUSED struct collect_sys *s)
{
    return (u64)sysconf(_SC_PAGESIZE);
}

struct collect_sys *collect_sys_real(void)
{
    static const struct collect_sys_ops ops = {
        .mount_space = sys_mount_space,
        .tcp_counts = sys_tcp_counts,
        .uname = sys_uname,
        .clock_state = sys_clock_state,
        .zone = sys_zone,
        .page_bytes = sys_page_bytes,
    };
    static struct collect_sys real = {&ops};
    return &real;
}
