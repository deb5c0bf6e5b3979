// exporter.c: many targets in one small process, for measuring scrapes: GET /t/<n>/metrics is a
// page as node_exporter would give it, whose counters rise with each scrape of that target.
//
//   bench_exporter PORT TARGETS SERIES      prints "port N" once it listens (PORT 0 = any free one)
//   GET /pages                              how many pages were served so far
//
// Four of ten series never change, as on a real machine. The page is built anew for each request
// from parts made at the start, so that the exporter never is the bottleneck.
//
// Memory: one page for each open connection, CONNS_MAX connections.
// Threads: one.
#include "base/base.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TARGETS_MAX = 10000,
    SERIES_MAX = 20000,
    CONNS_MAX = 4096,
    REQUEST_MAX = 4096,
    PART_MAX = 256,
    VALUE_MAX = 32,
    HEAD_MAX = 256
};

enum form { FORM_WHOLE, FORM_CENTS, FORM_EXPONENT };

// One line of the page. Threads: frozen after the start.
struct line {
    char text[PART_MAX]; // What stands before the value: HELP and TYPE where a family begins, too.
    size_t len;
    enum form form;
    u64 base;
    u64 step; // A counter's mean rise in each scrape; 0 = never changes.
    bool gauge;
};

struct conn {
    int fd;
    char request[REQUEST_MAX];
    size_t request_len;
    char *out;
    size_t out_len;
    size_t out_at;
    bool closing;
};

static struct line *lines;
static u32 line_count;
static u32 target_count;
static u64 *rounds; // By target.
static u64 pages;
static struct conn *conns[CONNS_MAX + 64];

// ---- the page ----

struct family {
    const char *name;
    const char *label; // NULL = one series.
    u32 instances;
    const char *type;
    enum form form;
    u64 step;
};

static const struct family families[] = {
    {"node_disk_read_bytes_total", "device", 8, "counter", FORM_EXPONENT, 40960},
    {"node_disk_io_time_seconds_total", "device", 8, "counter", FORM_CENTS, 31},
    {"node_disk_reads_completed_total", "device", 8, "counter", FORM_WHOLE, 12},
    {"node_filesystem_avail_bytes", "mountpoint", 12, "gauge", FORM_EXPONENT, 8192},
    {"node_filesystem_size_bytes", "mountpoint", 12, "gauge", FORM_EXPONENT, 0},
    {"node_filesystem_readonly", "mountpoint", 12, "gauge", FORM_WHOLE, 0},
    {"node_network_receive_bytes_total", "device", 10, "counter", FORM_EXPONENT, 180000},
    {"node_network_transmit_packets_total", "device", 10, "counter", FORM_WHOLE, 900},
    {"node_network_transmit_errs_total", "device", 10, "counter", FORM_WHOLE, 0},
    {"node_network_mtu_bytes", "device", 10, "gauge", FORM_WHOLE, 0},
    {"node_network_up", "device", 10, "gauge", FORM_WHOLE, 0},
    {"node_softnet_processed_total", "cpu", 16, "counter", FORM_WHOLE, 700},
    {"node_softnet_dropped_total", "cpu", 16, "counter", FORM_WHOLE, 0},
    {"node_schedstat_running_seconds_total", "cpu", 16, "counter", FORM_CENTS, 470},
    {"node_memory_MemAvailable_bytes", NULL, 1, "gauge", FORM_EXPONENT, 65536},
    {"node_memory_MemTotal_bytes", NULL, 1, "gauge", FORM_EXPONENT, 0},
    {"node_context_switches_total", NULL, 1, "counter", FORM_WHOLE, 51000},
};

static const char *const modes[8] = {"idle",    "iowait", "irq",    "nice",
                                     "softirq", "steal",  "system", "user"};

