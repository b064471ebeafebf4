/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A programme shared out to processes: each takes the next task until there is none. Processes, not
 * threads: one that crashes or hangs takes nothing with it but its task, which then has failed.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/crash.h"

enum { CREW_PROCESSES_MAX = 64 };

/* Shared by all processes. */
typedef struct crew_board {
    atomic_size_t next;
    crash_report reports[];
} crew_board;

static void crash_crew_work(crash_task *tasks, size_t count, crew_board *board, atomic_size_t *mine)
{
    size_t task;
    while ((task = atomic_fetch_add(&board->next, 1)) < count) {
        atomic_store(mine, task);
        if (tasks[task].fails_syncs) {
            crash_run_failed_syncs(tasks[task].workload, &tasks[task].limits,
                                   &board->reports[task]);
        } else {
            crash_run(tasks[task].workload, &tasks[task].limits, &board->reports[task]);
        }
        atomic_store(mine, SIZE_MAX);
    }
}

static void *crash_crew_share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        abort();
    }
    memset(memory, 0, size);
    return memory;
}

static void crash_crew_died(const crash_task *task, crash_report *report, int status)
{
    if (report->failures++ == 0) {
        snprintf(report->first_failure, sizeof report->first_failure,
                 "workload %s, seed %llu, part %u: the process ended with status %#x behind "
                 "%llu states",
                 task->workload->name, (unsigned long long)task->workload->seed, task->limits.part,
                 (unsigned)status, (unsigned long long)report->states);
    }
}

void crash_crew_run(crash_task *tasks, size_t count, unsigned processes)
{
    size_t board_size = sizeof(crew_board) + count * sizeof(crash_report);
    crew_board *board = crash_crew_share(board_size);
    atomic_size_t *at = crash_crew_share(CREW_PROCESSES_MAX * sizeof *at);
    pid_t workers[CREW_PROCESSES_MAX];
    processes = processes < 1 ? 1 : processes;
    processes = processes > CREW_PROCESSES_MAX ? CREW_PROCESSES_MAX : processes;
    for (unsigned i = 0; i < processes; i++) {
        atomic_init(&at[i], SIZE_MAX);
        (void)fflush(NULL);
        workers[i] = fork();
        if (workers[i] == 0) {
            crash_crew_work(tasks, count, board, &at[i]);
            _exit(0);
        }
        if (workers[i] < 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < processes; i++) {
        int status = 0;
        size_t task = SIZE_MAX;
        if (waitpid(workers[i], &status, 0) != workers[i] || status != 0) {
            task = atomic_load(&at[i]);
            crash_crew_died(&tasks[task < count ? task : 0],
                            &board->reports[task < count ? task : 0], status);
        }
    }
    for (size_t i = 0; i < count; i++) {
        tasks[i].report = board->reports[i];
    }
    if (atomic_load(&board->next) < count) { /* all of them died */
        tasks[0].report.failures++;
    }
    munmap(board, board_size);
    munmap(at, CREW_PROCESSES_MAX * sizeof *at);
}

crash_report crash_crew_sum(const crash_task *tasks, size_t count)
{
    crash_report sum;
    memset(&sum, 0, sizeof sum);
    for (size_t i = 0; i < count; i++) {
        const crash_report *one = &tasks[i].report;
        if (sum.failures == 0 && one->failures > 0) {
            memcpy(sum.first_failure, one->first_failure, sizeof sum.first_failure);
        }
        sum.points += one->points;
        sum.states += one->states;
        sum.recoveries += one->recoveries;
        sum.images += one->images;
        sum.failures += one->failures;
    }
    return sum;
}
