/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The distance is the count of characters added, left out, changed or swapped with their neighbour
 * ("optimal string alignment"). One mistake is forgiven in words of up to three characters, two in
 * longer ones; a word that is the beginning of another means that one.
 */

#include "cli/nearest.h"

#include "base/slice.h"

/* Longer words are no commands and no options. */
#define NEAREST_BYTES_MAX 32u

static size_t nearest_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t nearest_distance(varve_text a, varve_text b)
{
    size_t rows[3][NEAREST_BYTES_MAX + 1] = {{0}};
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    for (size_t k = 0; k <= b.size; k++) {
        above[k] = k;
    }
    for (size_t i = 0; i < a.size; i++) {
        row[0] = i + 1;
        for (size_t k = 0; k < b.size; k++) {
            size_t change = above[k] + (a.data[i] != b.data[k]);
            row[k + 1] = nearest_min(change, nearest_min(above[k + 1], row[k]) + 1);
            if (i > 0 && k > 0 && a.data[i] == b.data[k - 1] && a.data[i - 1] == b.data[k]) {
                row[k + 1] = nearest_min(row[k + 1], before[k - 1] + 1);
            }
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b.size];
}

void vv_nearest_offer(vv_nearest *nearest, const char *candidate)
{
    varve_text text = vv_text_from_string(candidate);
    if (nearest->word.size > NEAREST_BYTES_MAX || text.size > NEAREST_BYTES_MAX) {
        return;
    }
    bool is_beginning = nearest->word.size >= 2 && vv_text_starts_with(text, nearest->word);
    size_t distance = is_beginning ? 1 : nearest_distance(nearest->word, text);
    size_t most = nearest->word.size <= 3 ? 1 : 2;
    if (distance <= most && (nearest->best == NULL || distance < nearest->distance)) {
        nearest->best = candidate;
        nearest->distance = distance;
    }
}
