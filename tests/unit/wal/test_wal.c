/* SPDX-License-Identifier: Apache-2.0 */
/* The log as one thread sees it: order, room, what is visible when, what a full log answers.
 * Invariants G1, G2, G5, G6 of wal/wal.h. */
#include <errno.h>

#include "log_support.h"
#include "wal/wal_priv.h"

static void the_log_gives_back_what_was_written(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    for (int i = 0; i < 100; ++i) {
        assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    }
    varve_error err;
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    uint64_t durable = vv_wal_durable_lsn(world.wal);
    log_free(&world);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(100, seen->count);
    assert_true(log_is_prefix(seen));
    assert_int_equal(VV_END_CLEAN, seen->result.end);
    assert_true(seen->result.is_sealed_clean);
    assert_int_equal(durable, seen->result.last_lsn);
    assert_int_equal(300, seen->result.last_sequence);
    assert_int_equal(1, seen->sequences[0]);
    assert_int_equal(298, seen->sequences[99]);
    free(seen);
    log_world_deinit(&world);
}

/* ---- order ---------------------------------------------------------------------------------- */

static void sequences_and_lsns_ascend_in_the_order_of_appends(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    vv_wal_options options = log_options();
    options.first_lsn = 1000;
    options.first_sequence = 77;
    log_open_with(&world, &options);
    assert_int_equal(76, vv_wal_visible(world.wal));
    vv_wal_ticket before = log_put(&world, VARVE_SYNC_NONE);
    assert_int_equal(1, before.id);
    assert_int_equal(77, before.first_sequence);
    assert_int_equal(1000, before.last_lsn);
    for (int i = 0; i < 50; ++i) {
        vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_NONE);
        assert_int_equal(before.id + 1, ticket.id);
        assert_int_equal(before.first_sequence + 3, ticket.first_sequence);
        assert_true(ticket.last_lsn > before.last_lsn);
        before = ticket;
    }
    uint64_t lsn;
    uint64_t sequence;
    vv_wal_position(world.wal, &lsn, &sequence);
    assert_int_equal(before.last_lsn, lsn);
    assert_int_equal(before.first_sequence + 2, sequence);
    log_world_deinit(&world);
}

static void records_of_a_batch_take_consecutive_numbers(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    uint8_t payload[8] = {1};
    uint32_t crc = vv_crc32c(0, payload, sizeof payload);
    vv_bytes bytes = vv_bytes_make(payload, sizeof payload);
    vv_wal_record records[] = {
        {.type = VV_WAL_SERIES, .payload = bytes, .payload_crc = crc},
        {.type = VV_WAL_ROWS, .sequences = 10, .payload = bytes, .payload_crc = crc},
        {.type = VV_WAL_TOMBSTONE, .sequences = 1, .payload = bytes, .payload_crc = crc},
        {.type = VV_WAL_ROWS, .sequences = 2, .payload = bytes, .payload_crc = crc}};
    varve_error err;
    check_ok(vv_wal_reserve(world.wal, 32, 4, 0, &err), &err);
    vv_wal_ticket ticket = vv_wal_append(world.wal, records, 4, VARVE_SYNC_GROUP);
    vv_wal_applied(world.wal, ticket);
    assert_int_equal(4, ticket.last_lsn);
    assert_int_equal(1, ticket.first_sequence);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    assert_int_equal(13, vv_wal_visible(world.wal));
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(4, seen->count);
    uint64_t wanted[] = {0, 1, 11, 12};
    for (size_t i = 0; i < 4; ++i) {
        assert_int_equal(wanted[i], seen->sequences[i]);
        assert_int_equal(i + 1, seen->lsns[i]);
    }
    assert_int_equal(13, seen->result.last_sequence);
    free(seen);
    log_world_deinit(&world);
}

static void copied_rows_keep_their_sequences(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    vv_wal_advance_sequence(world.wal, 1000);
    assert_int_equal(999, vv_wal_visible(world.wal));
    assert_int_equal(1000, log_put(&world, VARVE_SYNC_NONE).first_sequence);
    vv_wal_advance_sequence(world.wal, 7); /* never falls */
    assert_int_equal(1003, log_put(&world, VARVE_SYNC_NONE).first_sequence);
    log_world_deinit(&world);
}

/* ---- levels --------------------------------------------------------------------------------- */

