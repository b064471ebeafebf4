/* SPDX-License-Identifier: Apache-2.0 */
#include "support/random_ids.h"

#include <string.h>

#include "base/bitmap.h"

static void random_ids_scatter(random_ids *ids, vv_random *random, uint32_t begin, uint32_t end,
                               uint64_t count)
{
    for (uint64_t index = 0; index < count; index++) {
        vv_bits_set(ids->words, begin + vv_random_below(random, end - begin));
    }
}

static void random_ids_stretch(random_ids *ids, vv_random *random)
{
    uint32_t begin = (uint32_t)vv_random_below(random, RANDOM_IDS_MAX);
    uint32_t size = (uint32_t)vv_random_below(random, 100000);
    uint32_t end = size < RANDOM_IDS_MAX - begin ? begin + size : RANDOM_IDS_MAX;
    vv_bits_set_range(ids->words, begin, end);
}

void random_ids_fill(random_ids *ids, vv_random *random)
{
    memset(ids->words, 0, sizeof ids->words);
    switch (vv_random_below(random, 7)) {
    case 0:
        break;
    case 1:
        random_ids_scatter(ids, random, 0, 200, vv_random_below(random, 5));
        break;
    case 2:
        random_ids_scatter(ids, random, 0, RANDOM_IDS_MAX, vv_random_below(random, 130));
        break;
    case 3:
        random_ids_scatter(ids, random, 0, RANDOM_IDS_MAX, 8000 + vv_random_below(random, 12000));
        break;
    case 4:
        random_ids_stretch(ids, random);
        break;
    case 5: {
        uint32_t key = (uint32_t)vv_random_below(random, 3);
        random_ids_scatter(ids, random, key << 16, (key + 1) << 16,
                           4000 + vv_random_below(random, 300));
        break;
    }
    default:
        random_ids_stretch(ids, random);
        random_ids_scatter(ids, random, 0, RANDOM_IDS_MAX, vv_random_below(random, 3000));
        break;
    }
}

size_t random_ids_list(const random_ids *ids, uint32_t *target)
{
    size_t count = 0;
    for (size_t id = vv_bits_find_set(ids->words, 0, RANDOM_IDS_MAX); id < RANDOM_IDS_MAX;
         id = vv_bits_find_set(ids->words, id + 1, RANDOM_IDS_MAX)) {
        target[count] = (uint32_t)id;
        count += 1;
    }
    return count;
}
