/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one file that knows libedit. Keys reach it through shell_edit_key(), so that a signal ends
 * the wait for one:
 *
 *     Ctrl-C at the prompt   SIGINT -> read() is interrupted -> the key of "varve-drop"
 *     Ctrl-C in a command    SIGINT -> the command's task stops it; no key is read
 *     SIGTERM                read() is interrupted -> the end of the input
 *
 * The history is a file of libedit's own format, 0600, of at most SHELL_EDIT_LINES_MAX lines:
 * $XDG_STATE_HOME/varve/history, else ~/.local/state/varve/history. It is a comfort: when it cannot
 * be read or written the shell goes on without a word. Lines that begin with a blank are not kept.
 */

#include "cli/shell_edit.h"

#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/memory.h"
#include "cli/shell_complete.h"
#include "cli/shell_names.h"
#include "cli/text_width.h"
#include "sys/signals.h"
#include "sys/terminal.h"

/* Lines of history (arbitrary: weeks of work). */
#define SHELL_EDIT_LINES_MAX 1000
/* Completions that are shown; more are counted. */
#define SHELL_EDIT_SHOWN_MAX 100u
/* What stands for SIGINT among the keys. */
#define SHELL_EDIT_DROP_KEY        L'\003'
#define SHELL_EDIT_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct vv_shell_edit {
    vv_shell *shell;
    EditLine *editor;
    History *history;
    char path[VV_PATH_BYTES_MAX]; /* of the history; empty: it is not kept */
    bool is_dropped;              /* the line that ends now */
    vv_alloc alloc;
    vv_arena arena; /* of a completion */
};

static vv_shell_edit *shell_edit_of(EditLine *editor)
{
    void *edit = NULL;
    VV_IGNORE(el_get(editor, EL_CLIENTDATA, &edit)); /* set when it was created */
    return edit;
}

static char *shell_edit_prompt(EditLine *editor)
{
    static char prompt[] = "varve> ";
    (void)editor;
    return prompt;
}

/* ---- keys ----------------------------------------------------------------------------------- */

/** An el_rfunc_t: the next character; 1, 0 at the end. Bytes that are no UTF-8 are skipped. */
static int shell_edit_key(EditLine *editor, wchar_t *out_key)
{
    mbstate_t state;
    (void)editor;
    memset(&state, 0, sizeof state);
    for (;;) {
        int byte = vv_terminal_read_key(0);
        if (byte == VV_TERMINAL_INTERRUPTED && vv_signals_is_end_asked()) {
            return 0;
        }
        if (byte == VV_TERMINAL_INTERRUPTED && vv_signals_is_stop_asked()) {
            vv_signals_forget_interrupt(); /* it is a key now */
            *out_key = SHELL_EDIT_DROP_KEY;
            return 1;
        }
        if (byte == VV_TERMINAL_INTERRUPTED) {
            continue; /* another signal, such as one that the window has changed */
        }
        if (byte == VV_TERMINAL_END) {
            return 0;
        }
        char c = (char)byte;
        size_t size = mbrtowc(out_key, &c, 1, &state);
        if (size == 0 || size == 1) {
            return 1;
        }
        if (size == (size_t)-1) {
            memset(&state, 0, sizeof state);
        }
    }
}

/** Ctrl-C: leave the line as it stands on the screen, and begin another. */
static unsigned char shell_edit_drop(EditLine *editor, int key)
{
    (void)key;
    shell_edit_of(editor)->is_dropped = true;
    printf("^C\n");
    fflush(stdout);
    return CC_NEWLINE;
}

/* ---- completion ----------------------------------------------------------------------------- */

static size_t shell_edit_width(const vv_completions *found, size_t shown)
{
    size_t widest = 1;
    for (size_t i = 0; i < shown; i++) {
        size_t width = vv_text_width(found->texts[i]);
        widest = width > widest ? width : widest;
    }
    return widest;
}

