/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the log back, and deciding where it ends. The rules are those of docs/formats/log.md,
 * "Reading it back"; this is the place where they are kept.
 *
 *      record ok ------------------> collected; COMMIT hands the group to the visitor
 *      record bad, LSN n expected -> look at everything behind it (replay_probe.c)
 *            nothing but zeros, and nothing proves n          clean end
 *            D < first LSN that would be dropped              torn end: cut here
 *            else                                             damage
 *
 *      damage:  STRICT    E_CORRUPT; nothing on disk is changed
 *               SALVAGE   evidence first, then go on at the next whole record
 *               FOLLOW    read again; still there: E_CORRUPT
 *               INTACT    read again; still there: the end, flagged
 *
 *   P1  Nothing of a group reaches the visitor before its COMMIT was checked.
 *   P2  Bytes are checked once, in memory, and handed out from that memory.
 *   P3  A torn end never hides a record that something proves to be synced.
 *   P4  Behind a hole a group counts only when its COMMIT names exactly the records that were read.
 *   P5  In strict mode nothing is written but the copy of a torn end.
 */
#include "wal/replay.h"

#include <string.h>

#include "base/assert.h"
#include "base/reader.h"
#include "base/status.h"
#include "base/text.h"
#include "wal/replay_priv.h"
#include "wal/wal_priv.h"

enum {
    REPLAY_FILES_MAX = 1 << 20, /* arbitrary: 64 TiB of log */
};

/* ---- files ---------------------------------------------------------------------------------- */

static varve_status replay_list_files(vv_replay_walk *walk, varve_error *out_err)
{
    vv_dir_list list;
    VV_TRY(vv_vfs_list(walk->env->vfs, walk->env->alloc, walk->options->directory, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < list.count && status == VARVE_OK; ++i) {
        uint64_t seq;
        if (list.entries[i].kind != VV_KIND_FILE ||
            !vv_frame_parse_name(list.entries[i].name, VV_TEXT(".vwl"), &seq)) {
            continue;
        }
        /* Names of equal length sorted by bytes are sorted by number. */
        walk->result->last_file_seq = seq;
        if (seq >= walk->options->log_start) {
            status = vv_vec_push(&walk->files, &seq);
        }
    }
    if (status != VARVE_OK) {
        status = vv_vec_fail(&walk->files, status, out_err);
    }
    vv_dir_list_deinit(&list);
    return status;
}

static uint64_t replay_file_seq(const vv_replay_walk *walk, size_t index)
{
    return *VV_VEC_AT(&walk->files, uint64_t, index);
}

/* A writer may be at work: what is bad is read again, and nothing is written. */
static bool replay_is_beside_writer(const vv_replay_walk *walk)
{
    return walk->options->mode == VV_REPLAY_FOLLOW || walk->options->mode == VV_REPLAY_INTACT;
}

static varve_status replay_check_header(const vv_replay_walk *walk, uint64_t seq,
                                        vv_frame_file *header, varve_error *out_err)
{
    if (memcmp(header->store_id, walk->options->store_id, sizeof header->store_id) != 0) {
        header->salt = ~header->salt; /* its records are whole, and none of ours */
        return vv_fail(out_err, VARVE_E_CORRUPT, "it belongs to another database");
    }
    if (header->file_seq != seq) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "it was made as number %llu",
                       (unsigned long long)header->file_seq);
    }
    return VARVE_OK;
}

varve_status vv_replay_open_file(const vv_replay_walk *walk, size_t index, vv_frame_reader *reader,
                                 vv_frame_file *out_header, bool *out_is_bad, varve_error *out_err)
{
    uint64_t seq = replay_file_seq(walk, index);
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_wal_file_path(walk->options->directory, seq, "", path, out_err));
    VV_TRY(vv_frame_reader_open(reader, walk->env->vfs, walk->env->alloc, path,
                                !replay_is_beside_writer(walk), out_err));
    vv_bytes bytes;
    varve_status status =
        vv_frame_reader_view(reader, 0, VV_FRAME_FILE_HEADER_BYTES, &bytes, out_err);
    *out_is_bad = false;
    if (status == VARVE_OK) {
        *out_header = (vv_frame_file){.salt = vv_frame_file_salt_guess(bytes)};
        status = vv_frame_file_decode(VV_FRAME_LOG, bytes, out_header, out_err);
        if (status == VARVE_OK) {
            status = replay_check_header(walk, seq, out_header, out_err);
        }
        reader->salt = out_header->salt;
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "log file %llu", (unsigned long long)seq);
        }
        if (status == VARVE_E_CORRUPT) {
            *out_is_bad = true;
            status = VARVE_OK;
        }
    }
    if (status != VARVE_OK) {
        vv_frame_reader_close(reader);
    }
    return status;
}

