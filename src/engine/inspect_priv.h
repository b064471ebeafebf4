/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_INSPECT_PRIV_H
#define VV_ENGINE_INSPECT_PRIV_H

/* The walk over a framed file, log or manifest, which both share. */

#include "engine/inspect.h"
#include "wal/frame.h"

/** Told of each good record; what it finds wrong in the payload it tells as damage. E_NOMEM and kin
 * end the walk. */
typedef varve_status (*vv_inspect_record)(void *context, const vv_frame *frame, int64_t offset,
                                          uint64_t number, vv_bytes payload, varve_error *out_err);

typedef struct vv_inspect_frames {
    vv_frame_kind kind;
    vv_facts *facts;
    vv_inspect_record record;
    void *context; /* of record */
} vv_inspect_frames;

/** Header, records and how the file ends. */
VV_MUST_CHECK varve_status vv_inspect_framed(const vv_env *env, const char *path,
                                             const vv_inspect_frames *frames, varve_error *out_err);

VV_MUST_CHECK VV_UNTRUSTED varve_status vv_inspect_log(const vv_env *env, const char *path,
                                                       vv_facts *facts, varve_error *out_err);
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_inspect_manifest(const vv_env *env, const char *path,
                                                            vv_facts *facts, varve_error *out_err);

#endif
