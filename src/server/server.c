/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The server as a whole: options, start, stop, the log of requests.
 *
 *   routes.def, routes.c   which path leads where
 *   origins.c              what pages of other sites may ask for
 *   door_*.c               what the paths do
 *   call.c, answer.c       parameters in, errors out
 *   ingest.c               rows on their way in
 *   reading.c, turns.c     cursors on their way out
 *   name_cache.c           known names
 *   counters.c             /metrics
 *
 * All memory of requests and caches comes from one vv_alloc with a limit, so that clients together
 * cannot take more than memory_bytes_max; who finds none is told 503.
 */

#include "server/server.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "model/labels.h"
#include "server/server_priv.h"
#include "sys/clock.h"
#include "sys/entropy.h"
#include "sys/process.h"

#define SERVER_QUERIES_MAX 32u
/* Long lines of JSON parsed at once; each takes some 30 MB. */
#define SERVER_PARSES_MAX 4u

void vv_server_options_init(vv_server_options *options)
{
    *options = (vv_server_options){
        .listen = VARVE_STR("127.0.0.1:9428"),
        .unix_mode = 0660,
        .connections_max = 1024,
        .connections_per_address_max = 256,
        .header_timeout_ms = 10000,
        .idle_timeout_ms = 60000,
        .stall_timeout_ms = 30000,
        .drain_ms = 5000,
        .text_line_bytes_max = 1024 * 1024,
        .future_ms_max = 24u * 60u * 60u * 1000u,
        .document_bytes_max = 1024 * 1024,
        .form_bytes_max = 10 * 1024 * 1024,
        .batch_bytes = 4 * 1024 * 1024,
        .batch_rows_max = 100000,
        .series_cache_bytes = 64 * 1024 * 1024,
        .memory_bytes_max = 512 * 1024 * 1024,
        .query_timeout_ms = 30000,
        .influx_db_label = VARVE_STR("db"),
        .influx_separator = VARVE_STR("_"),
        .query_wait_ms = 10000,
        .query_rows_max = 50 * 1000 * 1000,
        .query_memory_bytes_max = 256 * 1024 * 1024,
        .listing_rows_max = 100000,
    };
}

/* ---- the log ---- */

/** Bounds that the HTTP server keeps itself show in its codes alone. */
static void server_count_refusal(vv_server *server, const vv_call *call, uint32_t code)
{
    if (call != NULL && call->is_refused) {
        return;
    }
    if (code == 414) {
        vv_limit_count(server, VV_LIMIT_TARGET);
    } else if (code == 431) {
        vv_limit_count(server, VV_LIMIT_HEAD);
    } else if (code == 429) {
        vv_limit_count(server, VV_LIMIT_BODIES);
    } else if (code == 413) {
        vv_limit_count(server, VV_LIMIT_PARAMETERS);
    }
}

static void server_finished(void *context, vv_http_request *request)
{
    vv_server *server = context;
    const vv_http_view *view = vv_http_request_view(request);
    const vv_call *call = view->user;
    vv_count_request(server, call == NULL ? VV_ROUTE_OTHER : call->route_id, view->code);
    vv_count(server, VV_METRIC_HTTP_BYTES, view->received);
    server_count_refusal(server, call, view->code);
    if (server->options.log == NULL) {
        return;
    }
    vv_server_access access = {
        .method = view->method,
        .path = view->path,
        .peer = view->peer,
        .id = view->id,
        .code = view->code,
        .received_bytes = view->received,
        .duration_us = (uint64_t)(vv_mono_now_ns() - view->begin_ns) / 1000,
    };
    server->options.log(server->options.log_context, &access);
}

static void server_refused(void *context)
{
    vv_limit_count(context, VV_LIMIT_CONNECTIONS);
}

/* ---- start and stop ---- */

static uint32_t server_queries_max(const vv_server_options *options)
{
    if (options->queries_max > 0) {
        return options->queries_max;
    }
    uint32_t twice = vv_process_cpu_count() * 2;
    return twice < SERVER_QUERIES_MAX ? twice : SERVER_QUERIES_MAX;
}

/** Parameters and a document, decoded and parsed: the text several times over; of a form twice. */
static size_t server_request_bytes(const vv_server_options *options)
{
    uint64_t document = options->document_bytes_max * 8;
    uint64_t form = options->form_bytes_max * 2;
    return (size_t)(document > form ? document : form) + (1u << 20);
}

static varve_status server_check_words(const vv_server_options *options, varve_error *out_err)
{
    VV_TRY(vv_origins_check(options, out_err));
    return vv_label_name_check(options->influx_db_label, out_err);
}

/** What of the options concerns addresses. */
static vv_http_options server_addresses(const vv_server_options *options)
{
    return (vv_http_options){
        .listen = options->listen,
        .unix_mode = options->unix_mode,
        .allows_public = options->allows_public,
        .refuses_public_root = options->refuses_public_root,
    };
}