/* ---- groups --------------------------------------------------------------------------------- */

/* No record before this place waits for its COMMIT; behind a hole those that do count for none. */
static bool replay_is_between_units(const vv_replay_walk *walk)
{
    return walk->items.count == 0 || walk->is_partial;
}

/* At the first record of a file that was made ahead of need: it is a MARK. */
static bool replay_is_at_mark(const vv_replay_walk *walk)
{
    return walk->offset == VV_FRAME_FILE_HEADER_BYTES && walk->header.first_lsn == 0;
}

/* LSN of the first record that is dropped when the log ends here. */
static uint64_t replay_cut_lsn(const vv_replay_walk *walk)
{
    if (!replay_is_between_units(walk)) {
        return VV_VEC_AT(&walk->items, vv_replay_item, 0)->lsn;
    }
    return walk->expected != 0 ? walk->expected : walk->options->flush_lsn + 1;
}

/* A whole unit (group, MARK, SEAL) of LSNs first..last was read. */
static void replay_end_unit(vv_replay_walk *walk, uint64_t first_lsn, uint64_t last_lsn,
                            size_t record_bytes)
{
    if (walk->hole_is_open) {
        vv_replay_hole *hole = VV_VEC_AT(&walk->holes, vv_replay_hole, walk->holes.count - 1);
        hole->last_lsn = first_lsn - 1;
        walk->hole_is_open = false;
    }
    walk->is_partial = false;
    walk->has_chain = true;
    if (last_lsn > walk->result->last_lsn) {
        walk->result->last_lsn = last_lsn;
    }
    vv_vec_clear(&walk->items);
    walk->group_offset = walk->offset + (int64_t)record_bytes;
    walk->reader.keep_offset = walk->group_offset;
}

static bool replay_has_sequence(uint8_t type)
{
    return type == VV_WAL_ROWS || type == VV_WAL_TOMBSTONE;
}

/* Of a record of the group in progress; the window of the reader holds all of that. */
static vv_bytes replay_payload(vv_replay_walk *walk, const vv_replay_item *item)
{
    vv_bytes payload;
    varve_status status = vv_frame_reader_view(&walk->reader, item->offset + VV_FRAME_HEADER_BYTES,
                                               item->payload_size, &payload, NULL);
    VV_ASSERT(status == VARVE_OK && payload.size == item->payload_size);
    return payload;
}

static varve_status replay_deliver(vv_replay_walk *walk, const vv_replay_item *item,
                                   varve_error *out_err)
{
    if (item->lsn <= walk->options->flush_lsn && item->type != VV_WAL_SERIES) {
        return VARVE_OK;
    }
    vv_bytes payload = replay_payload(walk, item);
    vv_replay_record record = {.type = (vv_wal_type)item->type,
                               .lsn = item->lsn,
                               .payload = payload,
                               .is_after_hole = walk->is_after_hole};
    if (replay_has_sequence(item->type)) {
        vv_reader reader = vv_reader_of(payload.data, payload.size);
        record.payload.size -= VV_WAL_SEQUENCE_BYTES;
        vv_reader_skip(&reader, record.payload.size);
        record.first_sequence = vv_reader_u64(&reader);
    }
    walk->result->records += 1;
    walk->result->bytes += item->payload_size;
    return walk->visit(walk->context, &record, out_err);
}

/* Rows that were whole and have lost their group are named in the report. */
static void replay_note_items(vv_replay_walk *walk)
{
    if (walk->options->mode != VV_REPLAY_SALVAGE || walk->holes.count == 0) {
        return;
    }
    vv_replay_hole *hole = VV_VEC_AT(&walk->holes, vv_replay_hole, walk->holes.count - 1);
    for (size_t i = 0; i < walk->items.count; ++i) {
        const vv_replay_item *item = VV_VEC_AT(&walk->items, vv_replay_item, i);
        if (item->type == VV_WAL_ROWS) {
            vv_bytes payload = replay_payload(walk, item);
            payload.size -= VV_WAL_SEQUENCE_BYTES;
            vv_replay_note_lost(walk, hole, payload);
        }
    }
}

