/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of size classes: B1 to B3 of engine/head_slab.c. */
#include "engine/head_slab.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/check.h"
#include "support/failing_alloc.h"

typedef struct slab_world {
    failing_alloc failing;
    vv_alloc alloc;
    atomic_size_t held;
    vv_slab slab;
} slab_world;

static void slab_world_init(slab_world *world)
{
    memset(world, 0, sizeof *world);
    failing_alloc_init(&world->failing);
    varve_allocator source = failing_alloc_source(&world->failing);
    vv_alloc_init(&world->alloc, &source);
    vv_slab_init(&world->slab, &world->alloc, &world->held);
}

static void slab_world_deinit(slab_world *world)
{
    vv_slab_deinit(&world->slab);
    assert_int_equal(0, atomic_load(&world->held));
    assert_int_equal(0, vv_alloc_bytes(&world->alloc));
}

static void classes_waste_at_most_a_fifth(void **state)
{
    (void)state;
    assert_int_equal(16, vv_slab_usable(0));
    assert_int_equal(16, vv_slab_usable(16));
    assert_int_equal(32, vv_slab_usable(17));
    for (size_t size = 65; size <= VV_SLAB_PIECE_BYTES_MAX; size++) {
        size_t usable = vv_slab_usable(size);
        assert_true(usable >= size && usable - size < size / 4 + 1);
    }
    static const size_t tails[] = {48, 192, 768, 1536, 80, 320, 1280, 2560}; /* exact */
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        assert_int_equal(tails[i], vv_slab_usable(tails[i]));
    }
    assert_int_equal(100000, vv_slab_usable(100000));
}

static void pieces_do_not_overlap(void **state)
{
    (void)state;
    slab_world world;
    slab_world_init(&world);
    vv_random random;
    vv_random_init(&random, 1);
    enum { PIECES = 600 };
    static struct {
        uint8_t *piece;
        size_t size;
        uint8_t fill;
    } pieces[PIECES];
    memset(pieces, 0, sizeof pieces);
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)vv_random_below(&random, PIECES);
        if (pieces[i].piece != NULL) {
            for (size_t k = 0; k < pieces[i].size; k++) {
                assert_int_equal(pieces[i].fill, pieces[i].piece[k]);
            }
            vv_slab_free(&world.slab, pieces[i].piece);
            pieces[i].piece = NULL;
            continue;
        }
        pieces[i].size = (size_t)vv_random_below(&random, step % 50 == 0 ? 9000 : 300);
        pieces[i].fill = (uint8_t)step;
        pieces[i].piece = vv_slab_new(&world.slab, pieces[i].size);
        assert_non_null(pieces[i].piece);
        assert_int_equal(0, (uintptr_t)pieces[i].piece % 8);
        memset(pieces[i].piece, pieces[i].fill, pieces[i].size);
    }
    vv_slab_free(&world.slab, NULL);
    assert_int_equal(atomic_load(&world.held), vv_alloc_bytes(&world.alloc));
    slab_world_deinit(&world);
}

static void pages_move_from_class_to_class(void **state)
{
    (void)state;
    slab_world world;
    slab_world_init(&world);
    enum { TAILS = 1000 };
    static const size_t sizes[] = {48, 192, 768, 1536};
    static void *tails[TAILS];
    size_t most = 0;
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 4; i++) { /* all tails grow together, as scrapes make them */
            for (size_t k = 0; k < TAILS; k++) {
                void *larger = vv_slab_new(&world.slab, sizes[i]);
                vv_slab_free(&world.slab, tails[k]);
                tails[k] = larger;
            }
            size_t held = atomic_load(&world.held);
            most = held > most ? held : most;
        }
        for (size_t k = 0; k < TAILS; k++) { /* sealed */
            vv_slab_free(&world.slab, tails[k]);
            tails[k] = NULL;
        }
    }
    print_message("%zu bytes for %zu in use\n", most, TAILS * sizes[3]);
    assert_true(most < TAILS * (sizes[3] + 8) * 110 / 100 + 2 * 64 * 1024); /* B1 */
    /* B3: nothing is asked for in the steady state. */
    uint64_t requests = atomic_load(&world.failing.requests);
    for (size_t k = 0; k < TAILS; k++) {
        tails[k] = vv_slab_new(&world.slab, sizes[k % 4]);
    }
    assert_int_equal(requests, atomic_load(&world.failing.requests));
    slab_world_deinit(&world);
}

static void a_failed_allocation_gives_nothing(void **state)
{
    (void)state;
    slab_world world;
    slab_world_init(&world);
    failing_alloc_plan(&world.failing, 1, false);
    assert_null(vv_slab_new(&world.slab, 10));
    assert_null(vv_slab_new(&world.slab, 100000));
    assert_null(vv_slab_new(&world.slab, SIZE_MAX));
    failing_alloc_plan(&world.failing, 0, false);
    assert_non_null(vv_slab_new(&world.slab, 10));
    slab_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_waste_at_most_a_fifth),
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(pages_move_from_class_to_class),
        cmocka_unit_test(a_failed_allocation_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