static void each_mode_answers_its_level(void **state)
{
    (void)state;
    static const struct {
        uint32_t sync;
        uint32_t ack;
        uint64_t syncs;
    } modes[] = {
        {VARVE_SYNC_GROUP, VARVE_ACK_DURABLE, 1},     {VARVE_SYNC_ALWAYS, VARVE_ACK_DURABLE, 1},
        {VARVE_SYNC_INTERVAL, VARVE_ACK_APPENDED, 0}, {VARVE_SYNC_NONE, VARVE_ACK_APPENDED, 0},
        {VARVE_SYNC_BUFFERED, VARVE_ACK_VOLATILE, 0}, {VARVE_SYNC_NO_LOG, VARVE_ACK_VOLATILE, 0}};
    for (size_t i = 0; i < VV_ARRAY_COUNT(modes); ++i) {
        log_world world;
        log_world_init(&world, NULL, 1);
        log_open(&world);
        uint64_t syncs = vv_sim_site_calls(world.sim, VV_SITE_WAL_GROUP);
        assert_int_equal(modes[i].ack, log_write(&world, modes[i].sync));
        assert_int_equal(syncs + modes[i].syncs, vv_sim_site_calls(world.sim, VV_SITE_WAL_GROUP));
        assert_int_equal(3, vv_wal_visible(world.wal));
        log_world_deinit(&world);
    }
}

static void a_log_without_files_is_volatile(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    vv_wal_options options = log_options();
    options.directory = NULL;
    options.has_threads = true;
    log_open_with(&world, &options);
    uint64_t calls = vv_sim_changing_calls(world.sim);
    for (uint32_t sync = VARVE_SYNC_GROUP; sync <= VARVE_SYNC_NO_LOG; ++sync) {
        assert_int_equal(VARVE_ACK_VOLATILE, log_write(&world, sync));
        assert_int_equal(3 * sync, vv_wal_visible(world.wal));
    }
    varve_error err;
    uint64_t lsn;
    uint64_t sequence;
    vv_wal_position(world.wal, &lsn, &sequence);
    uint8_t payload[16];
    log_fill(payload, 1, sizeof payload);
    vv_wal_record record = log_record(payload, sizeof payload, 1);
    check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
    vv_wal_ticket late = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    check_status(VARVE_E_TIMEOUT, vv_wal_wait(world.wal, late.id, 1, NULL, &err));
    vv_wal_applied(world.wal, late); /* nothing else was missing */
    check_ok(vv_wal_wait(world.wal, late.id, 0, NULL, &err), &err);
    assert_int_equal(0, vv_wal_durable_lsn(world.wal));
    check_ok(vv_wal_sync(world.wal, lsn - 2, &err), &err);
    assert_int_equal(lsn - 2, vv_wal_durable_lsn(world.wal)); /* what a flush has covered */
    vv_wal_release(world.wal, lsn);
    vv_wal_service(world.wal);
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    assert_int_equal(calls, vv_sim_changing_calls(world.sim));
    assert_int_equal(0, vv_wal_bytes(world.wal));
    log_world_deinit(&world);
}

static void durable_rows_become_visible_with_their_sync_only(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_GROUP);
    assert_int_equal(0, vv_wal_visible(world.wal));
    (void)log_wait(&world, ticket);
    assert_int_equal(3, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

static void buffered_rows_are_visible_at_once_but_behind_what_precedes_them(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_put(&world, VARVE_SYNC_BUFFERED);
    assert_int_equal(3, vv_wal_visible(world.wal));
    uint8_t payload[16] = {0};
    vv_wal_record record = log_record(payload, sizeof payload, 1);
    varve_error err;
    check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
    check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
    vv_wal_ticket group = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_ticket buffered = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_BUFFERED);
    vv_wal_applied(world.wal, buffered);
    vv_wal_applied(world.wal, group);
    assert_int_equal(3, vv_wal_visible(world.wal)); /* the group before it is not synced */
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, buffered)); /* it went with the group */
    assert_int_equal(5, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

static void visible_never_passes_a_batch_that_is_not_applied(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    uint8_t payload[16] = {0};
    vv_wal_record record = log_record(payload, sizeof payload, 2);
    varve_error err;
    for (int i = 0; i < 3; ++i) {
        check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
    }
    vv_wal_ticket first = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_ticket second = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_ticket third = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_NONE);
    vv_wal_applied(world.wal, third);
    vv_wal_applied(world.wal, second);
    uint32_t ack;
    check_status(VARVE_E_TIMEOUT, vv_wal_wait(world.wal, third.id, 1, &ack, &err));
    assert_int_equal(0, vv_wal_visible(world.wal));
    check_status(VARVE_E_TIMEOUT, vv_wal_wait_visible(world.wal, 0, 1, &err));
    vv_wal_applied(world.wal, first);
    assert_int_equal(6, vv_wal_visible(world.wal)); /* synced by the wait before */
    check_ok(vv_wal_wait_visible(world.wal, 5, 0, &err), &err);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, first));
    log_world_deinit(&world);
}