static varve_status replay_commit(vv_replay_walk *walk, const vv_frame *frame, vv_bytes payload,
                                  vv_frame_verdict *out_verdict, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    uint32_t record_count = vv_reader_u32(&reader);
    uint32_t bytes = vv_reader_u32(&reader);
    uint64_t first_lsn = vv_reader_u64(&reader);
    vv_reader_skip(&reader, 16);
    uint64_t last_sequence = vv_reader_u64(&reader);
    bool is_whole = walk->items.count > 0 && record_count == walk->items.count &&
                    bytes == walk->offset - walk->group_offset &&
                    first_lsn == VV_VEC_AT(&walk->items, vv_replay_item, 0)->lsn;
    if (!vv_reader_is_done(&reader) || (!is_whole && !walk->is_partial)) {
        *out_verdict = VV_FRAME_BAD_GROUP;
        return VARVE_OK;
    }
    if (!is_whole) {
        /* P4: its beginning is in the hole. What follows it is whole again. */
        replay_note_items(walk);
        walk->is_partial = false;
        vv_vec_clear(&walk->items);
        walk->group_offset = walk->offset + (int64_t)vv_frame_bytes(frame->payload_size);
        walk->reader.keep_offset = walk->group_offset;
        return VARVE_OK;
    }
    for (size_t i = 0; i < walk->items.count; ++i) {
        VV_TRY(replay_deliver(walk, VV_VEC_AT(&walk->items, vv_replay_item, i), out_err));
    }
    walk->result->groups += 1;
    if (last_sequence > walk->result->last_sequence) {
        walk->result->last_sequence = last_sequence;
    }
    replay_end_unit(walk, first_lsn, frame->lsn, vv_frame_bytes(frame->payload_size));
    return VARVE_OK;
}

static varve_status replay_mark(vv_replay_walk *walk, const vv_frame *frame, vv_bytes payload,
                                vv_frame_verdict *out_verdict)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    vv_reader_skip(&reader, 8);
    uint64_t prev_last = vv_reader_u64(&reader);
    uint64_t wanted = replay_is_at_mark(walk) ? frame->lsn - 1 : 0;
    bool is_consistent = walk->is_partial || prev_last == wanted;
    if (!vv_reader_is_done(&reader) || !is_consistent || !replay_is_between_units(walk)) {
        *out_verdict = VV_FRAME_BAD_GROUP;
        return VARVE_OK;
    }
    replay_note_items(walk);
    replay_end_unit(walk, frame->lsn, frame->lsn, vv_frame_bytes(frame->payload_size));
    return VARVE_OK;
}

static varve_status replay_seal(vv_replay_walk *walk, const vv_frame *frame, vv_bytes payload,
                                vv_frame_verdict *out_verdict)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    uint64_t last_lsn = vv_reader_u64(&reader);
    vv_reader_skip(&reader, 8);
    uint64_t edit_seq = vv_reader_u64(&reader);
    uint8_t clean = vv_reader_u8(&reader);
    if (!vv_reader_is_done(&reader) || last_lsn != frame->lsn - 1 || clean > 1 ||
        !replay_is_between_units(walk)) {
        *out_verdict = VV_FRAME_BAD_GROUP;
        return VARVE_OK;
    }
    replay_note_items(walk);
    replay_end_unit(walk, frame->lsn, frame->lsn, vv_frame_bytes(frame->payload_size));
    walk->seal = clean == 1 ? VV_REPLAY_SEAL_CLEAN : VV_REPLAY_SEAL_ROTATED;
    if (edit_seq > walk->options->edit_seq) {
        (void)vv_text_format(walk->aside, sizeof walk->aside,
                             "the manifest ends at edit %llu, the log knows edit %llu",
                             (unsigned long long)walk->options->edit_seq,
                             (unsigned long long)edit_seq);
    }
    return VARVE_OK;
}

