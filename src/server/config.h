/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_CONFIG_H
#define VV_SERVER_CONFIG_H

/*
 * The settings of `varve serve`: what each is (server/config.def), what holds now, and where that
 * came from.
 *
 *     vv_config_init(&config, alloc);                       every default
 *     vv_config_set(&config, id, VV_ORIGIN_FLAG, ...);      each flag that was given
 *     vv_config_read_variables(&config, lookup, ...);
 *     vv_config_parse_file(&config, name, text, ...);
 *     vv_config_apply(&config, &server_options, &database_options);
 *     vv_config_deinit(&config);
 *
 * G1  A flag wins over a variable, that over the file, that over the default, in whatever order
 *     they are read.
 * G2  A value that was not taken changes nothing, and its error says where it stands, what it is
 *     and what would be taken.
 * G3  All that a config holds is as it was written: reading the printed form gives the same.
 *
 * Threads: one at a time.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "server/server.h"

struct vv_json;

/* Of the file, of a value, and of the values of one list. */
#define VV_CONFIG_FILE_BYTES_MAX  (1024u * 1024u)
#define VV_CONFIG_VALUE_BYTES_MAX 4095u
#define VV_CONFIG_ITEMS_MAX       64u

typedef enum vv_setting_id {
#define VV_SETTING(id, name, kind, ...) VV_SETTING_##id,
#include "server/config.def"
#undef VV_SETTING
    VV_SETTING_COUNT
} vv_setting_id;

typedef enum vv_setting_kind {
    VV_KIND_TEXT,
    VV_KIND_LIST, /* texts: a repeated flag, commas in a variable, a sequence in the file */
    VV_KIND_WORD, /* one of a few */
    VV_KIND_BOOL,
    VV_KIND_COUNT,
    VV_KIND_BYTES,    /* "512MiB"; a number alone is bytes */
    VV_KIND_DURATION, /* "1m30s"; a number alone is seconds; kept in ms */
    VV_KIND_SECONDS,  /* the same, whole, kept in seconds */
} vv_setting_kind;

/** A member of an options struct. */
typedef struct vv_member {
    size_t offset;
    size_t size; /* 0: none */
} vv_member;

typedef struct vv_setting {
    const char *name; /* "query-timeout" */
    vv_setting_kind kind;
    bool is_live;
    bool is_common;
    const char *fallback;
    const char *zero;  /* NULL: none */
    const char *bare;  /* NULL: none */
    const char *words; /* "a|b|c" */
    uint64_t least;
    uint64_t most;
    vv_member server;
    vv_member database;
    const char *argument; /* NULL: none is shown */
    const char *help;
} vv_setting;

extern const vv_setting vv_settings[VV_SETTING_COUNT];

/** Where a value came from; a greater one wins. */
typedef enum vv_origin {
    VV_ORIGIN_DEFAULT,
    VV_ORIGIN_FILE,
    VV_ORIGIN_VARIABLE,
    VV_ORIGIN_FLAG,
} vv_origin;

typedef struct vv_config_value {
    vv_origin origin;
    uint32_t line;     /* of the file */
    uint64_t number;   /* in the unit of the setting; the place of a word */
    varve_text text;   /* canonical, terminated; a list: joined by commas */
    varve_text *items; /* of a list; each terminated */
    size_t item_count;
} vv_config_value;

typedef struct vv_config {
    vv_arena arena;
    vv_config_value values[VV_SETTING_COUNT];
    varve_text file; /* as it was named; empty: none */
} vv_config;

/** Every default. Errors: E_NOMEM; then too there is vv_config_deinit to call. */
VV_MUST_CHECK varve_status vv_config_init(vv_config *config, vv_alloc *alloc, varve_error *out_err);
void vv_config_deinit(vv_config *config);

/** The setting of a name; VV_SETTING_COUNT when there is none. */
vv_setting_id vv_setting_find(varve_text name);
/** "VARVE_QUERY_TIMEOUT", terminated; returns its length. */
size_t vv_setting_variable(vv_setting_id id, char *target, size_t capacity);

/** Append a number of a setting as its users write it. Sticky as vv_buf. */
void vv_setting_print_number(const vv_setting *setting, uint64_t number, vv_buf *out);
/** Append what it takes: "1ms to 10m", "group, always, none". */
void vv_setting_print_range(const vv_setting *setting, vv_buf *out);

/** A value that was given, and where. */
typedef struct vv_given {
    vv_origin origin;
    uint32_t line; /* of a file */
    uint32_t column;
    const varve_text *texts; /* one, but for a list */
    size_t count;
} vv_given;

/**
 * Take a value, unless one of a stronger origin is there (it is checked all the same). A second one
 * of the same origin replaces the first. Errors: E_INVALID, E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_config_set(vv_config *config, vv_setting_id id,
                                                      const vv_given *given, varve_error *out_err);

/** The variable's text; NULL: not set. An empty one counts as not set. */
typedef const char *(*vv_variable_lookup)(void *context, const char *name);
VV_MUST_CHECK varve_status vv_config_read_variables(vv_config *config, vv_variable_lookup lookup,
                                                    void *context, varve_error *out_err);

/** Take over the value of one setting of another config. */
VV_MUST_CHECK varve_status vv_config_copy(vv_config *config, const vv_config *source,
                                          vv_setting_id id, varve_error *out_err);

/**
 * The text of a file: YAML, see server/config_file.c; the name is for errors. A failure leaves part
 * of it taken. Errors: E_INVALID with line and column, E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_config_parse_file(vv_config *config, varve_text name,
                                                             varve_text text, varve_error *out_err);
/** The same of a file of at most VV_CONFIG_FILE_BYTES_MAX. Errors: E_IO, E_NOT_FOUND, E_LIMIT too.
 */
VV_MUST_CHECK varve_status vv_config_read_file(vv_config *config, const char *path,
                                               varve_error *out_err);

/** Members of both structs; either may be NULL. Texts are borrowed from the config. */
void vv_config_apply(const vv_config *config, vv_server_options *server, varve_options *database);

/** Append YAML that vv_config_parse_file takes; origins as comments. Sticky as vv_buf. */
void vv_config_print_yaml(const vv_config *config, bool has_origins, vv_buf *out);
/** An array of objects: name, value, origin and all that the table says. Sticky as vv_json. */
void vv_config_print_json(const vv_config *config, struct vv_json *json);

/** "flag", "variable", "file" or "default". */
const char *vv_origin_name(vv_origin origin);

#endif
