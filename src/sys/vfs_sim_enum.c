/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images to try at a point, by number.
 *
 *   few changes (u <= 10)   [0, 2^u)  the bits of the number are the kept changes
 *   many changes            families, one behind the other, see VV_SIM_FAMILY_MAP
 *   both                    then the newest write, torn
 */
#include <string.h>

#include "base/assert.h"
#include "base/random.h"
#include "base/text.h"
#include "sys/vfs_sim_priv.h"

/* Families for many changes: (id, how many of u changes, name). */
#define VV_SIM_FAMILY_MAP(X)                                   \
    X(NONE, 1, "none")                                         \
    X(ALL, 1, "all")                                           \
    X(PREFIX, changes - 1, "prefix")                           \
    X(MISSING, changes, "one missing")                         \
    X(ONLY, changes, "one only")                               \
    X(SIZE_FIRST, 1, "sizes and names, content lost")          \
    X(DATA_LOST, 1, "names, content and sizes lost")           \
    X(REORDER, changes - 1, "names and the latest of content") \
    X(RANDOM, VV_SIM_RANDOM_SUBSETS, "random subset")

typedef enum vv_sim_family {
#define VV_SIM_FAMILY_ENUM(id, count, name) VV_SIM_FAMILY_##id,
    VV_SIM_FAMILY_MAP(VV_SIM_FAMILY_ENUM)
#undef VV_SIM_FAMILY_ENUM
        VV_SIM_FAMILY_SUBSET, /* few changes */
    VV_SIM_FAMILY_TORN,
} vv_sim_family;

/* An image number taken apart. */
typedef struct vv_sim_pick {
    vv_sim_family family;
    size_t index; /* within the family */
    size_t count; /* of the family */
} vv_sim_pick;

/* ---- numbers -------------------------------------------------------------------------------- */

/* First, middle and last sector of the newest write: as many as are different. */
static size_t vfs_sim_enum_torn_places(size_t sectors)
{
    return sectors < 3 ? sectors : 3;
}

static size_t vfs_sim_enum_torn_sector(size_t sectors, size_t place)
{
    if (place == 0) {
        return 0;
    }
    return place + 1 == vfs_sim_enum_torn_places(sectors) ? sectors - 1 : sectors / 2;
}

/* Each place once plain and once with garbage. */
static size_t vfs_sim_enum_torn_count(const vv_sim_point *point)
{
    size_t bytes = 0;
    return vfs_sim_enum_torn_places(vv_sim_newest_write(point, 0, &bytes)) * 2;
}

static bool vfs_sim_enum_is_exhaustive(size_t changes)
{
    return changes <= VV_SIM_EXHAUSTIVE_CHANGES_MAX;
}

/* How many images the families before TORN have. */
static size_t vfs_sim_enum_untorn_count(size_t changes)
{
    if (vfs_sim_enum_is_exhaustive(changes)) {
        return (size_t)1 << changes;
    }
    size_t total = 0;
#define VV_SIM_FAMILY_COUNT(id, count, name) total += (count);
    VV_SIM_FAMILY_MAP(VV_SIM_FAMILY_COUNT)
#undef VV_SIM_FAMILY_COUNT
    return total;
}

static vv_sim_pick vfs_sim_enum_pick_untorn(size_t changes, size_t index)
{
    if (vfs_sim_enum_is_exhaustive(changes)) {
        return (vv_sim_pick){VV_SIM_FAMILY_SUBSET, index, (size_t)1 << changes};
    }
    static const vv_sim_family families[] = {
#define VV_SIM_FAMILY_ID(id, count, name) VV_SIM_FAMILY_##id,
        VV_SIM_FAMILY_MAP(VV_SIM_FAMILY_ID)
#undef VV_SIM_FAMILY_ID
    };
    const size_t counts[] = {
#define VV_SIM_FAMILY_SIZE(id, count, name) (count),
        VV_SIM_FAMILY_MAP(VV_SIM_FAMILY_SIZE)
#undef VV_SIM_FAMILY_SIZE
    };
    size_t family = 0;
    while (index >= counts[family]) {
        index -= counts[family];
        family += 1;
    }
    return (vv_sim_pick){families[family], index, counts[family]};
}

static vv_sim_pick vfs_sim_enum_pick_of(const vv_sim_point *point, size_t index)
{
    size_t untorn = vfs_sim_enum_untorn_count(point->changes.count);
    if (index < untorn) {
        return vfs_sim_enum_pick_untorn(point->changes.count, index);
    }
    size_t torn = vfs_sim_enum_torn_count(point);
    VV_ASSERT(index - untorn < torn);
    return (vv_sim_pick){VV_SIM_FAMILY_TORN, index - untorn, torn};
}

size_t vv_sim_image_count(const vv_sim_point *point)
{
    return vfs_sim_enum_untorn_count(point->changes.count) + vfs_sim_enum_torn_count(point);
}

/* ---- making --------------------------------------------------------------------------------- */