static varve_status replay_collect(vv_replay_walk *walk, const vv_frame *frame,
                                   vv_frame_verdict *out_verdict, varve_error *out_err)
{
    int64_t end = walk->offset + (int64_t)vv_frame_bytes(frame->payload_size);
    if (end - walk->group_offset > walk->group_bytes_max ||
        (replay_has_sequence(frame->type) && frame->payload_size < VV_WAL_SEQUENCE_BYTES)) {
        *out_verdict = VV_FRAME_BAD_GROUP;
        return VARVE_OK;
    }
    vv_replay_item item = {.offset = walk->offset,
                           .lsn = frame->lsn,
                           .payload_size = frame->payload_size,
                           .type = frame->type};
    if (walk->items.count == 0) {
        walk->group_offset = walk->offset;
        walk->group_chain = walk->chain;
    }
    varve_status status = vv_vec_push(&walk->items, &item);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&walk->items, status, out_err);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* The sentence of E_CORRUPT; nothing is lost when the next LSN is the first one looked for. */
static varve_status replay_corrupt(const char *reason, uint64_t first_lsn,
                                   const vv_replay_probe *probe, varve_error *out_err)
{
    if (probe->next_lsn == first_lsn) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "%s", reason);
    }
    uint64_t last_lsn = probe->next_lsn > first_lsn ? probe->next_lsn - 1 : probe->durable;
    if (last_lsn < first_lsn) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "%s; LSN %llu and later may be lost", reason,
                       (unsigned long long)first_lsn);
    }
    return vv_fail(out_err, VARVE_E_CORRUPT,
                   "%s; LSN %llu to %llu are lost, %llu intact groups follow", reason,
                   (unsigned long long)first_lsn, (unsigned long long)last_lsn,
                   (unsigned long long)probe->groups);
}

/* Note a hole that begins with first_lsn; one that has no end yet grows instead. */
static varve_status replay_add_hole(vv_replay_walk *walk, const char *reason, uint64_t first_lsn,
                                    const vv_replay_probe *probe, varve_error *out_err)
{
    if (!walk->hole_is_open) {
        vv_replay_hole *hole = vv_vec_extend(&walk->holes);
        if (hole == NULL) {
            return vv_fail_nomem(out_err, "the report of a salvage", sizeof *hole);
        }
        hole->file_seq = walk->file < walk->files.count ? replay_file_seq(walk, walk->file) : 0;
        hole->offset = walk->items.count > 0 ? walk->group_offset : walk->offset;
        hole->first_lsn = first_lsn;
        (void)vv_text_format(hole->reason, sizeof hole->reason, "%s", reason);
        walk->hole_is_open = true;
    }
    vv_replay_hole *hole = VV_VEC_AT(&walk->holes, vv_replay_hole, walk->holes.count - 1);
    bool is_same_file = probe->next_lsn != 0 && probe->next.file == walk->file;
    hole->bytes = is_same_file ? probe->next.offset - hole->offset : -1;
    hole->last_lsn = probe->durable > first_lsn ? probe->durable : first_lsn;
    replay_note_items(walk);
    walk->is_after_hole = true;
    walk->is_partial = true;
    walk->has_chain = false;
    vv_vec_clear(&walk->items);
    return VARVE_OK;
}

/* What every damage leads to, by mode. On OK the walk goes on (SALVAGE) or is over. */
static varve_status replay_note_damage(vv_replay_walk *walk, const char *reason, uint64_t first_lsn,
                                       const vv_replay_probe *probe, varve_error *out_err)
{
    varve_error error;
    VV_IGNORE(replay_corrupt(reason, first_lsn, probe, &error)); /* told below, as the mode says */
    if (walk->result->end != VV_END_DAMAGED) {
        walk->result->end = VV_END_DAMAGED;
        walk->result->damage = error;
    }
    switch (walk->options->mode) {
    case VV_REPLAY_STRICT:
    case VV_REPLAY_FOLLOW:
        return vv_fail_again(out_err, &error);
    case VV_REPLAY_INTACT:
        walk->is_at_end = true;
        return VARVE_OK;
    case VV_REPLAY_SALVAGE:
        break;
    }
    if (!walk->has_evidence && walk->options->quarantine != NULL) {
        VV_TRY(vv_replay_keep_evidence(walk, out_err));
    }
    return replay_add_hole(walk, reason, first_lsn, probe, out_err);
}

