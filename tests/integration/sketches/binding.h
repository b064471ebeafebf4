/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketch of a binding of another language: the shared library is opened at run time, functions are
 * found by name, only plain structs cross. C99 and C++11.
 */
#ifndef VV_TESTS_SKETCHES_BINDING_H
#define VV_TESTS_SKETCHES_BINDING_H

#include <dlfcn.h>
#include <string.h>

#include "varve.h"

typedef struct binding {
    void *library;
    const char *(*version)(void);
    void (*options_init)(varve_options *);
    varve_status (*open)(const char *, const varve_options *, varve_db **, varve_error *);
    varve_status (*write)(varve_db *, const varve_named_row *, size_t, const varve_write_options *,
                          varve_written *, varve_error *);
    varve_status (*query)(varve_db *, const varve_query_options *, varve_cursor **, varve_error *);
    varve_status (*next)(varve_cursor *, const varve_block **, varve_error *);
    void (*cursor_close)(varve_cursor *);
    varve_status (*close)(varve_db *, varve_error *);
} binding;

/* A function pointer of a symbol; objects and functions have one representation here. */
static bool binding_find(void *library, const char *name, void *out_function)
{
    void *symbol = dlsym(library, name);
    memcpy(out_function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool binding_load(binding *b, const char *path)
{
    memset(b, 0, sizeof *b);
    b->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return b->library != NULL && binding_find(b->library, "varve_version", &b->version) &&
           binding_find(b->library, "varve_options_init", &b->options_init) &&
           binding_find(b->library, "varve_open", &b->open) &&
           binding_find(b->library, "varve_write", &b->write) &&
           binding_find(b->library, "varve_query", &b->query) &&
           binding_find(b->library, "varve_cursor_next", &b->next) &&
           binding_find(b->library, "varve_cursor_close", &b->cursor_close) &&
           binding_find(b->library, "varve_close", &b->close);
}

/* Write one number and read it back, in memory. */
static bool binding_round_trip(const binding *b, double number, double *out_number)
{
    varve_error err;
    varve_options options;
    varve_db *db;
    b->options_init(&options);
    if (b->open(NULL, &options, &db, &err) != VARVE_OK) {
        return false;
    }
    varve_text field = VARVE_STR("value");
    varve_value value;
    varve_named_row row;
    memset(&value, 0, sizeof value);
    memset(&row, 0, sizeof row);
    value.type = VARVE_TYPE_F64;
    value.as.f64 = number;
    row.metric = VARVE_STR("m");
    row.timestamp = 1;
    row.fields = &field;
    row.values = &value;
    row.count = 1;
    varve_cursor *cursor = NULL;
    const varve_block *block = NULL;
    bool is_good = b->write(db, &row, 1, NULL, NULL, &err) == VARVE_OK &&
                   b->query(db, NULL, &cursor, &err) == VARVE_OK &&
                   b->next(cursor, &block, &err) == VARVE_OK && block != NULL && block->rows == 1;
    if (is_good) {
        memcpy(out_number, block->columns[0].values, sizeof *out_number);
    }
    b->cursor_close(cursor);
    return b->close(db, &err) == VARVE_OK && is_good;
}

#endif
