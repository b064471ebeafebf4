/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_DB_FACTS_H
#define VV_SERVER_DB_FACTS_H

/* What describes a database: `varve info` shows it, /api/v1/status/info answers it. */

#include "base/arena.h"
#include "base/compiler.h"
#include "varve.h"

typedef struct vv_db_figure {
    varve_text name; /* "varve_series" */
    double value;
} vv_db_figure;

typedef struct vv_db_facts {
    varve_text store_id;
    varve_text created;    /* RFC 3339 */
    varve_text precision;  /* "ns" */
    varve_text duplicates; /* "last", "all" */
    bool has_row_ids;
    bool is_snapshot;
    varve_text health; /* "ok" and kin */
    varve_text reason; /* of another health than ok; empty */
    const vv_db_figure *figures;
    size_t figure_count;
} vv_db_facts;

/** Gather; texts are in the arena or static. Errors: E_NOMEM, E_INTERNAL. */
VV_MUST_CHECK varve_status vv_db_facts_read(varve_db *db, vv_arena *arena, vv_db_facts *out_facts,
                                            varve_error *out_err);

struct vv_json;

/** The facts as members of the object that is under way. */
void vv_db_facts_print_json(const vv_db_facts *facts, struct vv_json *json);

#endif