/* Damage that is no bad record: reading goes on where it is. */
static varve_status replay_damage_aside(vv_replay_walk *walk, uint64_t first_lsn, uint64_t last_lsn,
                                        varve_error *out_err)
{
    if (walk->options->mode == VV_REPLAY_FOLLOW) {
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "%s", walk->aside);
    }
    vv_replay_probe probe = {.next_lsn = last_lsn + 1, .durable = last_lsn};
    bool has_chain = walk->has_chain;
    VV_TRY(replay_note_damage(walk, walk->aside, first_lsn, &probe, out_err));
    walk->aside[0] = '\0';
    if (!walk->is_at_end) {
        vv_replay_hole *hole = VV_VEC_AT(&walk->holes, vv_replay_hole, walk->holes.count - 1);
        hole->last_lsn = last_lsn;
        hole->bytes = 0;
        walk->hole_is_open = false;
        walk->has_chain = has_chain;
        walk->is_partial = false;
    }
    return VARVE_OK;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static void replay_leave_file(vv_replay_walk *walk)
{
    if (walk->is_open) {
        vv_frame_reader_close(&walk->reader);
        walk->is_open = false;
    }
}

/* Stand at a record of the open file. */
static void replay_stand_at(vv_replay_walk *walk, int64_t offset)
{
    walk->offset = offset;
    walk->group_offset = offset;
    walk->reader.keep_offset = offset;
}

/* The log begins above what the segments hold? Called once, when its first LSN is known. */
static varve_status replay_check_begin(vv_replay_walk *walk, uint64_t lsn, varve_error *out_err)
{
    uint64_t wanted = walk->options->flush_lsn + 1;
    if (lsn <= wanted) {
        return VARVE_OK;
    }
    (void)vv_text_format(walk->aside, sizeof walk->aside,
                         "the log begins at LSN %llu, the segments end at %llu",
                         (unsigned long long)lsn, (unsigned long long)(wanted - 1));
    return replay_damage_aside(walk, wanted, lsn - 1, out_err);
}

/* Open the file at walk->file and stand at its first record. */
static varve_status replay_open_current(vv_replay_walk *walk, varve_error *out_err)
{
    varve_error error;
    varve_status status = vv_replay_open_file(walk, walk->file, &walk->reader, &walk->header,
                                              &walk->header_is_bad, &error);
    if (status != VARVE_OK) {
        return vv_fail_again(out_err, &error);
    }
    walk->is_open = true;
    if (walk->header_is_bad) {
        (void)vv_text_format(walk->aside, sizeof walk->aside, "%s", error.message);
    }
    replay_stand_at(walk, VV_FRAME_FILE_HEADER_BYTES);
    walk->chain = vv_frame_chain_first(walk->header.salt);
    walk->has_chain = true;
    return VARVE_OK;
}

static varve_status replay_enter_file(vv_replay_walk *walk, varve_error *out_err)
{
    VV_TRY(replay_open_current(walk, out_err));
    if (!walk->header_is_bad && walk->file == 0 && walk->header.first_lsn != 0) {
        walk->expected = walk->header.first_lsn;
        return replay_check_begin(walk, walk->expected, out_err);
    }
    return VARVE_OK;
}

/* One record that passed its own checks. *out_verdict changes when the group contradicts it. */
static varve_status replay_take(vv_replay_walk *walk, const vv_frame *frame, vv_bytes payload,
                                vv_frame_verdict *out_verdict, varve_error *out_err)
{
    if ((frame->flags & VV_FRAME_FLAG_COMPRESSED) != 0 || frame->type < VV_WAL_SERIES ||
        frame->type > VV_WAL_RINGPAGE) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "log file %llu at %lld: a record of type %u with flags %u needs a newer "
                       "varve",
                       (unsigned long long)replay_file_seq(walk, walk->file),
                       (long long)walk->offset, (unsigned)frame->type, (unsigned)frame->flags);
    }
    if (replay_is_at_mark(walk) && frame->type != VV_WAL_MARK && !walk->is_partial) {
        *out_verdict = VV_FRAME_BAD_GROUP;
        return VARVE_OK;
    }
    switch ((vv_wal_type)frame->type) {
    case VV_WAL_COMMIT:
        return replay_commit(walk, frame, payload, out_verdict, out_err);
    case VV_WAL_MARK:
        return replay_mark(walk, frame, payload, out_verdict);
    case VV_WAL_SEAL:
        return replay_seal(walk, frame, payload, out_verdict);
    case VV_WAL_SERIES:
    case VV_WAL_ROWS:
    case VV_WAL_TOMBSTONE:
    case VV_WAL_META:
    case VV_WAL_EXEMPLARS:
    case VV_WAL_POLICY:
    case VV_WAL_RINGPAGE:
        break;
    }
    return replay_collect(walk, frame, out_verdict, out_err);
}

