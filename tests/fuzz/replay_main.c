/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzz engine.
 *
 * A fuzz target is a file tests/fuzz/fuzz_<name>.c with LLVMFuzzerTestOneInput. In the build preset
 * `fuzz` libFuzzer brings main(); in all others it is this one, so that the saved corpus of
 * tests/fuzz/corpus/<name>/ is replayed on every build by ctest. Each saved input is run as it is,
 * and then in a few mutated forms that depend on nothing but the seed printed at the start.
 *
 *   F1  The input is a heap block of exactly its size, so that address sanitizer sees a read past
 *       its end.
 *   F2  The order of the files does not matter: every file has its own generator, seeded by its
 * name.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Arbitrary: enough to turn each of the first bytes once or twice, quick for a hundred files. */
#define MUTANTS_PER_FILE 48
/* Saved inputs are meant to be small; a larger one would make every build slower. */
#define INPUT_BYTES_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static uint64_t replay_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void replay_bytes(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* F1 */
    if (copy == NULL) {
        fprintf(stderr, "replay: out of memory\n");
        exit(1);
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay_mutants(const uint8_t *data, size_t size, uint64_t seed)
{
    uint8_t *mutant = malloc(size > 0 ? size : 1);
    if (mutant == NULL || size == 0) {
        free(mutant);
        return;
    }
    for (int round = 0; round < MUTANTS_PER_FILE; ++round) {
        memcpy(mutant, data, size);
        size_t changes = 1 + (size_t)(replay_random(&seed) % 4);
        for (size_t change = 0; change < changes; ++change) {
            size_t position = (size_t)(replay_random(&seed) % size);
            uint64_t bits = replay_random(&seed);
            mutant[position] =
                (uint8_t)((bits & 1) ? bits >> 8 : mutant[position] ^ (1u << (bits >> 61)));
        }
        /* Every third one is cut short besides: a torn input. */
        size_t kept = round % 3 == 0 ? (size_t)(replay_random(&seed) % size) : size;
        replay_bytes(mutant, kept);
    }
    free(mutant);
}

static uint64_t replay_seed_of(const char *name)
{
    uint64_t seed = 1469598103934665603u; /* FNV-1a */
    for (; *name != '\0'; ++name) {
        seed = (seed ^ (uint8_t)*name) * 1099511628211u;
    }
    return seed;
}

/* Returns false when the file cannot be read whole. */
static bool replay_file(const char *directory, const char *name)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "rb") : NULL;
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    size_t size = file != NULL && data != NULL ? fread(data, 1, INPUT_BYTES_MAX, file) : 0;
    bool is_whole = file != NULL && data != NULL && fgetc(file) == EOF && !ferror(file);
    if (is_whole) {
        /* Unbuffered, and before the run: a crash leaves the name of its input behind. */
        fprintf(stderr, "replay: %s, %zu bytes\n", name, size);
        replay_bytes(data, size);
        replay_mutants(data, size, replay_seed_of(name)); /* F2 */
    } else {
        fprintf(stderr, "replay: cannot read %s, or it exceeds %d bytes\n", path, INPUT_BYTES_MAX);
    }
    free(data);
    if (file != NULL) {
        fclose(file);
    }
    return is_whole;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    if (LLVMFuzzerInitialize != NULL) {
        (void)LLVMFuzzerInitialize(&argc, &argv);
    }
    replay_bytes((const uint8_t *)"", 0);
    DIR *directory = opendir(argv[1]);
    if (directory == NULL) {
        fprintf(stderr, "replay: no corpus %s\n", argv[1]);
        return 1;
    }
    int count = 0;
    bool are_all_whole = true;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] != '.') {
            are_all_whole = replay_file(argv[1], entry->d_name) && are_all_whole;
            ++count;
        }
    }
    closedir(directory);
    printf("replay: %d files\n", count);
    return are_all_whole && count > 0 ? 0 : 1;
}
