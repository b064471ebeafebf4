/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_SERVER_PRIV_H
#define VV_SERVER_SERVER_PRIV_H

/* What the files of the server share. */

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/limit.h"
#include "base/slice.h"
#include "net/http.h"
#include "server/name_cache.h"
#include "server/server.h"
#include "sys/thread.h"

/* ---- routes ---- */

enum { VV_GET = 1, VV_POST = 2, VV_PUT = 4, VV_DELETE = 8 };

/** How a route says that something is wrong. */
typedef enum vv_shape {
    VV_SHAPE_JSON,    /* {"status":"error","errorType":...,"error":...} */
    VV_SHAPE_INFLUX1, /* {"error":...} */
    VV_SHAPE_INFLUX2, /* {"code":...,"message":...} */
    VV_SHAPE_TEXT,
} vv_shape;

typedef enum vv_route_id {
#define VV_ROUTE(id, path, methods, shape, handler, help) VV_ROUTE_##id,
#include "server/routes.def"
#undef VV_ROUTE
    VV_ROUTE_OTHER, /* no such path */
    VV_ROUTE_COUNT
} vv_route_id;

typedef struct vv_call vv_call;

typedef struct vv_route {
    vv_route_id id;
    const char *path;
    uint32_t methods;
    vv_shape shape;
    void (*serve)(vv_call *call);
    const char *help;
} vv_route;

/** The row of an id below VV_ROUTE_OTHER. */
const vv_route *vv_route_at(vv_route_id id);

/** One request and the route it took; lives as long as the request. */
struct vv_call {
    vv_server *server;
    vv_http_request *request;
    const vv_route *route;
    vv_route_id route_id;
    varve_text wildcard;     /* what "*" stood for; see vv_call_segment */
    bool is_refused;         /* by a bound that has been counted */
    uint64_t line_bytes_max; /* of an import that has a bound of its own; 0: the server's */
};

/* ---- pages of other sites ---- */

/** Whether http_prefix and cors_origins are what they are to be: E_INVALID. */
VV_MUST_CHECK varve_status vv_origins_check(const vv_server_options *options, varve_error *out_err);
/**
 * Whether a page of another site may be behind the request, and it is not to be served; else the
 * answer gets what lets a page that is allowed read it. See server/origins.c.
 */
bool vv_origins_refuse(vv_call *call, bool changes);
/** Whether an OPTIONS comes from the browser of a page that is allowed. */
bool vv_origins_is_preflight(vv_call *call);

/** The `head` of vv_http_options. */
void vv_routes_head(void *server, vv_http_request *request);

#define VV_ROUTE(id, path, methods, shape, handler, help) void handler(vv_call *call);
#include "server/routes.def"
#undef VV_ROUTE

/* ---- counters ---- */

typedef enum vv_metric_id {
#define VV_METRIC(id, kind, name, labels, help) VV_METRIC_##id,
#include "server/metrics.def"
#undef VV_METRIC
    VV_METRIC_COUNT
} vv_metric_id;

/* Answer codes that are counted one by one; the last is all others. */
#define VV_CODES_MAP(X) \
    X(200)              \
    X(204)              \
    X(400)              \
    X(403) X(404) X(405) X(413) X(414) X(415) X(417) X(422) X(429) X(431) X(499) X(500) X(503)
enum {
#define VV_CODE_ENUM(code) VV_CODE_##code,
    VV_CODES_MAP(VV_CODE_ENUM)
#undef VV_CODE_ENUM
        VV_CODE_OTHER,
    VV_CODE_COUNT
};

/* Upper bounds of the buckets of query times, in microseconds. */
#define VV_QUERY_BUCKETS 8u

typedef struct vv_counters {
    _Atomic uint64_t metrics[VV_METRIC_COUNT];
    _Atomic uint64_t requests[VV_ROUTE_COUNT][VV_CODE_COUNT];
    _Atomic uint64_t query_buckets[VV_ROUTE_COUNT][VV_QUERY_BUCKETS + 1];
    _Atomic uint64_t query_sum_us[VV_ROUTE_COUNT];
    _Atomic uint64_t queries_in_flight;
    _Atomic uint64_t limits[VV_LIMIT_COUNT];
} vv_counters;

extern const uint32_t vv_codes[VV_CODE_COUNT]; /* 0: all others */
extern const uint64_t vv_query_bounds_us[VV_QUERY_BUCKETS];

void vv_count(vv_server *server, vv_metric_id id, uint64_t by);
void vv_count_request(vv_server *server, vv_route_id route, uint32_t code);
void vv_count_query(vv_server *server, vv_route_id route, uint64_t duration_us);

/** The two forms of text that figures have. */
typedef enum vv_figures_form {
    VV_FIGURES_PROMETHEUS, /* text/plain; version=0.0.4 */
    VV_FIGURES_OPENMETRICS,
} vv_figures_form;
/** What an Accept header (may be empty) likes better. */
VV_UNTRUSTED vv_figures_form vv_figures_choose(varve_text accept);
const char *vv_figures_type(vv_figures_form form);
/** Append all figures. Errors: E_NOMEM. */
VV_MUST_CHECK varve_status vv_figures_print(vv_server *server, vv_figures_form form, vv_buf *out,
                                            varve_error *out_err);

/* ---- turns of queries ---- */

typedef struct vv_turns {
    vv_mutex lock;
    vv_cond freed;
    uint32_t taken; /* guarded by lock */
    uint32_t waiting;
    uint32_t most; /* fixed */
    uint32_t wait_ms;
    vv_limit limit; /* which bound it is that nobody got a turn */
} vv_turns;

