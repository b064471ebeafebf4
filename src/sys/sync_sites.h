/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the places that make something durable.
 *
 * Every sync and every rename in varve says which row of sync_sites.def it is. The simulated file
 * system can be told to ignore a site, so that a test proves that each of them is needed.
 */
#ifndef VV_SYS_SYNC_SITES_H
#define VV_SYS_SYNC_SITES_H

#include <stddef.h>

typedef enum vv_sync_site {
#define VV_SYNC_SITE(id, name, kind, promise) VV_SITE_##id,
#include "sys/sync_sites.def"
#undef VV_SYNC_SITE
    VV_SYNC_SITE_COUNT
} vv_sync_site;

typedef enum vv_sync_site_kind {
    VV_SITE_KIND_FILE,
    VV_SITE_KIND_DIR,
    VV_SITE_KIND_RENAME,
} vv_sync_site_kind;

/* One row of the table. */
typedef struct vv_sync_site_info {
    const char *name;       /* "wal.group" */
    vv_sync_site_kind kind; /* what the place does */
    const char *promise;    /* what is lost without it */
} vv_sync_site_info;

/* The row of a site below VV_SYNC_SITE_COUNT. */
const vv_sync_site_info *vv_sync_site_get(vv_sync_site site);

#endif
