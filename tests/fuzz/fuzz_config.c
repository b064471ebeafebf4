/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the file of --config. What is taken prints as a file that is taken and says the
 * same; what is not names a place.
 */
#include <string.h>

#include "base/assert.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_read_back(const vv_config *config, vv_alloc *alloc)
{
    vv_buf yaml;
    vv_config again;
    vv_buf_init(&yaml, alloc, SIZE_MAX);
    vv_config_print_yaml(config, true, &yaml);
    VV_ASSERT(vv_buf_check(&yaml, NULL) == VARVE_OK);
    VV_ASSERT(vv_config_init(&again, alloc, NULL) == VARVE_OK);
    VV_ASSERT(vv_config_parse_file(&again, VV_TEXT("again"), vv_buf_text(&yaml), NULL) == VARVE_OK);
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        VV_ASSERT(vv_text_equal(config->values[id].text, again.values[id].text));
        VV_ASSERT(config->values[id].number == again.values[id].number);
    }
    vv_config_deinit(&again);
    vv_buf_deinit(&yaml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_config config;
    varve_error err = {.message = ""};
    varve_text text = vv_text_make((const char *)data, size);
    vv_alloc_init(&alloc, NULL);
    VV_ASSERT(vv_config_init(&config, &alloc, NULL) == VARVE_OK);
    varve_status status = vv_config_parse_file(&config, VV_TEXT("f"), text, &err);
    if (status == VARVE_OK) {
        check_read_back(&config, &alloc);
    } else {
        VV_ASSERT(status == VARVE_E_INVALID && strncmp(err.message, "f:", 2) == 0);
        VV_ASSERT(vv_utf8_is_valid(vv_text_from_string(err.message)));
    }
    /* The same bytes as a value of every setting. */
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        vv_given given = {.origin = VV_ORIGIN_FLAG, .texts = &text, .count = 1};
        status = vv_config_set(&config, (vv_setting_id)id, &given, &err);
        VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID);
    }
    check_read_back(&config, &alloc);
    vv_config_deinit(&config);
    VV_ASSERT(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