static u64 mix(u64 x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

static struct line *line_new(void)
{
    struct line *l = &lines[line_count++];
    *l = (struct line){.base = 1000000 + mix(line_count) % 100000000};
    return l;
}

static void line_text(struct line *l, const char *head, const char *series)
{
    int n = snprintf(l->text, sizeof(l->text), "%s%s ", head, series);
    CHECK(n > 0 && (size_t)n < sizeof(l->text));
    l->len = (size_t)n;
}

static void cpu_lines(u32 cpus, u32 limit)
{
    for (u32 i = 0; i < cpus * 8 && line_count < limit; i++) {
        char series[PART_MAX / 2];
        (void)snprintf(series, sizeof(series), "node_cpu_seconds_total{cpu=\"%u\",mode=\"%s\"}",
                       i / 8, modes[i % 8]);
        struct line *l = line_new();
        l->form = FORM_CENTS;
        l->step = i % 8 == 3 || i % 8 == 5 ? 0 : 20 + 100 * (i % 8);
        line_text(l,
                  i == 0 ? "# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.\n"
                           "# TYPE node_cpu_seconds_total counter\n"
                         : "",
                  series);
    }
}

// Families repeat under a numbered name until the page has as many series as were asked for.
static void family_lines(const struct family *f, u32 turn, u32 limit)
{
    char name[64];
    char head[PART_MAX / 2];
    if (turn == 0) {
        (void)snprintf(name, sizeof(name), "%s", f->name);
    } else {
        (void)snprintf(name, sizeof(name), "node_%u_%s", turn, f->name + strlen("node_"));
    }
    (void)snprintf(head, sizeof(head), "# HELP %.40s What it says.\n# TYPE %.40s %s\n", name, name,
                   f->type);
    for (u32 i = 0; i < f->instances && line_count < limit; i++) {
        char series[PART_MAX / 2];
        if (f->label) {
            (void)snprintf(series, sizeof(series), "%.60s{%s=\"%s%u\"}", name, f->label,
                           strcmp(f->label, "cpu") == 0 ? "" : "/dev/x", i);
        } else {
            (void)snprintf(series, sizeof(series), "%.60s", name);
        }
        struct line *l = line_new();
        l->form = f->form;
        l->step = f->step;
        l->gauge = strcmp(f->type, "gauge") == 0;
        line_text(l, i == 0 ? head : "", series);
    }
}

static void lines_make(u32 limit)
{
    lines = MEM_NEW_N(struct line, limit);
    cpu_lines(16, limit);
    for (u32 turn = 0; line_count < limit; turn++) {
        for (u32 i = 0; i < ARRAY_LEN(families); i++) {
            family_lines(&families[i], turn, limit);
        }
    }
}

static size_t digits(char *out, u64 v)
{
    char text[20];
    size_t n = 0;
    do {
        text[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = text[n - 1 - i];
    }
    return n;
}

static size_t value_print(char *out, u64 v, enum form form)
{
    size_t n = digits(out, form == FORM_CENTS ? v / 100 : v);
    if (form == FORM_CENTS) {
        out[n++] = '.';
        out[n++] = (char)('0' + v / 10 % 10);
        out[n++] = (char)('0' + v % 10);
    } else if (form == FORM_EXPONENT) { // As Go prints large floats: 1.2345678e+07
        size_t exponent = n - 1;
        memmove(out + 2, out + 1, n - 1);
        out[1] = '.';
        n++;
        n += (size_t)snprintf(out + n, 8, "e+%02zu", exponent);
    }
    return n;
}

static size_t page_print(char *out, u32 target)
{
    u64 round = ++rounds[target];
    u64 salt = mix((u64)target << 32 | round);
    size_t at = 0;
    for (u32 i = 0; i < line_count; i++) {
        const struct line *l = &lines[i];
        memcpy(out + at, l->text, l->len);
        at += l->len;
        u64 v = l->base + target * 977U;
        if (l->step > 0) {
            u64 wobble = (salt ^ (i * 0x9e3779b97f4a7c15ULL)) % l->step;
            v += wobble + (l->gauge ? 0 : round * l->step);
        }
        at += value_print(out + at, v, l->form);
        out[at++] = '\n';
    }
    return at;
}

// ---- connections ----

static void conn_close(struct conn *c)
{
    conns[c->fd] = NULL;
    (void)close(c->fd);
    mem_free(c->out);
    mem_free(c);
}

static void answer(struct conn *c, int status, const char *body, size_t len)
{
    int n = snprintf(c->out, HEAD_MAX,
                     "HTTP/1.1 %d %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     status, status == 200 ? "OK" : "Not Found", len);
    memmove(c->out + n, body, len);
    c->out_len = (size_t)n + len;
    c->out_at = 0;
}

static void request_answer(struct conn *c, str path)
{
    char *body = c->out + HEAD_MAX;
    u64 target = 0;
    str rest = str_sub(path, 3, path.len);
    str number;
    if (str_eq(path, STR("/pages"))) {
        answer(c, 200, body, digits(body, pages));
    } else if (str_starts(path, STR("/t/")) && str_split_next(&rest, '/', &number) &&
               parse_u64(number, &target) && target < target_count && str_eq_c(rest, "metrics")) {
        answer(c, 200, body, page_print(body, (u32)target));
        pages++;
    } else {
        answer(c, 404, body, 0);
    }
}

// Sends what is left; false when the connection is gone.
static bool conn_send(struct conn *c, int poller)
{
    while (c->out_at < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n <= 0) {
            return false;
        }
        c->out_at += (size_t)n;
    }
    bool left = c->out_at < c->out_len;
    struct epoll_event ev = {.events = left ? EPOLLOUT : EPOLLIN, .data.fd = c->fd};
    (void)epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &ev);
    return left || !c->closing;
}

// Takes one request: clients of this exporter do not send the next before the answer.
static bool conn_receive(struct conn *c)
{
    ssize_t n = recv(c->fd, c->request + c->request_len, REQUEST_MAX - c->request_len, 0);
    if (n < 0 && errno == EAGAIN) {
        return true;
    }
    if (n <= 0) {
        return false;
    }
    c->request_len += (size_t)n;
    str all = {c->request, c->request_len};
    if (!str_ends(all, STR("\r\n\r\n"))) {
        return c->request_len < REQUEST_MAX;
    }
    str rest = all;
    str method;
    str path;
    if (!str_split_next(&rest, ' ', &method) || !str_split_next(&rest, ' ', &path)) {
        return false;
    }
    c->closing = str_find_str(all, STR("Connection: close")) != STR_NONE;
    request_answer(c, path);
    c->request_len = 0;
    return true;
}

static void conn_accept(int listener, int poller, size_t page_max)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    int one = 1;
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= (int)ARRAY_LEN(conns) || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev) != 0) {
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct conn *c = MEM_NEW(struct conn);
    c->fd = fd;
    c->out = mem_new(page_max, 1);
    conns[fd] = c;
}