VV_MUST_CHECK varve_status vv_turns_init(vv_turns *turns, uint32_t most, uint32_t wait_ms,
                                         varve_error *out_err);
void vv_turns_deinit(vv_turns *turns);
/** Wait for a turn; E_BUSY when none comes. */
VV_MUST_CHECK varve_status vv_turns_take(vv_turns *turns, varve_error *out_err);
void vv_turns_give(vv_turns *turns);

/* ---- the server ---- */

/** Members of vv_server_options that a reload changes; the rows of config.def with is_live. */
#define VV_LIVE_MAP(X)        \
    X(text_line_bytes_max)    \
    X(future_ms_max)          \
    X(batch_bytes)            \
    X(batch_rows_max)         \
    X(query_timeout_ms)       \
    X(query_rows_max)         \
    X(query_memory_bytes_max) \
    X(listing_rows_max)
typedef struct vv_live {
#define VV_LIVE_MEMBER(member) _Atomic uint64_t member;
    VV_LIVE_MAP(VV_LIVE_MEMBER)
#undef VV_LIVE_MEMBER
} vv_live;

struct vv_server {
    /* Fixed after start. */
    varve_db *db;
    vv_server_options options;
    vv_alloc alloc;
    uint32_t precision; /* VARVE_PRECISION_... of the database */
    bool is_readonly;
    int64_t start_wall_ns;
    vv_http *http;
    vv_live live; /* atomic, each on its own */
    /* These guard themselves. */
    vv_name_cache series;
    vv_name_cache fields;
    vv_turns turns;  /* of queries */
    vv_turns parses; /* of long lines of JSON */
    vv_counters counters;
};

/* ---- bounds ---- */

struct vv_json;

/** The bound behind a failure; VV_LIMIT_NONE when it is another kind of failure. */
vv_limit vv_limit_of(const vv_call *call, varve_status status, const varve_error *err);
void vv_limit_count(vv_server *server, vv_limit limit);
/** The same, once for a request. */
void vv_limit_refuse(vv_call *call, vv_limit limit);
/** Append " (limit_line: 1048576, --line-max)". */
void vv_limit_print(const vv_call *call, vv_limit limit, vv_buf *out);
/** The member "limit": its code, value and option. */
void vv_limit_print_json(const vv_call *call, vv_limit limit, struct vv_json *json);

/* ---- answers ---- */

/** Answer with an error in the shape of the route; the HTTP code follows from the status. */
void vv_answer_error(vv_call *call, varve_status status, const varve_error *err);
/** The same with a code of one's own. */
void vv_answer_error_code(vv_call *call, uint32_t code, const char *message);
/** The body could not be read: 413, 415 or 400. */
void vv_answer_body_error(vv_call *call, varve_status status, const varve_error *err);
/** HTTP code of a failed query or write. */
uint32_t vv_answer_code(varve_status status);
/** 204 without a body. */
void vv_answer_nothing(vv_call *call);

/* ---- what requests ask for ---- */

/**
 * Selections of match[], narrowed by the filters of the request, all in its arena. Errors:
 * E_INVALID that names the parameter and the place in it, E_LIMIT, E_NOMEM.
 */
VV_MUST_CHECK varve_status vv_call_selections(vv_call *call, bool is_required,
                                              const varve_selection **out_selections,
                                              size_t *out_count, varve_error *out_err);
/** Selections of another origin, of kind ALL or TEXT, narrowed by the filters of the request. */
VV_MUST_CHECK varve_status vv_call_narrow(vv_call *call, const varve_selection **selections,
                                          size_t *count, varve_error *out_err);
/** start and end, both included; the whole axis without. */
VV_MUST_CHECK varve_status vv_call_range(vv_call *call, varve_range *out_range,
                                         varve_error *out_err);
/** A whole number; fallback when it is absent. */
VV_MUST_CHECK varve_status vv_call_number(vv_call *call, varve_text name, uint64_t fallback,
                                          uint64_t *out_number, varve_error *out_err);
/** Parameter "precision" as VARVE_PRECISION_...; ms without. */
VV_MUST_CHECK varve_status vv_call_precision(vv_call *call, uint32_t *out_precision,
                                             varve_error *out_err);
/** Parameter "timeout", at most two minutes; else the server's. */
VV_MUST_CHECK varve_status vv_call_timeout(vv_call *call, uint64_t *out_timeout_ms,
                                           varve_error *out_err);
/** "1" or "true", "0" or "false"; fallback when it is absent. */
VV_MUST_CHECK varve_status vv_call_flag(vv_call *call, varve_text name, bool fallback,
                                        bool *out_flag, varve_error *out_err);
/** A segment of the path, such as the wildcard of a route, decoded. Errors: E_INVALID, E_NOMEM. */
VV_MUST_CHECK varve_status vv_call_segment(vv_call *call, varve_text segment, varve_text *out_text,
                                           varve_error *out_err);

/* ---- cursors that are answered ---- */

/** A cursor of a request, closed with it; see server/reading.c. */
typedef struct vv_reading {
    vv_call *call;
    varve_task *task;
    varve_cursor *cursor;
    int64_t begin_ns;
} vv_reading;

/** An object in the request's arena that ends with the request; NULL for want of memory. */
VV_MUST_CHECK vv_reading *vv_reading_create(vv_call *call);
/** The next block, in turn with other queries. */
VV_MUST_CHECK varve_status vv_reading_next(vv_reading *reading, const varve_block **out_block,
                                           varve_error *out_err);

#endif
