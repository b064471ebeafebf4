/* SPDX-License-Identifier: Apache-2.0 */
/* Names of zones, and the files they stand for. The bytes are parsed in zone_tzif.c. */
#include "sys/zoneinfo.h"

#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "sys/env.h"
#include "sys/process.h"
#include "sys/zoneinfo_priv.h"

#define ZONE_DIRECTORY "/usr/share/zoneinfo/"

static bool zoneinfo_is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-';
}

bool vv_zone_name_is_valid(const char *name)
{
    size_t part_size = 0;
    size_t index = 0;
    for (; name[index] != '\0'; ++index) {
        if (index == VV_ZONE_NAME_BYTES_MAX) {
            return false;
        }
        bool is_slash = name[index] == '/';
        if (is_slash ? part_size == 0 : !zoneinfo_is_name_char(name[index])) {
            return false;
        }
        part_size = is_slash ? 0 : part_size + 1;
    }
    return part_size > 0;
}

static varve_status zoneinfo_read_system(void *context, const char *name, void *buf,
                                         size_t capacity, size_t *out_size, varve_error *out_err)
{
    (void)context;
    char path[sizeof ZONE_DIRECTORY + VV_ZONE_NAME_BYTES_MAX];
    vv_text_format(path, sizeof path, ZONE_DIRECTORY "%s", name);
    return vv_system_file_read(path, buf, capacity, out_size, out_err);
}

vv_zone_source vv_zone_source_system(void)
{
    return (vv_zone_source){.read = zoneinfo_read_system};
}

static varve_status zoneinfo_load_into(const vv_env *env, const char *name, void *buf,
                                       vv_zone **out_zone, varve_error *out_err)
{
    size_t size = 0;
    varve_status status =
        env->zones.read(env->zones.context, name, buf, VV_ZONE_FILE_BYTES_MAX, &size, out_err);
    if (status == VARVE_E_NOT_FOUND || status == VARVE_E_INVALID) { /* nothing there, a directory */
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "this system has no time zone \"%s\"", name);
    }
    VV_TRY(status);
    status = vv_zone_parse(env->alloc, buf, size, out_zone, out_err);
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "time zone \"%s\"", name);
    }
    return status;
}

varve_status vv_zone_load(const vv_env *env, const char *name, vv_zone **out_zone,
                          varve_error *out_err)
{
    *out_zone = NULL;
    if (!vv_zone_name_is_valid(name)) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.80s\" is not a name of a time zone", name);
    }
    void *buf = vv_alloc_new(env->alloc, VV_ZONE_FILE_BYTES_MAX);
    if (buf == NULL) {
        return vv_fail_nomem(out_err, "reading a time zone", VV_ZONE_FILE_BYTES_MAX);
    }
    varve_status status = zoneinfo_load_into(env, name, buf, out_zone, out_err);
    vv_alloc_free(env->alloc, buf, VV_ZONE_FILE_BYTES_MAX);
    return status;
}
