/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_INSPECT_H
#define VV_ENGINE_INSPECT_H

/*
 * The body of varve_inspect: one file, described by the readers of its format.
 *
 *   X1  Nothing is written, no lock taken, no other file looked at.
 *   X2  Damage is told and passed; only what stops reading at all is a failure.
 */

#include "model/facts.h"
#include "sys/env.h"

/** By its first bytes. E_NOT_FOUND, E_UNSUPPORTED (no file of a database), E_IO, E_LIMIT, E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_inspect(const vv_env *env, const char *path,
                                                   vv_facts *facts, varve_error *out_err);

#endif
