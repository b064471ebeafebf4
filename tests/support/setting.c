/* SPDX-License-Identifier: Apache-2.0 */
#include "support/setting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"

uint64_t setting_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    char *end = NULL;
    if (text == NULL) {
        return otherwise;
    }
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number == 0) {
        fprintf(stderr, "%s is \"%s\": not a whole number above 0\n", name, text);
        exit(2);
    }
    return number;
}

uint64_t setting_percent(void)
{
    return setting_number("VARVE_TEST_PERCENT", 1);
}

setting_seeds setting_seeds_of(uint64_t whole, uint64_t least)
{
    uint64_t one = setting_number("VARVE_TEST_SEED", 0);
    uint64_t share = whole * setting_percent() / 100;
    uint64_t count = setting_number("VARVE_TEST_SEEDS", share < least ? least : share);
    uint64_t first = setting_number("VARVE_TEST_FIRST", 1);
    return one != 0 ? (setting_seeds){one, one} : (setting_seeds){first, first + count - 1};
}

static uint64_t setting_running_seed;

void setting_run_seeds(uint64_t whole, uint64_t least, void (*run)(uint64_t seed))
{
    setting_seeds seeds = setting_seeds_of(whole, least);
    for (uint64_t seed = seeds.first; seed <= seeds.last; seed++) {
        setting_running_seed = seed;
        run(seed);
    }
    print_message("model seeds: %llu, from %llu\n",
                  (unsigned long long)(seeds.last - seeds.first + 1),
                  (unsigned long long)seeds.first);
}

int setting_tell_seed(void **state)
{
    (void)state;
    print_message("last seed: %llu\n", (unsigned long long)setting_running_seed);
    return 0;
}
