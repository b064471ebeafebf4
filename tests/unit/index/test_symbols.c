/* SPDX-License-Identifier: Apache-2.0 */
#include "index/symbols.h"

#include <stdio.h>

#include "base/random.h"
#include "base/slice.h"
#include "support/check.h"
#include "support/failing_alloc.h"

static void texts_have_one_id_per_scope(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_symbols symbols;
    vv_symbols_init(&symbols, &alloc, 17);
    varve_error err;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t number = 0; number < 900; number++) {
            char text[16];
            int size = snprintf(text, sizeof text, "%u", number / 3);
            varve_text name = vv_text_make(text, (size_t)size);
            assert_int_equal(vv_symbols_find(&symbols, number % 3, name),
                             pass == 0 ? 0 : number + 1);
            uint32_t id;
            check_ok(vv_symbols_intern(&symbols, number % 3, name, &id, &err), &err);
            assert_int_equal(id, number + 1);
            assert_true(vv_text_equal(vv_symbols_text(&symbols, id), name));
            assert_int_equal(vv_symbols_at(&symbols, id)->scope, number % 3);
        }
    }
    assert_int_equal(vv_symbols_count(&symbols), 900);
    vv_symbols_deinit(&symbols);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void the_empty_text_is_a_text(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_symbols symbols;
    vv_symbols_init(&symbols, &alloc, 0);
    varve_text empty = {.data = NULL, .size = 0};
    uint32_t id;
    assert_int_equal(vv_symbols_find(&symbols, 1, empty), 0);
    assert_int_equal(vv_symbols_intern(&symbols, 1, empty, &id, NULL), VARVE_OK);
    assert_int_equal(vv_symbols_find(&symbols, 1, VV_TEXT("")), id);
    assert_int_equal(vv_symbols_text(&symbols, id).size, 0);
    vv_symbols_deinit(&symbols);
}

static void a_failed_intern_gives_no_id(void **state)
{
    (void)state;
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    vv_symbols symbols;
    vv_symbols_init(&symbols, &alloc, 1);
    for (uint64_t at = 1;; at++) {
        failing_alloc_plan(&failing, at, true);
        uint32_t id = 0;
        varve_error err;
        varve_status status = vv_symbols_intern(&symbols, 0, VV_TEXT("cpu"), &id, &err);
        if (failing.failures == 0) {
            check_ok(status, &err);
            assert_int_equal(id, 1);
            break;
        }
        check_status(VARVE_E_NOMEM, status);
        assert_int_equal(vv_symbols_count(&symbols), 0);
        assert_int_equal(vv_symbols_find(&symbols, 0, VV_TEXT("cpu")), 0);
    }
    vv_symbols_deinit(&symbols);
    assert_int_equal(failing.live, 0);
}

static void ids_sort_by_their_texts(void **state)
{
    (void)state;
    uint64_t seed = 6;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    for (size_t round = 0; round < 40; round++) {
        vv_symbols symbols;
        vv_symbols_init(&symbols, &alloc, seed);
        uint32_t ids[200];
        for (size_t index = 0; index < round * 5; index++) {
            char text[20];
            size_t size = (size_t)vv_random_below(&random, sizeof text);
            for (size_t at = 0; at < size; at++) {
                /* Few letters, and zeros and high bytes among them: long common beginnings. */
                static const char letters[] = {'\0', 'a', 'b', (char)0xFF};
                text[at] = letters[vv_random_below(&random, 4)];
            }
            uint32_t id;
            assert_int_equal(vv_symbols_intern(&symbols, 0, vv_text_make(text, size), &id, NULL),
                             VARVE_OK);
        }
        uint32_t count = vv_symbols_count(&symbols);
        for (uint32_t index = 0; index < count; index++) {
            ids[index] = index + 1;
        }
        assert_int_equal(vv_symbols_sort(&symbols, ids, count, &alloc), VARVE_OK);
        for (uint32_t index = 1; index < count; index++) {
            assert_true(vv_text_compare(vv_symbols_text(&symbols, ids[index - 1]),
                                        vv_symbols_text(&symbols, ids[index])) < 0);
        }
        vv_symbols_deinit(&symbols);
    }
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_one_id_per_scope),
        cmocka_unit_test(the_empty_text_is_a_text),
        cmocka_unit_test(a_failed_intern_gives_no_id),
        cmocka_unit_test(ids_sort_by_their_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