varve_status vv_server_check(const vv_server_options *options, varve_error *out_err)
{
    vv_alloc alloc;
    VV_TRY(server_check_words(options, out_err));
    vv_alloc_init(&alloc, NULL);
    vv_http_options http = server_addresses(options);
    http.alloc = &alloc;
    return vv_http_check(&http, out_err);
}

static varve_status server_open(vv_server *server, varve_error *out_err)
{
    varve_info info;
    varve_info_init(&info);
    VV_TRY(server_check_words(&server->options, out_err));
    VV_TRY(varve_db_info(server->db, &info, out_err));
    server->precision = info.precision;
    server->is_readonly = info.is_readonly != 0;
    server->start_wall_ns = vv_wall_now_ns();
    uint64_t seed = 0;
    uint64_t ids = 0; /* one of its own: clients see it, and the other one guards the caches */
    vv_entropy entropy = vv_entropy_system();
    VV_TRY(vv_entropy_fill(&entropy, &seed, sizeof seed, out_err));
    VV_TRY(vv_entropy_fill(&entropy, &ids, sizeof ids, out_err));
    VV_TRY(vv_name_cache_init(&server->series, &server->alloc, server->options.series_cache_bytes,
                              seed, out_err));
    /* Names of fields are few and short: an eighth. */
    VV_TRY(vv_name_cache_init(&server->fields, &server->alloc,
                              server->options.series_cache_bytes / 8, seed, out_err));
    VV_TRY(vv_turns_init(&server->turns, server_queries_max(&server->options),
                         server->options.query_wait_ms, out_err));
    VV_TRY(
        vv_turns_init(&server->parses, SERVER_PARSES_MAX, server->options.query_wait_ms, out_err));
    server->turns.limit = VV_LIMIT_QUERIES;
    server->parses.limit = VV_LIMIT_PARSES;
    vv_http_options http = server_addresses(&server->options);
    http.connections_max = server->options.connections_max;
    http.connections_per_address_max = server->options.connections_per_address_max;
    http.header_timeout_ms = server->options.header_timeout_ms;
    http.idle_timeout_ms = server->options.idle_timeout_ms;
    http.stall_timeout_ms = server->options.stall_timeout_ms;
    http.drain_ms = server->options.drain_ms;
    http.request_bytes_max = server_request_bytes(&server->options);
    /* A quarter of what there is (security.md, section 3). */
    http.pending_bytes_max = server->options.memory_bytes_max / 4;
    http.id_begin = ids;
    http.alloc = &server->alloc;
    http.context = server;
    http.head = vv_routes_head;
    http.finished = server_finished;
    http.refused = server_refused;
    return vv_http_start(&http, &server->http, out_err);
}

varve_status vv_server_start(varve_db *db, const vv_server_options *options, vv_server **out_server,
                             varve_error *out_err)
{
    *out_server = NULL;
    varve_allocator system = vv_alloc_system();
    vv_server *server = system.allocate(system.context, sizeof *server);
    if (server == NULL) {
        return vv_fail_nomem(out_err, "the server", sizeof *server);
    }
    memset(server, 0, sizeof *server);
    server->db = db;
    server->options = *options;
    vv_server_reconfigure(server, options);
    vv_alloc_init_limited(&server->alloc, NULL,
                          (size_t)(options->memory_bytes_max + options->series_cache_bytes));
    varve_status status = server_open(server, out_err);
    if (status != VARVE_OK) {
        vv_server_stop(server);
        return status;
    }
    *out_server = server;
    return VARVE_OK;
}

void vv_server_reconfigure(vv_server *server, const vv_server_options *options)
{
#define VV_LIVE_STORE(member) atomic_store(&server->live.member, options->member);
    VV_LIVE_MAP(VV_LIVE_STORE)
#undef VV_LIVE_STORE
}

const char *vv_server_address(const vv_server *server)
{
    return vv_http_address(server->http, 0);
}

const char *vv_server_address_at(const vv_server *server, size_t index)
{
    return vv_http_address(server->http, index);
}

size_t vv_server_address_count(const vv_server *server)
{
    return vv_http_address_count(server->http);
}

uint32_t vv_server_port(const vv_server *server)
{
    return vv_http_port(server->http);
}

void vv_server_stop(vv_server *server)
{
    if (server == NULL) {
        return;
    }
    vv_http_stop(server->http);
    vv_turns_deinit(&server->parses);
    vv_turns_deinit(&server->turns);
    vv_name_cache_deinit(&server->fields);
    vv_name_cache_deinit(&server->series);
    VV_DEBUG_ASSERT(vv_alloc_bytes(&server->alloc) == 0);
    varve_allocator system = vv_alloc_system();
    system.release(system.context, server, sizeof *server);
}
