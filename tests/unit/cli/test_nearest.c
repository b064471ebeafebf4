/* SPDX-License-Identifier: Apache-2.0 */
/* Which word a mistyped one may have meant. */
#include <string.h>

#include "base/slice.h"
#include "cli/nearest.h"
#include "support/check.h"

static const char *nearest_of(const char *word)
{
    static const char *const words[] = {"serve",  "series", "query", "export",
                                        "import", "top",    "tail"};
    vv_nearest nearest = {.word = vv_text_from_string(word)};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        vv_nearest_offer(&nearest, words[i]);
    }
    return nearest.best == NULL ? "" : nearest.best;
}

static void nearest_forgives_one_or_two_mistakes(void **state)
{
    (void)state;
    assert_string_equal(nearest_of("qurey"), "query");
    assert_string_equal(nearest_of("querry"), "query");
    assert_string_equal(nearest_of("exprot"), "export");
    assert_string_equal(nearest_of("seris"), "series");
    assert_string_equal(nearest_of("tpo"), "top");
    assert_string_equal(nearest_of("imp"), "import"); /* a beginning */
}

static void nearest_offers_nothing_for_another_word(void **state)
{
    (void)state;
    assert_string_equal(nearest_of("bogus"), "");
    assert_string_equal(nearest_of("x"), "");
    assert_string_equal(nearest_of(""), "");
    assert_string_equal(nearest_of("tqx"), ""); /* two mistakes in three characters */
    assert_string_equal(nearest_of("serveserveserveserveserveserveserve"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_forgives_one_or_two_mistakes),
        cmocka_unit_test(nearest_offers_nothing_for_another_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
