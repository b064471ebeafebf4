/* SPDX-License-Identifier: Apache-2.0 */
/* The program: commands and their options. */
#include <stdlib.h>
#include <string.h>

#include "codec/isa.h"
#include "hosts.h"
#include "versus.h"

static const bench_workload suite_workloads[] = {
    {"limits", "what the machine can do: copies, reads, syncs, system calls", bench_run_limits},
    {"I1", "scrapes of 20000 series through handles, until all is in a segment",
     bench_run_append_handle},
    {"I2", "bulk appends of one series in calls of 1024 to 65536 rows", bench_run_append_bulk},
    {"I6", "durable single rows by 1, 8 and 64 writers, beside plain append+fdatasync",
     bench_run_durable},
    {"I7",
     "rows out of order and twice, then merging: bytes written against rows and against files",
     bench_run_late},
    {"S2", "opening after a kill: rows of the log back in segments", bench_run_reopen},
    {"Q1", "sum, min+max+count, count where > x; statistics disabled", bench_run_scan},
    {"C1", "decoding of value columns, by ISA level", bench_run_codec_decode},
    {"C2", "encoding of value columns", bench_run_codec_encode},
    {"C3", "exact bits per value, beside plain ALP, zstd and the entropy of differences",
     bench_run_codec_size},
    {"C4", "encoding and decoding of times", bench_run_codec_times},
    {"M1", "memory of active and of idle single-valued series", bench_run_footprint},
};

enum { SUITE_WORKLOADS = sizeof suite_workloads / sizeof *suite_workloads, SUITE_NAMES_MAX = 64 };

static const char suite_help[] =
    "usage: varve-bench list\n"
    "       varve-bench limits\n"
    "       varve-bench run [WORKLOAD...] [OPTION...]\n"
    "       varve-bench check --baseline FILE\n"
    "       varve-bench gen SET --out DIR [--format bin|lp|om|csv] [--param NAME=N]\n"
    "       varve-bench compare [WORKLOAD...] [--peer NAME...] [OPTION...]\n"
    "       varve-bench report FILE...\n"
    "\n"
    "  --preset smoke|std  amount of data: smoke (default) takes seconds, std minutes\n"
    "  --reps N            repetitions of each measurement\n"
    "  --threads N         only this number of threads or writers\n"
    "  --set NAME          only this data set (I2, S2, C1 to C3): gauge-int, gauge-walk, ...\n"
    "  --isa LEVEL         kernels of the codec: scalar, sse42, avx2, avx512 (C1: each of them)\n"
    "  --data DIR          real columns for C1 to C3, *.csv with a number a line;\n"
    "                      VARVE_DATA by default\n"
    "  --json FILE         append results as JSON lines\n"
    "  --dir DIR           where temporary databases are made (default: TMPDIR or /tmp)\n"
    "  --peer NAME         only this engine: promtool, prometheus, victoria-metrics,\n"
    "                      tstorage, tsink\n"
    "\n"
    "compare finds an engine by VARVE_PEER_NAME, in peers/bin beside varve-bench (make\n"
    "bench-peers builds them), or in PATH; one that is not there is skipped. report turns the\n"
    "lines of --json into Markdown. NAME of --param is hosts or steps.\n"
    "\n"
    "example: varve-bench run I1 Q1 --preset std --reps 5\n";

VV_NORETURN static void suite_usage(const char *message, const char *what)
{
    fprintf(stderr, "varve-bench: %s%s\n%s", message, what, suite_help);
    exit(64);
}

typedef struct suite_arguments {
    bench_options options;
    const char *baseline;
    const char *names[SUITE_NAMES_MAX];
    size_t name_count;
    const char *peers[BENCH_PEERS_MAX];
    size_t peer_count;
    const char *out, *format; /* of gen */
    size_t hosts, steps;      /* 0: as the preset has it */
} suite_arguments;

static size_t suite_number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value == 0 || value > 1000) {
        suite_usage("not a number from 1 to 1000: ", text);
    }
    return (size_t)value;
}

static bench_set suite_set(const char *name)
{
    for (bench_set set = 0; set < BENCH_SET_COUNT; set++) {
        if (strcmp(bench_set_name(set), name) == 0) {
            return set;
        }
    }
    suite_usage("no such data set: ", name);
}

static int suite_isa(const char *name)
{
    for (int isa = 0; isa < VV_CODEC_ISA_COUNT; isa++) {
        if (strcmp(vv_codec_isa_name((vv_codec_isa)isa), name) == 0) {
            if ((int)vv_codec_set_isa((vv_codec_isa)isa) != isa) {
                suite_usage("the processor does not have ", name);
            }
            return isa;
        }
    }
    suite_usage("no such ISA level: ", name);
}

/** hosts=N or steps=N. */
static void suite_param(suite_arguments *arguments, const char *text)
{
    char *end;
    const char *equals = strchr(text, '=');
    unsigned long value = equals == NULL ? 0 : strtoul(equals + 1, &end, 10);
    if (value == 0 || *end != '\0' || value > 100000000) {
        suite_usage("neither hosts=N nor steps=N, N from 1 to 100000000: ", text);
    }
    if (strncmp(text, "hosts=", 6) == 0) {
        arguments->hosts = value;
    } else if (strncmp(text, "steps=", 6) == 0) {
        arguments->steps = value;
    } else {
        suite_usage("neither hosts=N nor steps=N: ", text);
    }
}

static void suite_peer(suite_arguments *arguments, const char *name)
{
    if (!bench_peer_is_known(name) || arguments->peer_count == BENCH_PEERS_MAX) {
        suite_usage("no such peer, or too many: ", name);
    }
    arguments->peers[arguments->peer_count] = name;
    arguments->peer_count++;
}