/* ---- a bad place ---------------------------------------------------------------------------- */

/* Read the group again from its start: a live writer may have finished it meanwhile. */
static varve_status replay_again(vv_replay_walk *walk, bool *out_tries, varve_error *out_err)
{
    int64_t offset = walk->items.count > 0 ? walk->group_offset : walk->offset;
    if (walk->retry_offset != offset || walk->retry_file != walk->file) {
        walk->retry_offset = offset;
        walk->retry_file = walk->file;
        walk->retries = 0;
    }
    *out_tries = replay_is_beside_writer(walk) && walk->retries < VV_REPLAY_RETRIES_MAX;
    if (!*out_tries) {
        return VARVE_OK;
    }
    walk->retries += 1;
    if (walk->items.count > 0) {
        walk->chain = walk->group_chain;
        walk->expected = VV_VEC_AT(&walk->items, vv_replay_item, 0)->lsn;
        vv_vec_clear(&walk->items);
    }
    replay_leave_file(walk);
    uint32_t chain = walk->chain;
    VV_TRY(replay_open_current(walk, out_err));
    replay_stand_at(walk, offset);
    if (offset != VV_FRAME_FILE_HEADER_BYTES) {
        walk->chain = chain;
    }
    return VARVE_OK;
}

static void replay_end_torn(vv_replay_walk *walk, const vv_replay_probe *probe)
{
    walk->is_at_end = true;
    if (walk->options->mode == VV_REPLAY_FOLLOW) {
        return; /* the writer is in the middle of it */
    }
    int64_t begin = walk->items.count > 0 ? walk->group_offset : walk->offset;
    if (walk->result->end == VV_END_CLEAN) {
        walk->result->end = VV_END_TORN;
    }
    if (probe->used_end > begin) {
        walk->result->torn_bytes = (uint64_t)(probe->used_end - begin);
        walk->result->is_torn_kept =
            !replay_is_beside_writer(walk) && walk->options->quarantine != NULL &&
            vv_replay_keep_torn(walk, replay_file_seq(walk, walk->file), begin, probe->used_end);
    }
}

/* Salvage: stand at the next whole record, or be at the end. */
static varve_status replay_go_on(vv_replay_walk *walk, const vv_replay_probe *probe,
                                 varve_error *out_err)
{
    if (walk->is_at_end || probe->next_lsn == 0) {
        walk->is_at_end = true;
        return VARVE_OK;
    }
    replay_leave_file(walk);
    walk->file = probe->next.file;
    VV_TRY(replay_open_current(walk, out_err));
    walk->header_is_bad = false; /* its records prove its salt */
    walk->aside[0] = '\0';
    replay_stand_at(walk, probe->next.offset);
    walk->expected = probe->next_lsn;
    walk->has_chain = false;
    walk->is_partial = true;
    walk->seal = VV_REPLAY_SEAL_NONE;
    return VARVE_OK;
}

static varve_status replay_bad_place(vv_replay_walk *walk, vv_frame_verdict verdict,
                                     const char *reason, varve_error *out_err)
{
    uint64_t cut_lsn = replay_cut_lsn(walk);
    uint64_t expected = walk->expected != 0 ? walk->expected : cut_lsn;
    bool is_header = walk->header_is_bad;
    vv_replay_place place = {.file = walk->file, .offset = walk->offset};
    vv_replay_probe probe;
    VV_TRY(vv_replay_look(walk, place, expected, is_header, &probe, out_err));
    bool is_damage = is_header || probe.has_bad_file || probe.durable >= cut_lsn;
    if (!is_damage) {
        bool is_clean = verdict == VV_FRAME_ABSENT && probe.is_zero && !probe.has_record &&
                        replay_is_between_units(walk);
        if (is_clean) {
            walk->is_at_end = true;
            return VARVE_OK;
        }
        replay_end_torn(walk, &probe);
        return VARVE_OK;
    }
    bool is_tried_again;
    VV_TRY(replay_again(walk, &is_tried_again, out_err));
    if (is_tried_again) {
        return VARVE_OK;
    }
    VV_TRY(replay_note_damage(walk, reason, cut_lsn, &probe, out_err));
    return replay_go_on(walk, &probe, out_err);
}

