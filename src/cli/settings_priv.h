/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SETTINGS_PRIV_H
#define VV_CLI_SETTINGS_PRIV_H

/*
 * The settings of the server on the command line: a flag for each row of server/config.def, and
 * --config for the file.
 */

#include "cli/args.h"
#include "server/config.h"

/* Rows of vv_settings_options. */
#define VV_SETTINGS_OPTIONS_MAX (VV_SETTING_COUNT + 1u)

/* A line of help, with the default. */
#define VV_SETTINGS_HELP_BYTES_MAX 128u

/** What the flags said; fixed once they are parsed. */
typedef struct vv_settings_flags {
    const char *file; /* --config; NULL: not given */
    const char *texts[VV_SETTING_COUNT];
    vv_option_optional optionals[VV_SETTING_COUNT];
    vv_option_list lists[VV_SETTING_COUNT];
    char helps[VV_SETTING_COUNT][VV_SETTINGS_HELP_BYTES_MAX];
} vv_settings_flags;

/** Fill the table of options, whose targets are in flags. */
void vv_settings_options(vv_settings_flags *flags, vv_option options[VV_SETTINGS_OPTIONS_MAX]);

/**
 * Read flags, environment and file into a config that is not yet initialised. Whatever comes of it
 * is to be released with vv_config_deinit.
 */
VV_MUST_CHECK varve_status vv_settings_load(const vv_settings_flags *flags, vv_alloc *alloc,
                                            vv_config *out_config, varve_error *out_err);

/** The same without the file: whether what was typed, and the environment, can be understood. */
VV_MUST_CHECK varve_status vv_settings_check(const vv_settings_flags *flags, vv_alloc *alloc,
                                             varve_error *out_err);

#endif
