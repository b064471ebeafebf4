/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/bulk_load.h"

#include "base/status.h"
#include "cli/memory.h"
#include "model/time_range.h"
#include "server/ingest.h"
#include "sys/clock.h"
#include "sys/entropy.h"
#include "wire/decode.h"

/* Series keys, and names of fields, that are known (the former as in the server). */
#define LOAD_SERIES_BYTES_MAX (64u * 1024u * 1024u)
#define LOAD_FIELDS_BYTES_MAX (4u * 1024u * 1024u)

struct vv_load {
    vv_alloc alloc;
    vv_name_cache series;
    vv_name_cache fields;
    vv_ingest ingest;
    vv_wire_sink sink;
    vv_decoder_options decoding;
    vv_decoder *decoder;
};

/** Keys come from outside; without entropy they could be chosen to collide, which costs time only.
 */
static uint64_t load_seed(void)
{
    uint64_t seed = 0;
    vv_entropy entropy = vv_entropy_system();
    return vv_entropy_fill(&entropy, &seed, sizeof seed, NULL) == VARVE_OK ? seed : 0;
}

static varve_status load_init(vv_load *load, varve_db *db, const vv_load_options *options,
                              varve_error *out_err)
{
    varve_info info;
    varve_info_init(&info);
    VV_TRY(varve_db_info(db, &info, out_err));
    vv_ingest_options ingest = {
        .db = db,
        .alloc = &load->alloc,
        .series = &load->series,
        .fields = &load->fields,
        .batch_rows_max = VV_LOAD_BATCH_ROWS,
        .batch_bytes = VV_LOAD_BATCH_BYTES,
        .unit = options->format->is_whole ? VV_INGEST_WHOLE_IF_FITS : VV_INGEST_PARTS,
    };
    load->decoding = (vv_decoder_options){
        .precision = info.precision,
        .unit = options->precision,
        .now = vv_time_convert_saturating(vv_wall_now_ns(), VARVE_PRECISION_NS, info.precision),
        .extra = options->extra,
        .extra_count = options->extra_count,
        .extra_wins = options->extra_count, /* as the parameter extra_label of a server */
        .seed = load_seed(),
        .format_options = options->format_options,
    };
    VV_TRY(vv_name_cache_init(&load->series, &load->alloc, LOAD_SERIES_BYTES_MAX, load_seed(),
                              out_err));
    VV_TRY(vv_name_cache_init(&load->fields, &load->alloc, LOAD_FIELDS_BYTES_MAX, load_seed(),
                              out_err));
    VV_TRY(vv_ingest_init(&load->ingest, &ingest, out_err));
    vv_ingest_sink(&load->ingest, &load->sink);
    return vv_decoder_create((vv_format)options->format->format, &load->alloc, &load->decoding,
                             &load->sink, &load->decoder, out_err);
}

varve_status vv_load_create(varve_db *db, const vv_load_options *options, vv_load **out_load,
                            varve_error *out_err)
{
    *out_load = NULL;
    vv_load *load = vv_memory_new(sizeof *load);
    if (load == NULL) {
        return vv_fail_nomem(out_err, "an import", sizeof *load);
    }
    vv_alloc_init(&load->alloc, NULL);
    varve_status status = load_init(load, db, options, out_err);
    if (status != VARVE_OK) {
        vv_load_free(load);
        return status;
    }
    *out_load = load;
    return VARVE_OK;
}

varve_status vv_load_feed(vv_load *load, vv_bytes piece, varve_error *out_err)
{
    return vv_decoder_feed(load->decoder, piece, out_err);
}

varve_status vv_load_stop(vv_load *load, varve_error *out_err)
{
    if (load->ingest.options.unit != VV_INGEST_PARTS) {
        return VARVE_OK; /* all or nothing */
    }
    return vv_ingest_flush(&load->ingest, out_err);
}

varve_status vv_load_end(vv_load *load, varve_error *out_err)
{
    VV_TRY(vv_decoder_end(load->decoder, out_err));
    return vv_ingest_flush(&load->ingest, out_err);
}

vv_load_counts vv_load_counts_of(const vv_load *load)
{
    const vv_ingest *ingest = &load->ingest;
    return (vv_load_counts){
        .lines = ingest->lines_stored,
        .rows = ingest->rows,
        .rejected = ingest->rejected,
        .first_bad_line = ingest->first_line,
        .first_bad = ingest->first_err,
    };
}

void vv_load_free(vv_load *load)
{
    if (load == NULL) {
        return;
    }
    vv_decoder_free(load->decoder);
    if (load->ingest.options.db != NULL) {
        vv_ingest_deinit(&load->ingest);
    }
    vv_name_cache_deinit(&load->fields);
    vv_name_cache_deinit(&load->series);
    vv_memory_free(load, sizeof *load);
}