static void suite_option(suite_arguments *arguments, const char *name, const char *value)
{
    bench_options *options = &arguments->options;
    if (strcmp(name, "--preset") == 0) {
        bool is_std = strcmp(value, "std") == 0;
        if (!is_std && strcmp(value, "smoke") != 0) {
            suite_usage("no such preset: ", value);
        }
        options->preset = is_std ? BENCH_STD : BENCH_SMOKE;
    } else if (strcmp(name, "--reps") == 0) {
        options->reps = suite_number(value);
    } else if (strcmp(name, "--threads") == 0) {
        options->threads = suite_number(value);
    } else if (strcmp(name, "--set") == 0) {
        options->set = suite_set(value);
    } else if (strcmp(name, "--json") == 0) {
        options->json = fopen(value, "ae");
        if (options->json == NULL) {
            bench_die("%s cannot be opened", value);
        }
    } else if (strcmp(name, "--dir") == 0) {
        options->base = value;
    } else if (strcmp(name, "--data") == 0) {
        options->data = value;
    } else if (strcmp(name, "--isa") == 0) {
        options->isa = suite_isa(value);
    } else if (strcmp(name, "--baseline") == 0) {
        arguments->baseline = value;
    } else if (strcmp(name, "--peer") == 0) {
        suite_peer(arguments, value);
    } else if (strcmp(name, "--out") == 0) {
        arguments->out = value;
    } else if (strcmp(name, "--format") == 0) {
        arguments->format = value;
    } else if (strcmp(name, "--param") == 0) {
        suite_param(arguments, value);
    } else {
        suite_usage("no such option: ", name);
    }
}

static suite_arguments suite_parse(int argc, char **argv)
{
    const char *base = getenv("TMPDIR");
    suite_arguments arguments = {
        .options = {.set = BENCH_SET_COUNT,
                    .base = base == NULL ? "/tmp" : base,
                    .data = getenv("VARVE_DATA"),
                    .isa = BENCH_ISA_ANY},
    };
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (arguments.name_count == SUITE_NAMES_MAX) {
                suite_usage("too many arguments: ", argv[i]);
            }
            arguments.names[arguments.name_count] = argv[i];
            arguments.name_count++;
        } else if (i + 1 == argc) {
            suite_usage("a value is missing after ", argv[i]);
        } else {
            suite_option(&arguments, argv[i], argv[i + 1]);
            i++;
        }
    }
    return arguments;
}

static const bench_workload *suite_find(const char *id)
{
    for (size_t i = 0; i < SUITE_WORKLOADS; i++) {
        if (strcmp(suite_workloads[i].id, id) == 0) {
            return &suite_workloads[i];
        }
    }
    suite_usage("no such workload: ", id);
}

static void suite_run(const suite_arguments *arguments)
{
    for (size_t i = 0; i < arguments->name_count; i++) {
        suite_find(arguments->names[i]); /* all known before the first one runs */
    }
    for (size_t i = 0; i < arguments->name_count; i++) {
        suite_find(arguments->names[i])->run(&arguments->options);
    }
    for (size_t i = 0; i < SUITE_WORKLOADS && arguments->name_count == 0; i++) {
        suite_workloads[i].run(&arguments->options);
    }
}

static void suite_generate(const suite_arguments *arguments)
{
    const char *format = arguments->format == NULL ? "bin" : arguments->format;
    if (arguments->name_count != 1 || arguments->out == NULL) {
        suite_usage("gen takes one SET and --out DIR", "");
    }
    bench_rows rows = bench_rows_of(suite_set(arguments->names[0]), arguments->options.preset);
    if (!bench_format_takes(format, rows.set)) {
        suite_usage("no such format, or not for this set: ", format);
    }
    if (arguments->hosts != 0 && !bench_rows_has_tags(&rows)) {
        suite_usage("only tsbs-cpu has hosts, not ", arguments->names[0]);
    }
    rows.hosts = arguments->hosts != 0 ? arguments->hosts : rows.hosts;
    rows.steps = arguments->steps != 0 ? arguments->steps : rows.steps;
    printf("%s\n", bench_rows_write(&rows, arguments->out, format));
}

static int suite_command(const char *command, const suite_arguments *arguments)
{
    if (strcmp(command, "list") == 0) {
        for (size_t i = 0; i < SUITE_WORKLOADS; i++) {
            printf("%-8s %s\n", suite_workloads[i].id, suite_workloads[i].help);
        }
        printf("\nvarve-bench compare:\n");
        bench_compare_list();
        return 0;
    }
    if (strcmp(command, "limits") == 0) {
        bench_run_limits(&arguments->options);
        return 0;
    }
    if (strcmp(command, "run") == 0) {
        suite_run(arguments);
        return 0;
    }
    if (strcmp(command, "check") == 0 && arguments->baseline != NULL) {
        return bench_check(&arguments->options, arguments->baseline);
    }
    if (strcmp(command, "gen") == 0) {
        suite_generate(arguments);
        return 0;
    }
    if (strcmp(command, "compare") == 0) {
        bench_compare(&arguments->options, arguments->names, arguments->name_count,
                      arguments->peers, arguments->peer_count);
        return 0;
    }
    if (strcmp(command, "report") == 0 && arguments->name_count > 0) {
        return bench_summary(arguments->names, arguments->name_count);
    }
    suite_usage("no such command, or --baseline is missing: ", command);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        suite_usage("a command is missing", "");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(suite_help, stdout);
        return 0;
    }
    suite_arguments arguments = suite_parse(argc, argv);
    int status = suite_command(argv[1], &arguments);
    if (arguments.options.json != NULL) {
        fclose(arguments.options.json);
    }
    return status;
}
