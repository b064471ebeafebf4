/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_LIFE_H
#define VV_SERVER_LIFE_H

/*
 * The settings of a running server, and what changes them: a reload reads them anew, applies those
 * that can change while the server runs, and says which others wait for the next start.
 *
 *     vv_life_open(&options, &life, &err);           reads them the first time
 *     vv_server_options.life = life;                  the routes of its life work
 *     vv_life_reload(life, server, &err);             SIGHUP, or POST /-/reload
 *     vv_life_close(life);                            after the server has stopped
 *
 * V1  A reload that fails changes nothing.
 * V2  One reload at a time; who comes meanwhile waits and then reads what is there by then.
 *
 * Threads: reload and print from any thread, the rest by one.
 */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

struct vv_config;
struct vv_json;
struct vv_server;

typedef struct vv_life vv_life;

typedef struct vv_life_options {
    vv_alloc *alloc; /* borrowed until close */
    void *context;
    /** Read all settings; the config is not initialised, and is released whatever comes of it. */
    varve_status (*load)(void *context, vv_alloc *alloc, struct vv_config *out_config,
                         varve_error *out_err);
    /** New settings hold: those that are not the server's. From any thread. */
    void (*apply)(void *context, const struct vv_config *config);
    /** A reload begins, or has ended. From any thread, one at a time. NULL: nobody minds. */
    void (*reloading)(void *context, bool is_begin);
    /** The server is to stop; returns before it has. */
    void (*quit)(void *context);
    varve_log_function log; /* NULL: silent */
} vv_life_options;

VV_MUST_CHECK varve_status vv_life_open(const vv_life_options *options, vv_life **out_life,
                                        varve_error *out_err);
/** NULL is fine. */
void vv_life_close(vv_life *life);

/** The settings at the start, which all borrowed texts come from; until close. */
const struct vv_config *vv_life_first(const vv_life *life);

/** Errors: those of load. Logged as well, since there may be nobody who asked. */
VV_MUST_CHECK varve_status vv_life_reload(vv_life *life, struct vv_server *server,
                                          varve_error *out_err);
void vv_life_quit(vv_life *life);

/** Append the settings that hold, as vv_config_print_yaml and _json. Sticky as their targets. */
void vv_life_print_yaml(vv_life *life, vv_buf *out);
void vv_life_print_json(vv_life *life, struct vv_json *json);

#endif