static int listen_on(u16 port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, CONNS_MAX) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        return -1;
    }
    (void)printf("port %u\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    u64 port;
    u64 targets;
    u64 series;
    if (argc != 4 || !parse_u64(str_c(argv[1]), &port) || !parse_u64(str_c(argv[2]), &targets) ||
        !parse_u64(str_c(argv[3]), &series) || port > UINT16_MAX || targets > TARGETS_MAX ||
        series > SERIES_MAX) {
        (void)fprintf(stderr, "usage: bench_exporter PORT TARGETS SERIES\n");
        return 2;
    }
    target_count = (u32)targets;
    rounds = MEM_NEW_N(u64, targets + 1);
    lines_make((u32)series);
    size_t page_max = HEAD_MAX * 2 + (size_t)series * VALUE_MAX;
    for (u32 i = 0; i < line_count; i++) {
        page_max += lines[i].len;
    }
    int listener = listen_on((u16)port);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = listener};
    if (listener < 0 || poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &ev) != 0) {
        perror("bench_exporter");
        return 1;
    }
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, ARRAY_LEN(events), -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.fd == listener ? NULL : conns[events[i].data.fd];
            if (events[i].data.fd == listener) {
                conn_accept(listener, poller, page_max);
            } else if (c && (((events[i].events & EPOLLIN) != 0 && !conn_receive(c)) ||
                             !conn_send(c, poller))) {
                conn_close(c);
            }
        }
    }
}