/* ---- one record ----------------------------------------------------------------------------- */

static varve_status replay_step(vv_replay_walk *walk, varve_error *out_err)
{
    vv_frame_verdict verdict;
    vv_frame frame = {0};
    vv_bytes payload = {0};
    VV_TRY(vv_frame_read(&walk->reader, walk->offset, walk->has_chain ? &walk->chain : NULL,
                         walk->expected, &verdict, &frame, &payload, out_err));
    if (verdict == VV_FRAME_GOOD && walk->expected == 0) {
        VV_TRY(replay_check_begin(walk, frame.lsn, out_err));
        if (walk->is_at_end) {
            return VARVE_OK;
        }
    }
    if (verdict == VV_FRAME_GOOD) {
        VV_TRY(replay_take(walk, &frame, payload, &verdict, out_err));
    }
    if (verdict != VV_FRAME_GOOD) {
        char reason[160];
        (void)vv_text_format(reason, sizeof reason, "log file %llu at %lld: record %llu %s",
                             (unsigned long long)replay_file_seq(walk, walk->file),
                             (long long)walk->offset, (unsigned long long)walk->expected,
                             vv_frame_verdict_text(verdict));
        return replay_bad_place(walk, verdict, reason, out_err);
    }
    walk->chain = vv_frame_chain_next(&frame);
    walk->has_chain = true;
    walk->expected = frame.lsn + 1;
    walk->offset += (int64_t)vv_frame_bytes(frame.payload_size);
    if (walk->aside[0] != '\0') {
        VV_TRY(replay_damage_aside(walk, walk->expected, walk->expected - 1, out_err));
    }
    return VARVE_OK;
}

/* ---- between files -------------------------------------------------------------------------- */

/* No file is left where one must be. */
static varve_status replay_missing_file(vv_replay_walk *walk, varve_error *out_err)
{
    if (walk->options->mode == VV_REPLAY_FOLLOW) {
        walk->is_at_end = true; /* made after the directory was read */
        return VARVE_OK;
    }
    vv_replay_probe probe = {.durable = walk->options->durable_lsn};
    VV_TRY(replay_note_damage(walk, "the file behind the last sealed one is missing",
                              walk->expected, &probe, out_err));
    walk->is_at_end = true;
    return VARVE_OK;
}

/* Behind a SEAL: on to the next file, or the end. */
static varve_status replay_behind_seal(vv_replay_walk *walk, varve_error *out_err)
{
    if (walk->seal == VV_REPLAY_SEAL_CLEAN) {
        vv_replay_probe probe = {.durable = walk->options->durable_lsn};
        walk->is_at_end = true;
        walk->ended_clean = true;
        if (probe.durable >= walk->expected) {
            walk->ended_clean = false;
            return replay_note_damage(walk, "the manifest knows a later end of the log",
                                      walk->expected, &probe, out_err);
        }
        return VARVE_OK;
    }
    walk->seal = VV_REPLAY_SEAL_NONE;
    replay_leave_file(walk);
    walk->file += 1;
    return walk->file < walk->files.count ? replay_enter_file(walk, out_err)
                                          : replay_missing_file(walk, out_err);
}

/* A file whose header names its first LSN begins another log: one that an open began and never
 * adopted. This log ends before it. */
static varve_status replay_drop_other_log(vv_replay_walk *walk, varve_error *out_err)
{
    for (size_t i = 1; i < walk->files.count; ++i) {
        vv_frame_reader reader;
        vv_frame_file header;
        bool is_bad;
        VV_TRY(vv_replay_open_file(walk, i, &reader, &header, &is_bad, out_err));
        vv_frame_reader_close(&reader);
        if (!is_bad && header.first_lsn != 0) {
            walk->files.count = i;
            return VARVE_OK;
        }
    }
    return VARVE_OK;
}

