/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_FACTS_H
#define VV_MODEL_FACTS_H

/*
 * What a reader of a format tells of a file, for varve_inspect: facts of one thing after another.
 *
 *     vv_facts_begin(facts, "record", 7, 4096);
 *     vv_facts_u64(facts, "lsn", 12);
 *     vv_facts_damage(facts, "record", 8, 4160, "header checksum does not match");
 */

#include "base/compiler.h"
#include "varve.h"

typedef struct vv_facts {
    varve_fact_visitor visit;
    void *context;
    bool has_details; /* each thing, not only their counts */
    varve_text section;
    uint64_t number;
    uint64_t offset;
    uint64_t told;
    uint64_t damaged;
} vv_facts;

/** The thing that the next facts are about; section lives as long as they are told. */
void vv_facts_begin(vv_facts *facts, const char *section, uint64_t number, uint64_t offset);
void vv_facts_u64(vv_facts *facts, const char *name, uint64_t value);
void vv_facts_i64(vv_facts *facts, const char *name, int64_t value);
void vv_facts_bool(vv_facts *facts, const char *name, bool value);
void vv_facts_text(vv_facts *facts, const char *name, varve_text value);
/** 16 bytes as 32 digits. */
void vv_facts_id(vv_facts *facts, const char *name, const uint8_t id[16]);
/** What is wrong with a thing; later facts are again about the one of vv_facts_begin. */
void vv_facts_damage(vv_facts *facts, const char *section, uint64_t number, uint64_t offset,
                     const char *sentence);

#endif
