/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The file of --config: YAML, one mapping from names of settings to values, nothing deeper than a
 * list of texts.
 *
 *     listen: 127.0.0.1:9428     # a comment
 *     query-timeout: 1m
 *     insecure-no-auth: false
 *
 * libyaml takes the bytes apart and keeps the memory of that itself; this file looks at its events
 * and goes no further than the first that does not belong here. Scalars are texts, however they are
 * quoted, and mean what the kind of their setting makes of them: there is no guessing of types.
 *
 * F1  An error names file, line and column, both counted from 1.
 * F2  A name that is unknown or stands there twice, a value of another shape than its setting has,
 *     an anchor, an alias, a tag and a second document are errors; nothing is left out in silence.
 */

#include <string.h>
#include <yaml.h>

#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "server/config.h"
#include "sys/process.h"

/* Of a name that an error shows. */
#define CONFIG_FILE_NAME_BYTES_MAX 64u

/** A scalar, borrowed from its event, and where it begins. */
typedef struct config_file_place {
    uint32_t line;
    uint32_t column;
} config_file_place;

typedef struct config_file {
    vv_config *config;
    yaml_parser_t parser;
    vv_arena arena; /* of the setting at hand */
    bool is_seen[VV_SETTING_COUNT];
    varve_error *err;
} config_file;

static config_file_place config_file_at(yaml_mark_t mark)
{
    /* At most VV_CONFIG_FILE_BYTES_MAX of either. */
    return (config_file_place){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static varve_status config_file_fail(config_file *file, yaml_mark_t mark, const char *what,
                                     varve_text name)
{
    char shown[CONFIG_FILE_NAME_BYTES_MAX];
    varve_text cut = vv_utf8_cut(name, sizeof shown);
    for (size_t index = 0; index < cut.size; index++) {
        unsigned char c = (unsigned char)cut.data[index];
        shown[index] = c < 0x20 || c == 0x7F ? '?' : cut.data[index];
    }
    varve_text path = vv_utf8_cut(file->config->file, CONFIG_FILE_NAME_BYTES_MAX);
    config_file_place at = config_file_at(mark);
    return vv_fail(file->err, VARVE_E_INVALID, "%.*s:%u:%u: %.*s%s", VV_TEXT_ARGS(path), at.line,
                   at.column, (int)cut.size, shown, what);
}

/** What libyaml says of bytes that are no YAML. */
static varve_status config_file_fail_yaml(config_file *file)
{
    const yaml_parser_t *parser = &file->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        return vv_fail_nomem(file->err, "the configuration", 0);
    }
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR) {
        mark = parser->mark; /* it knows the offset alone; this is as far as it had come */
    }
    const char *problem = parser->problem == NULL ? "this is no YAML" : parser->problem;
    return config_file_fail(file, mark, problem, VV_TEXT(""));
}

/** The next event, to be released by the caller; anchors, aliases and tags end here. */
static varve_status config_file_next(config_file *file, yaml_event_t *event)
{
    if (yaml_parser_parse(&file->parser, event) == 0) {
        return config_file_fail_yaml(file);
    }
    bool has_anchor = event->type == YAML_ALIAS_EVENT ||
                      (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor != NULL);
    bool has_tag = event->type == YAML_SCALAR_EVENT && event->data.scalar.tag != NULL;
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        has_anchor = event->data.sequence_start.anchor != NULL;
        has_tag = event->data.sequence_start.tag != NULL;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        has_anchor = event->data.mapping_start.anchor != NULL;
        has_tag = event->data.mapping_start.tag != NULL;
    }
    if (!has_anchor && !has_tag) {
        return VARVE_OK;
    }
    varve_status status = config_file_fail(
        file, event->start_mark,
        has_anchor ? "anchors and aliases are not taken" : "tags are not taken", VV_TEXT(""));
    yaml_event_delete(event);
    return status;
}

/** A value into the arena. */
static varve_status config_file_text(config_file *file, const yaml_event_t *event,
                                     varve_text *out_text)
{
    varve_text text =
        vv_text_make((const char *)event->data.scalar.value, event->data.scalar.length);
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (is_plain && (text.size == 0 || vv_text_equal(text, VV_TEXT("~")) ||
                     vv_text_equal(text, VV_TEXT("null")))) {
        return config_file_fail(file, event->start_mark, "a value is missing here", VV_TEXT(""));
    }
    return vv_arena_copy(&file->arena, text, out_text) == VARVE_OK
               ? VARVE_OK
               : vv_arena_fail(&file->arena, text.size, file->err);
}

/** The rest of a sequence; its start has been taken. */
static varve_status config_file_items(config_file *file, varve_text *items, size_t *out_count)
{
    for (;;) {
        yaml_event_t event;
        VV_TRY(config_file_next(file, &event));
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        varve_status status = VARVE_OK;
        if (!is_end && event.type != YAML_SCALAR_EVENT) {
            status = config_file_fail(file, event.start_mark, "a list holds plain values only",
                                      VV_TEXT(""));
        } else if (!is_end && *out_count == VV_CONFIG_ITEMS_MAX) {
            status = config_file_fail(file, event.start_mark, "the list is too long", VV_TEXT(""));
        } else if (!is_end) {
            status = config_file_text(file, &event, &items[*out_count]);
            *out_count += status == VARVE_OK;
        }
        yaml_event_delete(&event);
        if (is_end || status != VARVE_OK) {
            return status;
        }
    }
}

