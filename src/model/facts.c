/* SPDX-License-Identifier: Apache-2.0 */

#include "model/facts.h"

#include "base/slice.h"
#include "base/text.h"

static void facts_tell(vv_facts *facts, const char *name, const varve_value *value)
{
    varve_fact fact = {
        .struct_size = sizeof fact,
        .section = facts->section,
        .number = facts->number,
        .offset = facts->offset,
        .name = vv_text_from_string(name),
        .value = *value,
    };
    facts->told += 1;
    facts->visit(facts->context, &fact);
}

void vv_facts_begin(vv_facts *facts, const char *section, uint64_t number, uint64_t offset)
{
    facts->section = vv_text_from_string(section);
    facts->number = number;
    facts->offset = offset;
}

void vv_facts_u64(vv_facts *facts, const char *name, uint64_t value)
{
    facts_tell(facts, name, &(varve_value){.type = VARVE_TYPE_U64, .as.u64 = value});
}

void vv_facts_i64(vv_facts *facts, const char *name, int64_t value)
{
    facts_tell(facts, name, &(varve_value){.type = VARVE_TYPE_I64, .as.i64 = value});
}

void vv_facts_bool(vv_facts *facts, const char *name, bool value)
{
    facts_tell(facts, name, &(varve_value){.type = VARVE_TYPE_BOOL, .as.boolean = value});
}

void vv_facts_text(vv_facts *facts, const char *name, varve_text value)
{
    facts_tell(facts, name, &(varve_value){.type = VARVE_TYPE_STRING, .as.bytes = value});
}

void vv_facts_id(vv_facts *facts, const char *name, const uint8_t id[16])
{
    char text[32];
    vv_text_print_hex(text, id, 16);
    vv_facts_text(facts, name, vv_text_make(text, sizeof text));
}

void vv_facts_damage(vv_facts *facts, const char *section, uint64_t number, uint64_t offset,
                     const char *sentence)
{
    varve_fact fact = {
        .struct_size = sizeof fact,
        .is_damage = 1,
        .section = vv_text_from_string(section),
        .number = number,
        .offset = offset,
        .value = {.type = VARVE_TYPE_STRING, .as.bytes = vv_text_from_string(sentence)},
    };
    facts->damaged += 1;
    facts->visit(facts->context, &fact);
}
