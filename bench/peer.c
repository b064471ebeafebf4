/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other engines: where their programs are and which versions. NAME is upper case with
 * underscores in VARVE_PEER_<NAME>. The version is what the program says to --version, after the
 * word "version"; where it says none, the first line of PROGRAM.version beside it, which
 * bench/peers/build writes.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "versus.h"

enum { PEER_TEXT_BYTES = 8192 };

static const struct {
    const char *name;
    const char *programs[3]; /* as they are called in PATH */
} peer_list[] = {
    {"promtool", {"promtool"}},
    {"prometheus", {"prometheus"}},
    {"victoria-metrics", {"victoria-metrics", "victoria-metrics-prod"}},
    {"tstorage", {"varve-peer-tstorage"}},
    {"tsink", {"varve-peer-tsink"}},
};

bool bench_peer_is_known(const char *name)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(peer_list); i++) {
        if (strcmp(peer_list[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- where ---- */

static bool peer_is_program(const char *path)
{
    return path[0] == '/' && access(path, X_OK) == 0;
}

/** DIRECTORY/NAME, where that is a program. */
static bool peer_in(const char *directory, size_t size, const char *name, bench_peer *peer)
{
    snprintf(peer->path, sizeof peer->path, "%.*s/%s", (int)size, directory, name);
    return peer_is_program(peer->path);
}

static bool peer_in_path(const char *name, bench_peer *peer)
{
    const char *at = getenv("PATH");
    while (at != NULL && *at != '\0') {
        size_t size = strcspn(at, ":");
        if (peer_in(at, size, name, peer)) {
            return true;
        }
        at += size + (at[size] == ':');
    }
    return false;
}

/** Below the directory of this program. */
static bool peer_beside(const char *below, const char *name, bench_peer *peer)
{
    char self[400];
    char place[450];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0) {
        return false;
    }
    self[size] = '\0';
    *strrchr(self, '/') = '\0';
    snprintf(place, sizeof place, "%s%s", self, below);
    return peer_in(place, strlen(place), name, peer);
}

static void peer_variable(const char *name, char *out_variable, size_t capacity)
{
    snprintf(out_variable, capacity, "VARVE_PEER_%s", name);
    for (char *at = out_variable; *at != '\0'; at++) {
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    }
}

static bool peer_by_variable(const char *variable, bench_peer *peer)
{
    const char *value = getenv(variable);
    snprintf(peer->path, sizeof peer->path, "%s", value == NULL ? "" : value);
    return peer_is_program(peer->path);
}

/* ---- which version ---- */

/** What follows "version" in a text, or all of it; what JSON cannot hold becomes an underscore. */
static void peer_keep_version(bench_peer *peer, const char *text)
{
    const char *word = strstr(text, "version ");
    const char *from = word == NULL ? text : word + strlen("version ");
    size_t size = strcspn(from, word == NULL ? "\n" : " ,\n");
    snprintf(peer->version, sizeof peer->version, "%.*s", (int)size, from);
    for (char *at = peer->version; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\' || *at == '|' || !isprint((unsigned char)*at)) {
            *at = '_';
        }
    }
}

static void peer_ask_version(bench_peer *peer, const bench_options *options)
{
    char text[PEER_TEXT_BYTES];
    char log[512];
    snprintf(log, sizeof log, "%s/version.log", bench_scratch(options));
    const char *const argv[] = {peer->path, "--version", NULL};
    bench_child_run(&(bench_command){.argv = argv, .log = log}, text, sizeof text);
    peer_keep_version(peer, text);
    if (peer->version[0] == '\0') {
        char path[600];
        snprintf(path, sizeof path, "%s.version", peer->path);
        FILE *file = fopen(path, "re");
        if (file != NULL && fgets(text, sizeof text, file) != NULL) {
            peer_keep_version(peer, text);
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    if (peer->version[0] == '\0') {
        snprintf(peer->version, sizeof peer->version, "unknown");
    }
}

/* ---- finding ---- */

bool bench_peer_find(const char *name, const char *workload, const bench_options *options,
                     bench_peer *out_peer)
{
    char variable[64];
    peer_variable(name, variable, sizeof variable);
    *out_peer = (bench_peer){.name = name};
    bool is_there = false;
    if (getenv(variable) != NULL) {
        is_there = peer_by_variable(variable, out_peer);
    } else {
        is_there = peer_beside("/peers/bin", name, out_peer);
        for (size_t i = 0; i < VV_ARRAY_COUNT(peer_list) && !is_there; i++) {
            for (size_t k = 0; k < 3 && strcmp(peer_list[i].name, name) == 0 && !is_there; k++) {
                const char *program = peer_list[i].programs[k];
                is_there = program != NULL && peer_in_path(program, out_peer);
            }
        }
    }
    if (!is_there) {
        printf("skipped: %s with %s: no such program here; %s=PATH names it\n", workload, name,
               variable);
        return false;
    }
    peer_ask_version(out_peer, options);
    return true;
}

bool bench_peer_varve(const char *workload, const bench_options *options, bench_peer *out_peer)
{
    *out_peer = (bench_peer){.name = "varve"};
    if (!peer_by_variable("VARVE_PEER_VARVE", out_peer) && !peer_beside("", "varve", out_peer)) {
        printf("skipped: %s: the program varve is not beside this one\n", workload);
        return false;
    }
    peer_ask_version(out_peer, options);
    return true;
}

double bench_figure(const char *text, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(text, key);
    if (at == NULL) {
        bench_die("an answer without %s: %s", key, text);
    }
    return strtod(at + strlen(key), NULL);
}
