/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layouts: which fields a plain buffer has, and where in a record each lies. They are interned per
 * shard, so that "this row fits the tail as it is" is one comparison of pointers, and a series pays
 * one pointer for its fields.
 */

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "engine/head_priv.h"

static bool layout_equal(const void *context, const void *key, uint64_t value)
{
    (void)context;
    const vv_head_shape *shape = key;
    const vv_head_layout *layout = (const vv_head_layout *)(uintptr_t)value;
    uint32_t missing;
    return vv_head_layout_fit(layout, *shape, &missing) == VV_HEAD_FIT_EQUAL;
}

void vv_head_layouts_init(vv_head_shard *shard, vv_alloc *alloc)
{
    vv_map_init(&shard->layouts, alloc, 0, layout_equal, NULL);
}

static uint64_t layout_hash(vv_head_shape shape)
{
    return vv_hash_mix2(vv_hash64(shape.fields, shape.count * sizeof *shape.fields, 0),
                        vv_hash64(shape.types, shape.count, 0));
}

/** Offsets: cells in order of fields, then bools in order of fields. */
static void layout_place(vv_head_layout *layout, uint32_t *fields, uint8_t *types,
                         uint16_t *offsets, vv_head_shape shape)
{
    for (uint32_t i = 0; i < shape.count; i++) {
        fields[i] = shape.fields[i];
        types[i] = shape.types[i];
        if (types[i] == VARVE_TYPE_BOOL) {
            offsets[i] = (uint16_t)layout->bool_count++;
        } else {
            offsets[i] = (uint16_t)(8 * layout->cell_count++);
            layout->blob_count += vv_type_is_blob(types[i]) ? 1 : 0;
        }
    }
    uint32_t row_bytes = 8 * (layout->cell_count + 1) + layout->bool_count;
    uint32_t rows = VV_HEAD_RAW_BYTES_MAX / row_bytes;
    layout->seal_rows = rows < VV_HEAD_TAIL_ROWS ? rows : VV_HEAD_TAIL_ROWS;
    layout->late_rows = rows < VV_HEAD_ROWS_SOFT_MAX ? rows : VV_HEAD_ROWS_SOFT_MAX;
}

varve_status vv_head_layout_of(vv_head_shard *shard, vv_head_shape shape,
                               const vv_head_layout **out_layout, varve_error *out_err)
{
    VV_ASSERT(shape.count > 0 && shape.count <= VV_ROW_FIELDS_MAX);
    uint64_t hash = layout_hash(shape);
    uint64_t found;
    if (vv_map_find(&shard->layouts, hash, &shape, &found)) {
        *out_layout = (const vv_head_layout *)(uintptr_t)found;
        return VARVE_OK;
    }
    size_t size = sizeof(vv_head_layout) +
                  shape.count * (sizeof(uint32_t) + sizeof(uint16_t) + sizeof(uint8_t));
    uint8_t *bytes = vv_head_arena_new(shard, size);
    if (bytes == NULL) {
        return vv_fail_nomem(out_err, "head", size);
    }
    vv_head_layout *layout = (vv_head_layout *)(void *)bytes;
    uint32_t *fields = (uint32_t *)(void *)(bytes + sizeof *layout);
    uint16_t *offsets = (uint16_t *)(void *)(fields + shape.count);
    uint8_t *types = (uint8_t *)(offsets + shape.count);
    *layout = (vv_head_layout){
        .count = shape.count, .fields = fields, .types = types, .offsets = offsets};
    layout_place(layout, fields, types, offsets, shape);
    if (vv_map_insert(&shard->layouts, hash, (uint64_t)(uintptr_t)layout) != VARVE_OK) {
        return vv_fail_nomem(out_err, "head", sizeof(vv_map_slot));
    }
    *out_layout = layout;
    return VARVE_OK;
}

vv_head_fit vv_head_layout_fit(const vv_head_layout *layout, vv_head_shape shape,
                               uint32_t *out_missing)
{
    *out_missing = 0;
    if (layout->count == shape.count &&
        memcmp(layout->fields, shape.fields, shape.count * sizeof *shape.fields) == 0 &&
        memcmp(layout->types, shape.types, shape.count) == 0) {
        return VV_HEAD_FIT_EQUAL;
    }
    uint32_t missing = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < shape.count; i++) {
        while (at < layout->count && layout->fields[at] < shape.fields[i]) {
            at++;
        }
        if (at == layout->count || layout->fields[at] != shape.fields[i]) {
            missing++;
        } else if (layout->types[at] != shape.types[i]) {
            return VV_HEAD_FIT_CONFLICT;
        }
    }
    *out_missing = missing;
    if (missing == 0) {
        return VV_HEAD_FIT_INSIDE;
    }
    return layout->count + missing > VV_ROW_FIELDS_MAX ? VV_HEAD_FIT_CONFLICT : VV_HEAD_FIT_WIDENS;
}

varve_status vv_head_layout_unite(vv_head_shard *shard, const vv_head_layout *layout,
                                  vv_head_shape shape, const vv_head_layout **out_layout,
                                  varve_error *out_err)
{
    uint32_t fields[VV_ROW_FIELDS_MAX];
    uint8_t types[VV_ROW_FIELDS_MAX];
    uint32_t count = 0;
    uint32_t a = 0;
    uint32_t b = 0;
    while (a < layout->count || b < shape.count) {
        bool takes_a =
            b == shape.count || (a < layout->count && layout->fields[a] <= shape.fields[b]);
        bool takes_b =
            a == layout->count || (b < shape.count && shape.fields[b] <= layout->fields[a]);
        VV_ASSERT(count < VV_ROW_FIELDS_MAX);
        fields[count] = takes_a ? layout->fields[a] : shape.fields[b];
        types[count] = takes_a ? layout->types[a] : shape.types[b];
        count++;
        a += takes_a ? 1 : 0;
        b += takes_b ? 1 : 0;
    }
    return vv_head_layout_of(shard,
                             (vv_head_shape){.count = count, .fields = fields, .types = types},
                             out_layout, out_err);
}
