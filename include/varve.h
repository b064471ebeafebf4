/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VARVE_H
#define VARVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VARVE_API __attribute__((visibility("default")))
#else
#define VARVE_API
#endif

/** Statuses: (name, number, text). Numbers are never reused. */
#define VARVE_STATUS_MAP(X)                                                                        \
    X(OK, 0, "ok")                                                                                 \
    X(E_INVALID, 1, "invalid argument")                                                            \
    X(E_NOMEM, 2, "out of memory")                                                                 \
    X(E_LIMIT, 3, "limit reached")                                                                 \
    X(E_CANCELLED, 4, "cancelled")                                                                 \
    X(E_BUSY, 5, "busy")                                                                           \
    X(E_INTERNAL, 6, "internal error")                                                             \
    X(E_TIMEOUT, 7, "timed out")                                                                   \
    X(E_UNSUPPORTED, 8, "not supported")                                                           \
    X(E_NOT_FOUND, 9, "not found")                                                                 \
    X(E_EXISTS, 10, "exists already")                                                              \
    X(E_CONFLICT, 11, "in conflict with what is stored")                                           \
    X(E_IO, 20, "input or output failed")                                                          \
    X(E_CORRUPT, 21, "stored bytes are damaged")                                                   \
    X(E_LOCKED, 22, "locked by another writer")                                                    \
    X(E_NOSPACE, 23, "no space left")                                                              \
    X(E_READONLY, 24, "read-only")                                                                 \
    X(E_FENCED, 25, "this handle may no longer write")

typedef enum varve_status {
#define VARVE_STATUS_ENUM(name, number, text) VARVE_##name = number,
    VARVE_STATUS_MAP(VARVE_STATUS_ENUM)
#undef VARVE_STATUS_ENUM
} varve_status;

/** What failed. The caller owns it; filling it never allocates; message is terminated UTF-8. */
typedef struct varve_error {
    varve_status status;
    int32_t os_errno;
    char message[248];
} varve_error;

/** Bytes with a length; never NUL-terminated by contract. */
typedef struct varve_text {
    const char *data;
    size_t size;
} varve_text;

/** Where memory comes from. realloc(NULL) allocates; free takes NULL. All members are required. */
typedef struct varve_allocator {
    void *context;
    void *(*allocate)(void *context, size_t size);
    void *(*reallocate)(void *context, void *memory, size_t old_size, size_t new_size);
    void (*release)(void *context, void *memory, size_t size);
} varve_allocator;

#ifdef __cplusplus
}
#endif
#endif