static varve_status replay_without_files(vv_replay_walk *walk, varve_error *out_err)
{
    uint64_t first_lsn = walk->options->flush_lsn + 1;
    if (walk->options->durable_lsn < first_lsn) {
        return VARVE_OK;
    }
    (void)vv_text_format(walk->aside, sizeof walk->aside, "the log has no file at or above %llu",
                         (unsigned long long)walk->options->log_start);
    return replay_damage_aside(walk, first_lsn, walk->options->durable_lsn, out_err);
}

static varve_status replay_run(vv_replay_walk *walk, varve_error *out_err)
{
    VV_TRY(replay_list_files(walk, out_err));
    VV_TRY(replay_drop_other_log(walk, out_err));
    if (walk->files.count == 0) {
        return replay_without_files(walk, out_err);
    }
    VV_TRY(replay_enter_file(walk, out_err));
    while (!walk->is_at_end) {
        if (walk->header_is_bad) {
            char reason[sizeof walk->aside];
            memcpy(reason, walk->aside, sizeof reason);
            walk->aside[0] = '\0';
            VV_TRY(replay_bad_place(walk, VV_FRAME_BAD_HEADER, reason, out_err));
        } else if (walk->seal != VV_REPLAY_SEAL_NONE) {
            VV_TRY(replay_behind_seal(walk, out_err));
        } else {
            VV_TRY(replay_step(walk, out_err));
        }
    }
    return VARVE_OK;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void replay_sum_holes(const vv_replay_walk *walk)
{
    vv_replay_result *result = walk->result;
    result->holes = walk->holes.count;
    for (size_t i = 0; i < walk->holes.count; ++i) {
        vv_replay_hole *hole = VV_VEC_AT(&walk->holes, vv_replay_hole, i);
        bool is_open = walk->hole_is_open && i + 1 == walk->holes.count;
        if (is_open && walk->expected > hole->last_lsn + 1) {
            hole->last_lsn = walk->expected - 1; /* nothing whole came after it */
        }
        if (hole->last_lsn < hole->first_lsn) {
            continue; /* damage that cost no record */
        }
        /* They ascend: behind each the search takes higher LSNs only. */
        if (result->lost_first_lsn == 0) {
            result->lost_first_lsn = hole->first_lsn;
        }
        result->lost_last_lsn = hole->last_lsn;
    }
    /* LSNs that may have been answered as durable are not given again. */
    if (walk->holes.count > 0) {
        uint64_t used = result->lost_last_lsn > walk->options->durable_lsn
                            ? result->lost_last_lsn
                            : walk->options->durable_lsn;
        result->last_lsn = used > result->last_lsn ? used : result->last_lsn;
    }
}

varve_status vv_replay(const vv_env *env, const vv_replay_options *options, vv_replay_visitor visit,
                       void *context, vv_replay_result *out_result, varve_error *out_err)
{
    vv_replay_result result = {.end = VV_END_CLEAN, .last_lsn = options->flush_lsn};
    vv_replay_walk walk = {.env = env,
                           .options = options,
                           .visit = visit,
                           .context = context,
                           .result = &result,
                           .group_bytes_max = options->group_bytes_max != 0
                                                  ? options->group_bytes_max
                                                  : VV_REPLAY_GROUP_BYTES_MAX,
                           .retry_offset = -1};
    vv_vec_init(&walk.files, env->alloc, sizeof(uint64_t), REPLAY_FILES_MAX);
    vv_vec_init(&walk.items, env->alloc, sizeof(vv_replay_item), SIZE_MAX);
    vv_vec_init(&walk.holes, env->alloc, sizeof(vv_replay_hole), SIZE_MAX);
    varve_status status = replay_run(&walk, out_err);
    replay_leave_file(&walk);
    if (status == VARVE_OK) {
        replay_sum_holes(&walk);
        result.is_sealed_clean = walk.ended_clean && result.end == VV_END_CLEAN;
        if (walk.has_evidence) {
            status = vv_replay_write_report(&walk, out_err);
        }
    }
    if (status == VARVE_OK) {
        *out_result = result;
    }
    vv_vec_deinit(&walk.holes);
    vv_vec_deinit(&walk.items);
    vv_vec_deinit(&walk.files);
    return status;
}
