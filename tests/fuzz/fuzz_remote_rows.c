/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes in place of a server's answer; the first byte chooses the form and the format. */
#include "base/assert.h"
#include "base/status.h"
#include "cli/remote_rows.h"
#include "cli/row_count.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const vv_rows_format formats[] = {VV_ROWS_TABLE, VV_ROWS_CSV, VV_ROWS_TSV,
                                             VV_ROWS_JSON_LINES, VV_ROWS_LINE_PROTOCOL};
    char selector[] = "m";
    const char *const selectors[] = {selector};
    vv_ask_words words = {.selectors = selectors, .selector_count = 1};
    if (size == 0) {
        return 0;
    }
    vv_remote_rows rows = {.url = "",
                           .words = &words,
                           .format = formats[(data[0] >> 1) % VV_ARRAY_COUNT(formats)],
                           .path = "/dev/null"};
    vv_remote_printer *printer;
    varve_error err;
    if (vv_remote_printer_create(&rows, VARVE_PRECISION_NS, &printer, &err) != VARVE_OK) {
        return 0;
    }
    vv_bytes bytes = vv_bytes_make(data + 1, size - 1);
    varve_status status = (data[0] & 1) != 0
                              ? vv_remote_printer_feed(printer, bytes, &err)
                              : vv_remote_printer_document(printer, vv_text_of_bytes(bytes), &err);
    vv_remote_printer_watch(printer, bytes);
    VV_IGNORE(vv_remote_printer_end(printer, status, &err)); /* any answer is fine */
    for (int form = VV_ROW_FORM_JSON_LINES; form <= VV_ROW_FORM_NATIVE; form++) {
        vv_row_count count;
        if (vv_row_count_init(&count, (vv_row_form)form, &err) == VARVE_OK) {
            VV_ASSERT(vv_row_count_feed(&count, bytes) <= bytes.size);
        }
        vv_row_count_deinit(&count);
    }
    return 0;
}
