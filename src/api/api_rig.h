// api_rig.h: an api over a small known store, asked without sockets. Included by tests only.
#ifndef API_API_RIG_H
#define API_API_RIG_H

#include "api/api.h"
#include "net/http_fake.h"

#define RIG_NOW_MS 1600000000000 // 2020-09-13T12:26:40Z

// Threads: owned.
struct api_rig {
    struct clk *clk;
    struct storage *store;
    struct promql_engine *engine;
    struct tmk_registry *registry;
    struct api *api;
    struct http_router router;
    u32 reloads;
    u32 quits;
    bool reload_fails;
};

// With lifecycle, admin and remote write on; attached. The store holds, every 15 s of 10 min,
// up{instance="x:1",job="a"} 1, up{instance="y:1",job="b"} 0, n_total{job="a"} (0.5 a second) and
// "odd name"{"a b"="<&>\"\\\n"} NaN.
struct api_rig *api_rig_new(void);
// Lifecycle, remote write and readiness as wanted.
struct api_rig *api_rig_new_bare(bool lifecycle, bool attached);
void api_rig_free(struct api_rig *rig);

struct http_fake *api_rig_ask(struct api_rig *rig, const char *method, const char *target,
                              str body);
// GET target: checks the status and the whole body.
void api_rig_expect(struct api_rig *rig, const char *target, u32 status, const char *body);
// GET target: checks the status and that part stands in the body.
void api_rig_expect_part(struct api_rig *rig, const char *target, u32 status, const char *part);

#endif