/** In columns below the line, sorted along the lines. */
static void shell_edit_show(const vv_completions *found)
{
    uint32_t columns = 80;
    uint32_t lines;
    VV_IGNORE(vv_terminal_size(1, &columns, &lines)); /* else what terminals once had */
    size_t shown = found->count < SHELL_EDIT_SHOWN_MAX ? found->count : SHELL_EDIT_SHOWN_MAX;
    size_t width = shell_edit_width(found, shown) + 2;
    size_t per_line = columns / width == 0 ? 1 : columns / width;
    printf("\n");
    for (size_t i = 0; i < shown; i++) {
        bool is_last = i % per_line == per_line - 1 || i + 1 == shown;
        size_t gap = is_last ? 0 : width - vv_text_width(found->texts[i]);
        printf("%.*s%*s%s", VV_TEXT_ARGS(found->texts[i]), (int)gap, "", is_last ? "\n" : "");
    }
    if (shown < found->count) {
        printf("and %zu more\n", found->count - shown);
    }
    fflush(stdout);
}

/** Insert what all have in common beyond what is typed; false when that is nothing. */
static bool shell_edit_extend(vv_shell_edit *edit, const vv_completions *found, size_t typed)
{
    varve_text common = vv_completions_common(found);
    varve_text rest = vv_text_sub(common, typed, common.size);
    varve_text ending = found->count == 1 ? found->ending : VV_TEXT("");
    char *text = vv_arena_new(&edit->arena, rest.size + ending.size + 1);
    if (text == NULL || rest.size + ending.size == 0) {
        return false;
    }
    memcpy(text, rest.data, rest.size);
    memcpy(text + rest.size, ending.data, ending.size);
    text[rest.size + ending.size] = '\0';
    return el_insertstr(edit->editor, text) == 0;
}

static unsigned char shell_edit_complete(EditLine *editor, int key)
{
    vv_shell_edit *edit = shell_edit_of(editor);
    const LineInfo *info = el_line(editor);
    varve_text line = vv_text_make(info->buffer, (size_t)(info->cursor - info->buffer));
    vv_shell_names names = {.list = vv_shell_names_list, .context = edit->shell};
    vv_completions found;
    varve_error ignored;
    (void)key;
    vv_arena_reset(&edit->arena);
    if (vv_shell_complete(line, &names, &edit->arena, &found, &ignored) != VARVE_OK ||
        found.count == 0) {
        return CC_REFRESH_BEEP;
    }
    if (shell_edit_extend(edit, &found, line.size - found.begin)) {
        return CC_REFRESH;
    }
    shell_edit_show(&found);
    return CC_REDISPLAY;
}

/* ---- history -------------------------------------------------------------------------------- */

static void shell_edit_show_history(void *context)
{
    const vv_shell_edit *edit = context;
    HistEvent event;
    for (int more = history(edit->history, &event, H_LAST); more == 0;
         more = history(edit->history, &event, H_PREV)) {
        printf("%s%s", event.str, strchr(event.str, '\n') == NULL ? "\n" : "");
    }
}

/** Make a directory and those above it, below one that is there already. */
static void shell_edit_make_directories(char *path, size_t from)
{
    for (size_t i = from; path[i] != '\0'; i++) {
        if (path[i] == '/' && i > from) {
            path[i] = '\0';
            VV_IGNORE(vv_vfs_mkdir(vv_vfs_system(), path, NULL)); /* opening the file will tell */
            path[i] = '/';
        }
    }
}

/** The file, made 0600 when it is not there; an empty path when that fails. */
static void shell_edit_find_history(vv_shell_edit *edit)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    vv_file *file = NULL;
    bool has_state = state != NULL && state[0] == '/';
    if (!has_state && (home == NULL || home[0] != '/')) {
        return;
    }
    const char *base = has_state ? state : home;
    size_t size = vv_text_format(edit->path, sizeof edit->path, "%s%s/varve/history", base,
                                 has_state ? "" : "/.local/state");
    if (size + 1 == sizeof edit->path) {
        edit->path[0] = '\0'; /* cut, perhaps */
        return;
    }
    shell_edit_make_directories(edit->path, strlen(base));
    if (vv_file_open(vv_vfs_system(), &edit->alloc, edit->path,
                     VV_OPEN_READ | VV_OPEN_WRITE | VV_OPEN_CREATE, &file, NULL) != VARVE_OK) {
        edit->path[0] = '\0';
        return;
    }
    VV_IGNORE(vv_file_close(file, NULL)); /* nothing was written */
}

