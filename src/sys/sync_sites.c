/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sync_sites.def as data. */
#include "sys/sync_sites.h"

#include "base/assert.h"

static const vv_sync_site_info sync_sites_rows[] = {
#define VV_SYNC_SITE(id, name, kind, promise) {name, VV_SITE_KIND_##kind, promise},
#include "sys/sync_sites.def"
#undef VV_SYNC_SITE
};
_Static_assert(VV_ARRAY_COUNT(sync_sites_rows) == VV_SYNC_SITE_COUNT, "one row for each site");

const vv_sync_site_info *vv_sync_site_get(vv_sync_site site)
{
    VV_ASSERT((size_t)site < VV_SYNC_SITE_COUNT);
    return &sync_sites_rows[site];
}
