/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies behind a bad place of the log: the evidence that decides between a torn end and damage,
 * and the place where a salvage goes on.
 *
 * The rest of the file and all later files are searched for headers that are valid by themselves.
 * A whole record is stepped over, everything else is searched in steps of 8 bytes. The salt in
 * every header keeps bytes of other files, and rows that hold copies of such bytes, from being
 * taken for records.
 */
#include "base/reader.h"
#include "wal/replay_priv.h"

uint64_t vv_replay_durable_of(const vv_frame *frame, vv_bytes payload)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    if (frame->type == VV_WAL_COMMIT) {
        vv_reader_skip(&reader, 16);
    } else if (frame->type == VV_WAL_SEAL) {
        vv_reader_skip(&reader, 8);
    } else if (frame->type != VV_WAL_MARK) {
        return 0;
    }
    return vv_reader_u64(&reader);
}

static void replay_probe_prove(vv_replay_probe *probe, uint64_t durable_lsn)
{
    if (durable_lsn > probe->durable) {
        probe->durable = durable_lsn;
    }
}

/* Search one file from offset on. at_fault: where the bad record itself begins, -1: not in here. */
static varve_status replay_probe_file(vv_frame_reader *reader, size_t index, int64_t offset,
                                      uint64_t lsn, int64_t at_fault, vv_replay_probe *probe,
                                      varve_error *out_err)
{
    int64_t used_end = 0;
    while (offset < reader->file_bytes) {
        int64_t found;
        vv_frame header;
        VV_TRY(vv_frame_scan(reader, offset, &found, &header, &used_end, out_err));
        if (found < 0) {
            break;
        }
        probe->has_record = true;
        vv_frame_verdict verdict;
        vv_frame frame;
        vv_bytes payload;
        VV_TRY(vv_frame_read(reader, found, NULL, 0, &verdict, &frame, &payload, out_err));
        if (verdict != VV_FRAME_GOOD) {
            used_end = found + VV_FRAME_HEADER_BYTES;
            offset = found + 8;
            continue;
        }
        replay_probe_prove(probe, vv_replay_durable_of(&frame, payload));
        bool is_later = frame.lsn > lsn || (frame.lsn == lsn && found != at_fault);
        if (is_later) {
            probe->groups += frame.type == VV_WAL_COMMIT ? 1 : 0;
            if (probe->next_lsn == 0) {
                probe->next_lsn = frame.lsn;
                probe->next = (vv_replay_place){.file = index, .offset = found};
            }
        }
        offset = found + (int64_t)vv_frame_bytes(frame.payload_size);
        used_end = offset;
    }
    if (at_fault >= 0) {
        probe->used_end = used_end > probe->used_end ? used_end : probe->used_end;
        /* The file may end in the padding of the last record. */
        probe->used_end =
            probe->used_end < reader->file_bytes ? probe->used_end : reader->file_bytes;
    }
    return VARVE_OK;
}

varve_status vv_replay_look(const vv_replay_walk *walk, vv_replay_place place, uint64_t lsn,
                            bool is_header, vv_replay_probe *out_probe, varve_error *out_err)
{
    *out_probe = (vv_replay_probe){.durable = walk->options->durable_lsn, .used_end = place.offset};
    for (size_t i = place.file; i < walk->files.count; ++i) {
        vv_frame_reader reader;
        vv_frame_file header;
        bool is_bad;
        VV_TRY(vv_replay_open_file(walk, i, &reader, &header, &is_bad, out_err));
        bool is_first = i == place.file;
        if (!is_first) {
            out_probe->has_bad_file = out_probe->has_bad_file || is_bad;
            if (!is_bad) {
                replay_probe_prove(out_probe, header.durable);
            }
        }
        int64_t offset = is_first ? place.offset : VV_FRAME_FILE_HEADER_BYTES;
        varve_status status = replay_probe_file(
            &reader, i, offset, lsn, is_first && !is_header ? offset : -1, out_probe, out_err);
        vv_frame_reader_close(&reader);
        VV_TRY(status);
    }
    out_probe->is_zero = out_probe->used_end <= place.offset;
    return VARVE_OK;
}