/* Subsets of different density: 1/8, 2/8 ... 7/8 of the changes. */
static void vfs_sim_enum_fill_random(bool *kept, size_t changes, size_t index, uint64_t seed)
{
    vv_random random;
    vv_random_init(&random, seed + index);
    uint64_t eighths = 1 + index % 7;
    for (size_t change = 0; change < changes; ++change) {
        kept[change] = vv_random_below(&random, 8) < eighths;
    }
}

static void vfs_sim_enum_fill_kept(bool *kept, size_t changes, vv_sim_pick pick, uint64_t seed)
{
    if (pick.family == VV_SIM_FAMILY_RANDOM) {
        vfs_sim_enum_fill_random(kept, changes, pick.index, seed);
        return;
    }
    for (size_t change = 0; change < changes; ++change) {
        bool is_bit = pick.family == VV_SIM_FAMILY_SUBSET && ((pick.index >> change) & 1) != 0;
        bool is_not_missing = pick.family == VV_SIM_FAMILY_MISSING && change != pick.index;
        bool is_only = pick.family == VV_SIM_FAMILY_ONLY && change == pick.index;
        kept[change] = is_bit || is_not_missing || is_only;
    }
}

static vv_sim_image *vfs_sim_enum_make_subset(const vv_sim_point *point, vv_sim_pick pick,
                                              uint64_t seed)
{
    size_t changes = point->changes.count;
    bool *kept = vv_sim_new(point->alloc, changes);
    vfs_sim_enum_fill_kept(kept, changes, pick, seed);
    vv_sim_cut cut = {.model = VV_SIM_CUT_SUBSET, .kept = kept};
    vv_sim_image *image = vv_sim_power_cut(point, &cut);
    vv_alloc_free(point->alloc, kept, changes);
    return image;
}

static vv_sim_image *vfs_sim_enum_make_torn(const vv_sim_point *point, vv_sim_pick pick,
                                            uint64_t seed)
{
    size_t bytes = 0;
    size_t sectors = vv_sim_newest_write(point, 0, &bytes);
    size_t sector = vfs_sim_enum_torn_sector(sectors, pick.index / 2);
    VV_IGNORE(vv_sim_newest_write(point, sector, &bytes)); /* for the bytes */
    vv_sim_cut cut = {
        .model = VV_SIM_CUT_TORN,
        .torn_sector = sector,
        .torn_bytes = bytes / 2,
        .has_entries = true,
        .has_torn_garbage = pick.index % 2 == 1,
        .seed = seed,
    };
    return vv_sim_power_cut(point, &cut);
}

vv_sim_image *vv_sim_image_make(const vv_sim_point *point, size_t index, uint64_t seed)
{
    vv_sim_pick pick = vfs_sim_enum_pick_of(point, index);
    vv_sim_cut cut = {.model = VV_SIM_CUT_NONE, .count = pick.index + 1, .has_entries = true};
    switch (pick.family) {
    case VV_SIM_FAMILY_NONE:
        cut.model = VV_SIM_CUT_NONE;
        break;
    case VV_SIM_FAMILY_ALL:
        cut.model = VV_SIM_CUT_ALL;
        break;
    case VV_SIM_FAMILY_PREFIX:
        cut.model = VV_SIM_CUT_PREFIX;
        break;
    case VV_SIM_FAMILY_SIZE_FIRST:
        cut.model = VV_SIM_CUT_SIZE_FIRST;
        break;
    case VV_SIM_FAMILY_DATA_LOST:
        cut.model = VV_SIM_CUT_DATA_LOST;
        break;
    case VV_SIM_FAMILY_REORDER:
        cut.model = VV_SIM_CUT_REORDER;
        break;
    case VV_SIM_FAMILY_MISSING:
    case VV_SIM_FAMILY_ONLY:
    case VV_SIM_FAMILY_RANDOM:
    case VV_SIM_FAMILY_SUBSET:
        return vfs_sim_enum_make_subset(point, pick, seed);
    case VV_SIM_FAMILY_TORN:
        return vfs_sim_enum_make_torn(point, pick, seed);
    }
    return vv_sim_power_cut(point, &cut);
}

void vv_sim_image_describe(const vv_sim_point *point, size_t index, char *out_text, size_t capacity)
{
    vv_sim_pick pick = vfs_sim_enum_pick_of(point, index);
    const char *name = pick.family == VV_SIM_FAMILY_TORN ? "newest write torn" : "subset of bits";
    switch (pick.family) {
#define VV_SIM_FAMILY_NAME(id, count, text) \
    case VV_SIM_FAMILY_##id:                \
        name = text;                        \
        break;
        VV_SIM_FAMILY_MAP(VV_SIM_FAMILY_NAME)
#undef VV_SIM_FAMILY_NAME
    case VV_SIM_FAMILY_SUBSET:
    case VV_SIM_FAMILY_TORN:
        break;
    }
    vv_text_format(out_text, capacity, "%s, %zu of %zu, at %zu changes", name, pick.index,
                   pick.count, point->changes.count);
}
