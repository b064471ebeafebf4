/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparisons: varve and another engine, fed the same bytes, one after the other in the same run.
 *
 *   children.c   programs that are started, and that end with this one, however it ends
 *   peer.c       the other engines: where they are, their versions
 *   servers.c, bodies.c  servers, and what they are sent (servers.h)
 *   pairs.c      A B A B ..., medians of ratios
 *   compare.c    the command
 *   versus_*.c   a comparison each
 *
 * P1. Nothing that was started outlives the program, Ctrl-C and kill -9 included, and no temporary
 *     file does: children.c keeps a process that waits for the end of this one.
 * P2. A peer that is not there is a notice, never an error.
 * P3. A figure is reported only where both answers were verified.
 */
#ifndef VV_BENCH_VERSUS_H
#define VV_BENCH_VERSUS_H

#include <sys/types.h>

#include "bench.h"

/* ---- children.c ---- */

/** A directory for everything that is made on the way; the first call makes it. */
const char *bench_scratch(const bench_options *options);

typedef struct bench_command {
    const char *const *argv; /* ends with NULL; argv[0] is a path */
    const char *const
        *environment; /* "NAME=VALUE", ends with NULL; added to our own; may be NULL */
    const char *log;  /* file for what it says on standard error */
} bench_command;

typedef struct bench_child {
    pid_t pid;
    int out; /* reads what it says on standard output */
} bench_child;

/** In a process group of its own. */
bench_child bench_child_start(const bench_command *command);
/** Ask it to end, wait; kills what does not end within ten seconds. The seconds of CPU time of its
 * whole life. */
double bench_child_stop(bench_child *child);
/** End it at once. */
void bench_child_kill(bench_child *child);
/** Run to the end; its standard output, terminated, and the seconds of CPU time that it took. A
 * status other than 0 ends the program. */
double bench_child_run(const bench_command *command, char *out_text, size_t capacity);
/** Seconds of CPU time that it has taken so far. */
double bench_child_cpu_s(const bench_child *child);
/** Resident bytes now, and the most there were. */
uint64_t bench_child_resident(const bench_child *child, uint64_t *out_peak);
/** Bytes of all files below a directory, as their lengths say. */
uint64_t bench_tree_bytes(const char *path);

/* ---- peer.c ---- */

typedef struct bench_peer {
    const char *name;
    char path[512];
    char version[64]; /* safe in JSON */
} bench_peer;

/** Whether there is a peer of this name at all. */
bool bench_peer_is_known(const char *name);
/** By VARVE_PEER_<NAME>, then peers/bin beside this program, then PATH. False: not there, and it
 * was said that `workload` is skipped. */
bool bench_peer_find(const char *name, const char *workload, const bench_options *options,
                     bench_peer *out_peer);
/** The program varve itself, for comparisons of servers: VARVE_PEER_VARVE, or beside this one. */
bool bench_peer_varve(const char *workload, const bench_options *options, bench_peer *out_peer);
/** The number after "name": in a line of JSON; ends the program where there is none. */
double bench_figure(const char *text, const char *name);

/* ---- pairs.c ---- */

enum { BENCH_FIGURES_MAX = 8 };

/** Both sides fill figures[0..count); a figure that a side does not have is NaN. */
typedef void (*bench_measure)(void *context, double *figures);

typedef struct bench_pairing {
    bench_result result;    /* workload, set, params, durability, threads */
    const bench_peer *peer; /* its name and version */
    void *context;          /* of both measures */
    bench_measure varve, other;
    const char *metrics[BENCH_FIGURES_MAX], *units[BENCH_FIGURES_MAX];
    size_t count;
} bench_pairing;

/** Warm up, then pairs; reports the figures of both and the median of the ratios varve / other.
 * Where a side's first figure varies by more than 1.5 everything is measured once more. */
void bench_pairs(const bench_options *options, const bench_pairing *pairing);

/* ---- compare.c ---- */

enum { BENCH_PEERS_MAX = 8 };

/** Run the comparisons of some ids (none: all) with some peers (none: all). */
void bench_compare(const bench_options *options, const char *const *ids, size_t id_count,
                   const char *const *peers, size_t peer_count);
void bench_compare_list(void);

/* ---- summary.c ---- */

/** Results as Markdown on standard output; the exit status. */
int bench_summary(const char *const *paths, size_t count);

/* ---- versus_*.c ---- */

void bench_versus_lines(const bench_options *options, const bench_peer *peer);
void bench_versus_series(const bench_options *options, const bench_peer *peer);
void bench_versus_size(const bench_options *options, const bench_peer *peer);
void bench_versus_embedded(const bench_options *options, const bench_peer *peer);
void bench_versus_append(const bench_options *options, const bench_peer *peer);
void bench_versus_replay(const bench_options *options, const bench_peer *peer);

#endif