static void an_old_ticket_is_answered_at_once(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket first = log_put(&world, VARVE_SYNC_NONE);
    for (int i = 0; i < 3000; ++i) {
        (void)log_put(&world, VARVE_SYNC_NONE);
    }
    (void)log_write(&world, VARVE_SYNC_GROUP);
    uint64_t calls = vv_sim_calls(world.sim);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, first));
    assert_int_equal(calls, vv_sim_calls(world.sim));
    varve_error err;
    check_status(VARVE_E_INVALID, vv_wal_wait(world.wal, 0, 0, NULL, &err));
    check_status(VARVE_E_INVALID, vv_wal_wait(world.wal, 1000000, 0, NULL, &err));
    log_world_deinit(&world);
}

static void waiting_for_rows_leads_when_nobody_else_does(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_put(&world, VARVE_SYNC_GROUP);
    check_ok(vv_wal_wait_visible(world.wal, 2, 1000, &err), &err);
    assert_int_equal(3, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

/* ---- sync ----------------------------------------------------------------------------------- */

static void sync_makes_every_mode_durable(void **state)
{
    (void)state;
    for (uint32_t sync = VARVE_SYNC_GROUP; sync <= VARVE_SYNC_NO_LOG; ++sync) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        log_open(&world);
        vv_wal_ticket ticket = log_put(&world, sync);
        check_ok(vv_wal_sync(world.wal, ticket.last_lsn, &err), &err);
        assert_true(vv_wal_durable_lsn(world.wal) >= ticket.last_lsn);
        assert_int_equal(3, vv_wal_visible(world.wal));
        uint64_t syncs = vv_sim_syncs(world.sim);
        check_ok(vv_wal_sync(world.wal, ticket.last_lsn, &err), &err);
        assert_int_equal(syncs, vv_sim_syncs(world.sim));
        vv_sim_point *point = vv_sim_capture(world.sim);
        vv_sim_cut cut = {.model = VV_SIM_CUT_NONE};
        vv_sim_image *image = vv_sim_power_cut(point, &cut);
        log_world after;
        log_world_init(&after, image, 2);
        log_seen *seen = log_seen_new();
        check_ok(log_replay(&after, VV_REPLAY_STRICT, seen, &err), &err);
        assert_int_equal(1, seen->count);
        free(seen);
        log_world_deinit(&after);
        vv_sim_image_free(image);
        vv_sim_point_free(point);
        log_world_deinit(&world);
    }
}

static void written_rows_are_synced_without_being_written_again(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    assert_int_equal(VARVE_ACK_APPENDED, log_write(&world, VARVE_SYNC_NONE));
    vv_wal_stats before;
    vv_wal_stats after;
    vv_wal_get_stats(world.wal, &before);
    uint64_t lsn;
    uint64_t sequence;
    vv_wal_position(world.wal, &lsn, &sequence);
    check_ok(vv_wal_sync(world.wal, lsn, &err), &err);
    vv_wal_get_stats(world.wal, &after);
    assert_int_equal(before.bytes_written, after.bytes_written);
    assert_int_equal(before.syncs + 1, after.syncs);
    assert_int_equal(lsn, vv_wal_durable_lsn(world.wal));
    log_world_deinit(&world);
}

/* ---- groups and room ------------------------------------------------------------------------ */

static void groups_are_capped_by_count_and_bytes(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_wal_options options = log_options();
    options.file_bytes = 64 * 1024 * 1024;
    log_open_with(&world, &options);
    vv_wal_ticket ticket = {0};
    for (int i = 0; i < 4097; ++i) { /* BUFFERED, and below 256 KiB: nothing leads in between */
        check_ok(log_try_put_sized(&world, 1, 8, 1, VARVE_SYNC_BUFFERED, &ticket, &err), &err);
    }
    vv_wal_stats stats;
    check_ok(vv_wal_sync(world.wal, ticket.last_lsn, &err), &err);
    vv_wal_get_stats(world.wal, &stats);
    assert_int_equal(2, stats.groups);
    size_t size = 2000000;
    uint8_t *payload = calloc(1, size);
    assert_non_null(payload);
    log_fill(payload, 1, size);
    vv_wal_record record = log_record(payload, size, 1);
    for (int i = 0; i < 5; ++i) {
        check_ok(vv_wal_reserve(world.wal, size, 1, 0, &err), &err);
    }
    for (int i = 0; i < 5; ++i) { /* two fit a group */
        ticket = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
        vv_wal_applied(world.wal, ticket);
    }
    free(payload);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    vv_wal_get_stats(world.wal, &stats);
    assert_int_equal(5, stats.groups);
    assert_int_equal(4, stats.syncs);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(4102, seen->count);
    free(seen);
    log_world_deinit(&world);
}

static void a_batch_larger_than_a_file_gets_a_file_that_holds_it(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    for (uint64_t i = 0; i < 3; ++i) {
        uint64_t number = world.next_number++;
        check_ok(log_try_put_sized(&world, number, 300000 * (size_t)(i + 1), 1, VARVE_SYNC_GROUP,
                                   &ticket, &err),
                 &err);
        (void)log_wait(&world, ticket);
        (void)log_write(&world, VARVE_SYNC_GROUP);
    }
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(7, seen->count);
    assert_true(log_is_prefix(seen));
    free(seen);
    log_world_deinit(&world);
}

static void a_batch_above_the_limit_is_refused(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    check_status(VARVE_E_LIMIT, vv_wal_reserve(world.wal, VV_WAL_RECORD_BYTES_MAX, 1, 0, &err));
    check_ok(vv_wal_reserve(world.wal, VV_WAL_RECORD_BYTES_MAX - 8, 1, 0, &err), &err);
    vv_wal_unreserve(world.wal, VV_WAL_RECORD_BYTES_MAX - 8, 1);
    check_status(VARVE_E_LIMIT,
                 vv_wal_reserve(world.wal, (size_t)VV_WAL_BATCH_BYTES_MAX + 1, 64, 0, &err));
    size_t records = VV_WAL_RECORD_BYTES_MAX / VV_WAL_RECORD_OVERHEAD;
    check_status(VARVE_E_LIMIT, vv_wal_reserve(world.wal, 0, records + 1, 0, NULL));
    check_ok(vv_wal_reserve(world.wal, 0, records, 0, &err), &err);
    vv_wal_unreserve(world.wal, 0, records);
    assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    log_world_deinit(&world);
}

static void room_that_was_reserved_is_there_whatever_happens_before(void **state)
{
    (void)state;
    /* G6: every order of a few large and small reservations, with groups written in between. */
    for (unsigned order = 0; order < 64; ++order) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, order + 1);
        log_open(&world);
        size_t sizes[6] = {40000, 100, 55000, 3000, 90000, 20};
        uint8_t *payload = calloc(1, 90000);
        assert_non_null(payload);
        for (size_t i = 0; i < 6; ++i) {
            check_ok(vv_wal_reserve(world.wal, sizes[i], 1, 0, &err), &err);
        }
        uint64_t number = 1;
        for (size_t i = 0; i < 6; ++i) {
            size_t at = (i * 5 + order) % 6;
            log_fill(payload, number, sizes[at]);
            number += 1;
            vv_wal_record record = log_record(payload, sizes[at], 1);
            vv_wal_ticket ticket = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_BUFFERED);
            vv_wal_applied(world.wal, ticket);
            if ((order >> (i % 6) & 1) != 0) {
                check_ok(vv_wal_sync(world.wal, ticket.last_lsn, &err), &err);
            }
        }
        check_ok(vv_wal_seal(world.wal, 0, &err), &err);
        free(payload);
        log_seen *seen = log_seen_new();
        check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
        assert_int_equal(6, seen->count);
        assert_true(log_is_prefix(seen));
        assert_true(seen->result.is_sealed_clean);
        free(seen);
        log_world_deinit(&world);
    }
}