static void shell_edit_keep(vv_shell_edit *edit, const char *line)
{
    HistEvent event;
    if (line[0] != ' ' && line[0] != '\t' && line[0] != '\n') {
        VV_IGNORE(history(edit->history, &event, H_ENTER, line)); /* a comfort */
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

static void shell_edit_set_up(vv_shell_edit *edit)
{
    EditLine *editor = edit->editor;
    el_set(editor, EL_CLIENTDATA, edit);
    el_set(editor, EL_PROMPT, shell_edit_prompt);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_HIST, history, edit->history);
    el_set(editor, EL_GETCFN, shell_edit_key);
    /* With el_set() it would copy the names, and never free them. */
    el_wset(editor, EL_ADDFN, L"varve-complete", L"Complete the word", shell_edit_complete);
    el_wset(editor, EL_ADDFN, L"varve-drop", L"Drop the line", shell_edit_drop);
    el_set(editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(editor, NULL); /* ~/.editrc: the user's own keys */
    el_set(editor, EL_BIND, "^I", "varve-complete", NULL);
    el_set(editor, EL_BIND, "^C", "varve-drop", NULL);
}

/** Characters are UTF-8; a locale that has only bytes is no use. Numbers never follow it. */
static void shell_edit_set_locale(void)
{
    if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1) {
        VV_IGNORE(setlocale(LC_CTYPE, "C.UTF-8") != NULL); /* else only ASCII can be typed */
    }
}

varve_status vv_shell_edit_create(vv_shell *shell, vv_shell_edit **out_edit, varve_error *out_err)
{
    HistEvent event;
    *out_edit = NULL;
    shell_edit_set_locale();
    vv_shell_edit *edit = vv_memory_new(sizeof *edit);
    if (edit == NULL) {
        return vv_fail_nomem(out_err, "the editor", sizeof *edit);
    }
    edit->shell = shell;
    vv_alloc_init(&edit->alloc, NULL);
    vv_arena_init(&edit->arena, &edit->alloc, SHELL_EDIT_ARENA_BYTES_MAX);
    edit->history = history_init();
    edit->editor = el_init("varve", stdin, stdout, stderr);
    if (edit->history == NULL || edit->editor == NULL) {
        vv_shell_edit_free(edit);
        return vv_fail(out_err, VARVE_E_IO, "the terminal cannot be set up");
    }
    history(edit->history, &event, H_SETSIZE, SHELL_EDIT_LINES_MAX);
    history(edit->history, &event, H_SETUNIQUE, 1);
    shell_edit_find_history(edit);
    if (edit->path[0] != '\0') {
        history(edit->history, &event, H_LOAD, edit->path);
    }
    shell_edit_set_up(edit);
    shell->show_history = shell_edit_show_history;
    shell->history_context = edit;
    *out_edit = edit;
    return VARVE_OK;
}

vv_shell_key vv_shell_edit_read(vv_shell_edit *edit, varve_text *out_line)
{
    int count = 0;
    edit->is_dropped = false;
    vv_signals_forget_interrupt();
    el_resize(edit->editor); /* the window may have changed while a command ran */
    const char *line = el_gets(edit->editor, &count);
    *out_line = (varve_text){0};
    if (edit->is_dropped) {
        return VV_SHELL_DROP;
    }
    if (line == NULL || count <= 0) {
        printf("\n"); /* the prompt's line ends here */
        fflush(stdout);
        return VV_SHELL_LEAVE;
    }
    shell_edit_keep(edit, line);
    *out_line = vv_text_make(line, (size_t)count - (line[count - 1] == '\n'));
    vv_signals_forget_interrupt();
    return VV_SHELL_LINE;
}

void vv_shell_edit_free(vv_shell_edit *edit)
{
    HistEvent event;
    if (edit == NULL) {
        return;
    }
    if (edit->history != NULL && edit->path[0] != '\0') {
        history(edit->history, &event, H_SAVE, edit->path);
    }
    if (edit->editor != NULL) {
        el_end(edit->editor);
    }
    if (edit->history != NULL) {
        history_end(edit->history);
    }
    edit->shell->show_history = NULL;
    vv_arena_deinit(&edit->arena);
    vv_memory_free(edit, sizeof *edit);
}
