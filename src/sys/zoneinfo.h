/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones from the system's TZif files.
 *
 *   Z1  A name is one or more parts of [A-Za-z0-9_+-] joined by '/', 64 bytes at most; nothing
 *       else ever reaches the file system.
 *
 *   Z2  File bytes are untrusted: bounded, every count compared with the bytes left, refused with
 *       E_CORRUPT as a whole or usable as a whole.
 *
 *   Z3  Versions 2 and 3 (64-bit times and the rule for later times in the footer) and 1 are read.
 *       Leap seconds are not applied: unix time has none.
 */
#ifndef VV_SYS_ZONEINFO_H
#define VV_SYS_ZONEINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "varve.h"

/* Largest file that is read: the largest real one has about 4 KiB, "fat" ones below 8. */
#define VV_ZONE_FILE_BYTES_MAX 65536
#define VV_ZONE_NAME_BYTES_MAX 64

/* Where zone files come from; `read` gets only names that keep Z1. */
typedef struct vv_zone_source {
    void *context;
    varve_status (*read)(void *context, const char *name, void *buf, size_t capacity,
                         size_t *out_size, varve_error *out_err);
} vv_zone_source;

/* Files below /usr/share/zoneinfo. */
vv_zone_source vv_zone_source_system(void);

/* A zone: immutable, shareable. */
typedef struct vv_zone vv_zone;

struct vv_env;
/* "Europe/Berlin", "UTC". E_NOT_FOUND when the system does not have it, E_INVALID for a bad name.
 */
VV_MUST_CHECK varve_status vv_zone_load(const struct vv_env *env, const char *name,
                                        vv_zone **out_zone, varve_error *out_err);
/* The same from the bytes of a file. */
VV_UNTRUSTED VV_MUST_CHECK varve_status vv_zone_parse(vv_alloc *alloc, const void *data,
                                                      size_t size, vv_zone **out_zone,
                                                      varve_error *out_err);
void vv_zone_free(vv_zone *zone);

/* Seconds to add to UTC at this moment (east is positive). */
int32_t vv_zone_offset_at(const vv_zone *zone, int64_t unix_s);

/*
 * The first moment after unix_s at which the offset is another one than at unix_s; INT64_MAX when
 * there is none. The offset is constant in [unix_s, the answer).
 */
int64_t vv_zone_next_change(const vv_zone *zone, int64_t unix_s);

/*
 * The moment at which clocks show local_s (seconds since 1970-01-01 00:00 of the local calendar).
 * Shown twice: the earlier moment. Never shown: the moment of the jump over it.
 */
int64_t vv_zone_local_to_utc(const vv_zone *zone, int64_t local_s);

#endif