static void writers_wait_for_room_in_a_crowded_buffer(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    size_t size = 4 * 1024 * 1024;
    uint8_t *payload = calloc(1, size);
    assert_non_null(payload);
    log_fill(payload, 1, size);
    vv_wal_record record = log_record(payload, size, 1);
    for (int i = 0; i < 3; ++i) {
        check_ok(vv_wal_reserve(world.wal, size, 1, 0, &err), &err);
    }
    /* Reserved and not appended yet: only the writers themselves can help. */
    check_status(VARVE_E_TIMEOUT, vv_wal_reserve(world.wal, size, 1, 0, &err));
    for (int i = 0; i < 3; ++i) {
        vv_wal_applied(world.wal, vv_wal_append(world.wal, &record, 1, VARVE_SYNC_BUFFERED));
    }
    /* Appended: the next one writes them first. */
    check_ok(vv_wal_reserve(world.wal, size, 1, 0, &err), &err);
    vv_wal_applied(world.wal, vv_wal_append(world.wal, &record, 1, VARVE_SYNC_BUFFERED));
    free(payload);
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(4, seen->count);
    free(seen);
    log_world_deinit(&world);
}

typedef struct wal_reserver {
    log_world *world;
    vv_thread thread;
    size_t size;
    varve_status status;
} wal_reserver;