/** The value of a setting whose name has been taken. */
static varve_status config_file_value(config_file *file, vv_setting_id id)
{
    yaml_event_t event;
    VV_TRY(config_file_next(file, &event));
    config_file_place at = config_file_at(event.start_mark);
    varve_text items[VV_CONFIG_ITEMS_MAX];
    vv_given given = {
        .origin = VV_ORIGIN_FILE, .line = at.line, .column = at.column, .texts = items};
    varve_status status;
    if (event.type == YAML_SCALAR_EVENT) {
        status = config_file_text(file, &event, &items[0]);
        given.count = 1;
    } else if (event.type == YAML_SEQUENCE_START_EVENT && vv_settings[id].kind == VV_KIND_LIST) {
        status = config_file_items(file, items, &given.count);
    } else {
        status = config_file_fail(file, event.start_mark,
                                  event.type == YAML_SEQUENCE_START_EVENT
                                      ? " takes one value, not a list"
                                      : " takes a value, not a mapping",
                                  vv_text_from_string(vv_settings[id].name));
    }
    yaml_event_delete(&event);
    if (status == VARVE_OK) {
        status = vv_config_set(file->config, id, &given, file->err);
    }
    return status;
}

/** A name has come: what it means. */
static varve_status config_file_setting(config_file *file, const yaml_event_t *event,
                                        vv_setting_id *out_id)
{
    varve_text name =
        vv_text_make((const char *)event->data.scalar.value, event->data.scalar.length);
    *out_id = vv_setting_find(name);
    if (*out_id == VV_SETTING_COUNT) {
        return config_file_fail(file, event->start_mark, " is no setting", name);
    }
    if (file->is_seen[*out_id]) {
        return config_file_fail(file, event->start_mark, " is set twice", name);
    }
    file->is_seen[*out_id] = true;
    return VARVE_OK;
}

/** All of the mapping; its start has been taken. */
static varve_status config_file_mapping(config_file *file)
{
    for (;;) {
        yaml_event_t event;
        VV_TRY(config_file_next(file, &event));
        vv_setting_id id = VV_SETTING_COUNT;
        bool is_end = event.type == YAML_MAPPING_END_EVENT;
        varve_status status = VARVE_OK;
        if (!is_end && event.type != YAML_SCALAR_EVENT) {
            status = config_file_fail(file, event.start_mark, "the name of a setting is a text",
                                      VV_TEXT(""));
        } else if (!is_end) {
            status = config_file_setting(file, &event, &id);
        }
        yaml_event_delete(&event);
        if (is_end || status != VARVE_OK) {
            return status;
        }
        VV_TRY(config_file_value(file, id));
        vv_arena_reset(&file->arena);
    }
}

/** From the start of the stream to its end. */
static varve_status config_file_stream(config_file *file)
{
    bool has_document = false;
    for (;;) {
        yaml_event_t event;
        VV_TRY(config_file_next(file, &event));
        yaml_event_type_t type = event.type;
        yaml_mark_t mark = event.start_mark;
        bool is_nothing = type == YAML_SCALAR_EVENT && event.data.scalar.length == 0;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT) {
            return VARVE_OK;
        }
        if (type == YAML_DOCUMENT_START_EVENT && has_document) {
            return config_file_fail(file, mark, "a second document is not taken", VV_TEXT(""));
        }
        has_document = has_document || type == YAML_DOCUMENT_START_EVENT;
        if (type == YAML_MAPPING_START_EVENT) {
            VV_TRY(config_file_mapping(file));
        } else if ((type == YAML_SCALAR_EVENT && !is_nothing) ||
                   type == YAML_SEQUENCE_START_EVENT) {
            return config_file_fail(file, mark, "this is no list of \"name: value\"", VV_TEXT(""));
        }
    }
}

varve_status vv_config_parse_file(vv_config *config, varve_text name, varve_text text,
                                  varve_error *out_err)
{
    if (vv_arena_copy(&config->arena, vv_text_make(name.data, vv_utf8_valid_prefix(name)),
                      &config->file) != VARVE_OK) {
        return vv_arena_fail(&config->arena, name.size, out_err);
    }
    if (text.size > VV_CONFIG_FILE_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "%s: larger than %u bytes", config->file.data,
                       VV_CONFIG_FILE_BYTES_MAX);
    }
    config_file file = {.config = config, .err = out_err};
    if (yaml_parser_initialize(&file.parser) == 0) {
        return vv_fail_nomem(out_err, "the configuration", sizeof file.parser);
    }
    vv_arena_init(&file.arena, config->arena.alloc, 2u * VV_CONFIG_FILE_BYTES_MAX);
    static const unsigned char nothing[1] = {0};
    yaml_parser_set_input_string(
        &file.parser, text.size == 0 ? nothing : (const unsigned char *)text.data, text.size);
    yaml_parser_set_encoding(&file.parser, YAML_UTF8_ENCODING);
    varve_status status = config_file_stream(&file);
    vv_arena_deinit(&file.arena);
    yaml_parser_delete(&file.parser);
    return status;
}

varve_status vv_config_read_file(vv_config *config, const char *path, varve_error *out_err)
{
    vv_buf buf;
    vv_buf_init(&buf, config->arena.alloc, VV_CONFIG_FILE_BYTES_MAX + 1);
    uint8_t *bytes = vv_buf_extend(&buf, VV_CONFIG_FILE_BYTES_MAX);
    varve_status status = VARVE_OK;
    size_t size = 0;
    if (bytes == NULL) {
        status = vv_buf_check(&buf, out_err);
    } else {
        status = vv_system_file_read(path, bytes, VV_CONFIG_FILE_BYTES_MAX, &size, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_config_parse_file(config, vv_text_from_string(path),
                                      vv_text_make((const char *)bytes, size), out_err);
    }
    vv_buf_deinit(&buf);
    return status;
}