static void wal_reserve_main(void *context)
{
    wal_reserver *reserver = context;
    int64_t deadline_ns = vv_mono_now_ns() + 30 * VV_NS_PER_S;
    reserver->status = vv_wal_reserve(reserver->world->wal, reserver->size, 1, deadline_ns, NULL);
}

static uint32_t wal_count_waiters(log_world *world)
{
    vv_mutex_lock(&world->wal->lock);
    uint32_t count = world->wal->room_waiters;
    vv_mutex_unlock(&world->wal->lock);
    return count;
}

/* The buffer is full of what is reserved: the append of that wakes who waits for room, and he
 * writes it. */
static void an_append_wakes_who_waits_for_room(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    size_t size = VV_WAL_BUFFER_BYTES_MAX - 1000;
    uint8_t *payload = malloc(size);
    assert_non_null(payload);
    log_fill(payload, 1, size);
    check_ok(vv_wal_reserve(world.wal, size, 1, 0, &err), &err);
    wal_reserver other = {.world = &world, .size = 5000, .status = VARVE_E_INTERNAL};
    check_ok(vv_thread_start(&other.thread, "other", wal_reserve_main, &other, &err), &err);
    log_until(wal_count_waiters(&world) == 1);
    vv_wal_record record = log_record(payload, size, 1);
    vv_wal_applied(world.wal, vv_wal_append(world.wal, &record, 1, VARVE_SYNC_BUFFERED));
    vv_thread_join(&other.thread);
    check_status(VARVE_OK, other.status);
    vv_wal_stats stats;
    vv_wal_get_stats(world.wal, &stats);
    assert_true(stats.bytes_written > size);
    vv_wal_unreserve(world.wal, other.size, 1);
    free(payload);
    log_world_deinit(&world);
}

/* What comes while the leader syncs: its hook is called without any lock. */
typedef struct wal_meanwhile {
    log_world *world;
    size_t size; /* to reserve, until that has to wait */
    bool puts_first;
    bool is_done;
} wal_meanwhile;

static void wal_meanwhile_hook(void *context, vv_vfs_op op, const char *path)
{
    wal_meanwhile *meanwhile = context;
    (void)path;
    if (op != VV_VFS_OP_SYNC || meanwhile->is_done) {
        return;
    }
    varve_error err;
    meanwhile->is_done = true;
    if (meanwhile->puts_first) {
        (void)log_put(meanwhile->world, VARVE_SYNC_BUFFERED);
    }
    vv_wal *wal = meanwhile->world->wal;
    varve_status status = VARVE_OK;
    uint64_t count = 0;
    while (status == VARVE_OK && count < 1000) {
        status = vv_wal_reserve(wal, meanwhile->size, 1, 0, &err);
        count += status == VARVE_OK ? 1 : 0;
    }
    check_status(VARVE_E_TIMEOUT, status);
    assert_true(meanwhile->size < 1000 || count == 0);
    for (; count > 0; --count) {
        vv_wal_unreserve(wal, meanwhile->size, 1);
    }
}

/* The leader has one of the two buffers. A batch that the other cannot be sure to hold waits; so
 * does one beside which the other is too full, and the last of many that end groups in it. */
static void a_large_batch_waits_while_another_is_written(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        bool puts_first;
    } cases[] = {{400000, false}, {VV_WAL_BUFFER_BYTES_MAX, true}, {16, false}};
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); ++i) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        vv_fault *fault = log_add_faults(&world);
        log_open(&world);
        wal_meanwhile meanwhile = {
            .world = &world, .size = cases[i].size, .puts_first = cases[i].puts_first};
        vv_fault_set_hook(fault, wal_meanwhile_hook, &meanwhile);
        assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
        vv_fault_set_hook(fault, NULL, NULL);
        assert_true(meanwhile.is_done);
        check_ok(vv_wal_reserve(world.wal, cases[i].size, 1, 0, &err), &err);
        vv_wal_unreserve(world.wal, cases[i].size, 1);
        log_world_deinit(&world);
    }
}

static void any_number_of_batches_may_be_pending(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    uint8_t payload[16];
    vv_wal_record record = {.type = VV_WAL_ROWS, .sequences = 1};
    static vv_wal_ticket tickets[MANY];
    for (int i = 0; i < MANY; ++i) { /* growing queue or buffer fails first, without effect */
        failing_alloc_plan(&world.failing, 1, true);
        varve_status status = vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err);
        failing_alloc_plan(&world.failing, 0, true);
        if (status != VARVE_OK) {
            check_status(VARVE_E_NOMEM, status);
            check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
        }
    }
    for (uint64_t i = 0; i < MANY; ++i) {
        log_fill(payload, i + 1, sizeof payload);
        record.payload = vv_bytes_make(payload, sizeof payload);
        record.payload_crc = vv_crc32c(0, payload, sizeof payload);
        tickets[i] = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    }
    for (size_t i = MANY; i > 1; --i) {
        vv_wal_applied(world.wal, tickets[i - 1]);
    }
    check_status(VARVE_E_TIMEOUT, vv_wal_wait(world.wal, tickets[MANY - 1].id, 0, NULL, &err));
    assert_int_equal(0, vv_wal_visible(world.wal));
    vv_wal_applied(world.wal, tickets[0]);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, tickets[MANY - 1]));
    assert_int_equal(MANY, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

/* Batches wait in the queue for the first one to be applied: it grows around them. */
static void the_queue_grows_with_what_is_in_it(void **state)
{
    (void)state;
    enum { MANY = 300 };
    log_world world;
    varve_error err;
    static vv_wal_ticket tickets[MANY];
    log_world_init(&world, NULL, 1);
    log_open(&world);
    for (uint64_t i = 0; i < MANY; ++i) {
        uint8_t payload[16];
        log_fill(payload, i + 1, sizeof payload);
        vv_wal_record record = log_record(payload, sizeof payload, 1);
        check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
        tickets[i] = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_BUFFERED);
    }
    for (size_t i = 0; i < MANY; ++i) {
        assert_int_equal(i, vv_wal_visible(world.wal));
        vv_wal_applied(world.wal, tickets[i]);
    }
    assert_int_equal(MANY, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

/* With the thread of the log and a clock that stands: what nobody waits for stays in the buffer. */
static void log_open_threaded(log_world *world)
{
    vv_wal_options options = log_options();
    options.has_threads = true;
    log_open_with(world, &options);
}

/* More than the buffer is to hold, and nobody waits for it: who comes next writes it first. */
static void a_crowded_buffer_is_written_by_who_comes_next(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open_threaded(&world);
    vv_wal_stats stats;
    vv_wal_ticket ticket = {0};
    for (uint64_t i = 1; i <= 20; ++i) {
        check_ok(log_try_put_sized(&world, i, 1 << 20, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
    }
    vv_wal_get_stats(world.wal, &stats);
    assert_in_range(stats.bytes_written, 1, 20 << 20);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(20, seen->count);
    assert_true(log_is_prefix(seen));
    free(seen);
    log_world_deinit(&world);
}

/* One group takes the strictest of its batches, in whatever order they come. */
static void a_group_is_as_safe_as_its_strictest_batch(void **state)
{
    (void)state;
    static const uint32_t modes[][3] = {
        {VARVE_SYNC_ALWAYS, VARVE_SYNC_GROUP, VARVE_SYNC_NONE},
        {VARVE_SYNC_NONE, VARVE_SYNC_GROUP, VARVE_SYNC_ALWAYS},
        {VARVE_SYNC_INTERVAL, VARVE_SYNC_NONE, VARVE_SYNC_GROUP},
    };
    for (size_t order = 0; order < VV_ARRAY_COUNT(modes); ++order) {
        log_world world;
        log_world_init(&world, NULL, 1);
        log_open_threaded(&world);
        vv_wal_ticket tickets[3];
        for (size_t i = 0; i < 3; ++i) {
            tickets[i] = log_put(&world, modes[order][i]);
        }
        for (size_t i = 0; i < 3; ++i) {
            uint32_t ack = log_wait(&world, tickets[i]);
            assert_true(ack >= VARVE_ACK_APPENDED);
        }
        assert_true(vv_wal_durable_lsn(world.wal) >= tickets[2].last_lsn);
        assert_int_equal(1, vv_sim_site_calls(world.sim, VV_SITE_WAL_GROUP));
        log_world_deinit(&world);
    }
}

/* A record may consist of its type alone. */
static void a_record_without_payload_comes_back(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_record record = {.type = VV_WAL_ROWS, .sequences = 1};
    check_ok(vv_wal_reserve(world.wal, 0, 1, 0, &err), &err);
    vv_wal_ticket ticket = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_applied(world.wal, ticket);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(1, seen->result.records);
    assert_int_equal(1, seen->result.last_sequence);
    free(seen);
    log_world_deinit(&world);
}

/* In a forked child the lock stays as its holder left it: what it guards is not to be walked. */
static void a_log_is_quiet_while_nobody_holds_its_lock(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    assert_true(vv_wal_is_quiet(world.wal));
    vv_mutex_lock(&world.wal->lock);
    assert_false(vv_wal_is_quiet(world.wal));
    vv_mutex_unlock(&world.wal->lock);
    assert_true(vv_wal_is_quiet(world.wal));
    log_world_deinit(&world);
}

/* Whoever does not want the sentence gets the same status. */
static void failures_need_nobody_who_listens(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    uint64_t sequence = vv_wal_visible(world.wal);
    vv_wal_ticket ticket;
    vv_sim_sync_fault fault = {
        .site = VV_SITE_WAL_SEAL, .first_sync = 1, .os_errno = EIO, .mode = VV_SIM_PAGES_CLEAN};
    vv_sim_set_sync_fault(world.sim, &fault);
    vv_wal_retry_space(world.wal); /* nothing is short: no effect */
    check_status(VARVE_E_IO, vv_wal_seal(world.wal, 0, NULL));
    check_status(VARVE_E_FENCED, vv_wal_seal(world.wal, 0, NULL));
    check_status(VARVE_E_FENCED, log_try_put(&world, VARVE_SYNC_GROUP, &ticket, NULL));
    vv_wal_advance_sequence(world.wal, 100); /* the order goes on, visible it is not */
    assert_int_equal(sequence, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void a_sealed_log_takes_no_more(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_put(&world, VARVE_SYNC_BUFFERED);
    check_ok(vv_wal_seal(world.wal, 3, &err), &err);
    check_status(VARVE_E_FENCED, log_try_put(&world, VARVE_SYNC_GROUP, &ticket, &err));
    check_status(VARVE_E_FENCED, vv_wal_wait_visible(world.wal, 100, 10, &err));
    check_status(VARVE_E_FENCED, vv_wal_seal(world.wal, 3, &err));
    log_seen *seen = log_seen_new();
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    options.edit_seq = 3;
    options.durable_lsn = vv_wal_durable_lsn(world.wal);
    check_ok(log_replay_with(&world, &options, seen, &err), &err);
    assert_int_equal(1, seen->count);
    assert_true(seen->result.is_sealed_clean);
    free(seen);
    log_world_deinit(&world);
}

static void a_seal_that_cannot_be_synced_is_no_seal(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    vv_sim_sync_fault fault = {
        .site = VV_SITE_WAL_SEAL, .first_sync = 1, .os_errno = EIO, .mode = VV_SIM_PAGES_REVERTED};
    vv_sim_set_sync_fault(world.sim, &fault);
    check_status(VARVE_E_IO, vv_wal_seal(world.wal, 0, &err));
    assert_int_equal(EIO, err.os_errno);
    assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, NULL));
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(1, seen->count);
    assert_false(seen->result.is_sealed_clean);
    free(seen);
    log_world_deinit(&world);
}

static void a_seal_without_memory_can_be_tried_again(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    /* A large batch: the buffer that was written, and the idle one at the sync, are given back. */
    check_ok(log_try_put_sized(&world, 1, 5000000, 1, VARVE_SYNC_NONE, &ticket, &err), &err);
    (void)log_wait(&world, ticket);
    check_ok(vv_wal_sync(world.wal, ticket.last_lsn, &err), &err);
    failing_alloc_plan(&world.failing, 1, false);
    check_status(VARVE_E_NOMEM, vv_wal_seal(world.wal, 0, &err));
    failing_alloc_plan(&world.failing, 0, false);
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(1, seen->count);
    assert_true(seen->result.is_sealed_clean);
    free(seen);
    log_world_deinit(&world);
}

static void files_have_a_least_size(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_file_info info;
    log_world_init(&world, NULL, 1);
    vv_wal_options options = log_options();
    options.file_bytes = 100;
    log_open_with(&world, &options);
    check_ok(vv_vfs_stat(world.env.vfs, "/wal/00000000000000000001.vwl", &info, &err), &err);
    assert_int_equal(65536, info.size);
    log_world_deinit(&world);
}

static void an_empty_log_seals_and_replays(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(VV_END_CLEAN, seen->result.end);
    assert_int_equal(0, seen->result.last_lsn);
    assert_int_equal(1, seen->result.last_file_seq);
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_true(seen->result.is_sealed_clean);
    assert_int_equal(1, seen->result.last_lsn);
    free(seen);
    log_world_deinit(&world);
}

static void figures_count_what_happened(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    for (int i = 0; i < 5; ++i) {
        (void)log_write(&world, VARVE_SYNC_GROUP);
    }
    vv_wal_stats stats;
    vv_wal_get_stats(world.wal, &stats);
    assert_int_equal(5, stats.groups);
    assert_int_equal(5, stats.syncs);
    assert_int_equal(10, stats.records);
    assert_int_equal(stats.bytes_written + 4096, vv_wal_bytes(world.wal));
    assert_int_equal(VARVE_HEALTH_OK, vv_wal_health(world.wal, NULL));
    log_world_deinit(&world);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Opens, writes batches of growing size, seals; any allocation may fail. */
static varve_status wal_run_short_of_memory(log_world *world)
{
    varve_error err;
    vv_wal_options options = log_options();
    varve_status status = vv_wal_open(&world->env, &options, &world->wal, &err);
    if (status != VARVE_OK) {
        assert_null(world->wal);
        return status;
    }
    varve_status first_failure = VARVE_OK;
    for (uint64_t i = 0; i < 12; ++i) {
        vv_wal_ticket ticket;
        size_t size = (size_t)1000 << i;
        status =
            log_try_put_sized(world, world->next_number, size, 1, VARVE_SYNC_GROUP, &ticket, &err);
        if (status != VARVE_OK) {
            first_failure = status;
            continue; /* no effect: the next one works again */
        }
        world->next_number += 1;
        assert_int_equal(VARVE_ACK_DURABLE, log_wait(world, ticket));
    }
    for (int i = 0; i < 200; ++i) {
        vv_wal_ticket ticket;
        status = log_try_put(world, VARVE_SYNC_BUFFERED, &ticket, &err);
        first_failure = status != VARVE_OK ? status : first_failure;
    }
    status = vv_wal_seal(world->wal, 0, &err);
    if (status == VARVE_E_NOMEM) {
        status = vv_wal_seal(world->wal, 0, &err);
        first_failure = VARVE_E_NOMEM;
    }
    check_ok(status, &err);
    return first_failure;
}

static void every_failing_allocation_is_an_answer_without_effect(void **state)
{
    (void)state;
    bool is_over = false;
    log_seen *seen = log_seen_new();
    for (uint64_t n = 1; !is_over; ++n) {
        log_world world;
        log_world_init(&world, NULL, n);
        failing_alloc_plan(&world.failing, n, true);
        varve_status status = wal_run_short_of_memory(&world);
        is_over = atomic_load(&world.failing.failures) == 0;
        failing_alloc_plan(&world.failing, 0, true);
        if (status != VARVE_OK) {
            check_status(VARVE_E_NOMEM, status);
        }
        if (world.wal != NULL) {
            varve_error err;
            check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
            assert_int_equal(world.next_number - 1, seen->count);
            assert_true(log_is_prefix(seen));
        }
        log_world_deinit(&world);
    }
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(the_log_gives_back_what_was_written),
        log_test(sequences_and_lsns_ascend_in_the_order_of_appends),
        log_test(records_of_a_batch_take_consecutive_numbers),
        log_test(copied_rows_keep_their_sequences),
        log_test(each_mode_answers_its_level),
        log_test(a_log_without_files_is_volatile),
        log_test(durable_rows_become_visible_with_their_sync_only),
        log_test(buffered_rows_are_visible_at_once_but_behind_what_precedes_them),
        log_test(visible_never_passes_a_batch_that_is_not_applied),
        log_test(an_old_ticket_is_answered_at_once),
        log_test(waiting_for_rows_leads_when_nobody_else_does),
        log_test(sync_makes_every_mode_durable),
        log_test(written_rows_are_synced_without_being_written_again),
        log_test(groups_are_capped_by_count_and_bytes),
        log_test(a_batch_larger_than_a_file_gets_a_file_that_holds_it),
        log_test(a_batch_above_the_limit_is_refused),
        log_test(room_that_was_reserved_is_there_whatever_happens_before),
        log_test(writers_wait_for_room_in_a_crowded_buffer),
        log_test(an_append_wakes_who_waits_for_room),
        log_test(a_large_batch_waits_while_another_is_written),
        log_test(any_number_of_batches_may_be_pending),
        log_test(the_queue_grows_with_what_is_in_it),
        log_test(a_crowded_buffer_is_written_by_who_comes_next),
        log_test(a_group_is_as_safe_as_its_strictest_batch),
        log_test(a_record_without_payload_comes_back),
        log_test(a_log_is_quiet_while_nobody_holds_its_lock),
        log_test(failures_need_nobody_who_listens),
        log_test(a_sealed_log_takes_no_more),
        log_test(a_seal_that_cannot_be_synced_is_no_seal),
        log_test(a_seal_without_memory_can_be_tried_again),
        log_test(files_have_a_least_size),
        log_test(an_empty_log_seals_and_replays),
        log_test(figures_count_what_happened),
        log_test(every_failing_allocation_is_an_answer_without_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
