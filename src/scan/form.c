#include "scan/form.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"
#include "scan/health.h"

typedef enum arguments {
    ARGS_NONE_CHECKED, /* RUN, CMD, ENTRYPOINT: JSON, else a line for the shell */
    ARGS_JSON_ONLY,    /* SHELL */
    ARGS_LIST,         /* JSON or words */
    ARGS_WORDS,
    ARGS_ONE,   /* the rest of the line */
    ARGS_PAIRS, /* ENV, LABEL */
    ARGS_ARG,
    ARGS_HEALTH,
    ARGS_TRIGGER
} arguments;

typedef enum flag_kind { FLAG_STRING, FLAG_BOOL, FLAG_STRINGS } flag_kind;

typedef struct flag {
    const char *name;
    flag_kind kind;
} flag;

#define MAX_FLAGS 8

static const struct form {
    const char *keyword;
    arguments args;
    size_t at_least;
    bool ignores_flags;
    flag flags[MAX_FLAGS];
} forms[] = {
    {"add",
     ARGS_LIST,
     2,
     false,
     {{"chown", FLAG_STRING},
      {"chmod", FLAG_STRING},
      {"link", FLAG_BOOL},
      {"keep-git-dir", FLAG_BOOL},
      {"checksum", FLAG_STRING},
      {"unpack", FLAG_BOOL},
      {"exclude", FLAG_STRINGS}}},
    {"arg", ARGS_ARG, 1, true, {{0}}},
    {"cmd", ARGS_NONE_CHECKED, 0, false, {{0}}},
    {"copy",
     ARGS_LIST,
     2,
     false,
     {{"chown", FLAG_STRING},
      {"from", FLAG_STRING},
      {"chmod", FLAG_STRING},
      {"link", FLAG_BOOL},
      {"exclude", FLAG_STRINGS},
      {"parents", FLAG_BOOL}}},
    {"entrypoint", ARGS_NONE_CHECKED, 0, false, {{0}}},
    {"env", ARGS_PAIRS, 1, false, {{0}}},
    {"expose", ARGS_WORDS, 1, false, {{0}}},
    {"from", ARGS_WORDS, 1, false, {{"platform", FLAG_STRING}}},
    {"healthcheck",
     ARGS_HEALTH,
     1,
     false,
     {{"interval", FLAG_STRING},
      {"timeout", FLAG_STRING},
      {"start-period", FLAG_STRING},
      {"start-interval", FLAG_STRING},
      {"retries", FLAG_STRING}}},
    {"label", ARGS_PAIRS, 1, false, {{0}}},
    {"maintainer", ARGS_ONE, 1, false, {{0}}},
    {"onbuild", ARGS_TRIGGER, 1, false, {{0}}},
    {"run",
     ARGS_NONE_CHECKED,
     0,
     false,
     {{"mount", FLAG_STRINGS}, {"network", FLAG_STRING}, {"security", FLAG_STRING}, {"device", FLAG_STRINGS}}},
    {"shell", ARGS_JSON_ONLY, 1, false, {{0}}},
    {"stopsignal", ARGS_ONE, 1, true, {{0}}},
    {"user", ARGS_ONE, 1, false, {{0}}},
    {"volume", ARGS_LIST, 1, false, {{0}}},
    {"workdir", ARGS_ONE, 1, false, {{0}}},
};
#define FORM_COUNT (sizeof forms / sizeof *forms)

typedef struct reader {
    const char *file;
    unsigned line;
    char escape;
    pq_scan *scan;
} reader;

static bool refuse(const reader *in, const char *hint, const char *what, const char *detail)
{
    pq_scan_add_error(in->scan, in->file, in->line, hint, "%s%s", what, detail);
    return false;
}

void pq_form_clear(pq_instruction *instruction)
{
    free(instruction->keyword);
    pq_strings_clear(&instruction->flags);
    pq_strings_clear(&instruction->args);
}

const char *pq_instruction_flag(const pq_instruction *instruction, const char *name)
{
    const char *found = NULL;
    size_t length = strlen(name);
    for (size_t i = 0; i < instruction->flags.count; i++) {
        const char *given = instruction->flags.at[i];
        if (pq_starts_with(given, "--") && strncmp(given + 2, name, length) == 0 && given[2 + length] == '=')
            found = given + 3 + length;
    }
    return found;
}

/* Flags are the words before the first that does not start with `--`; quotes and escapes in them are taken away.
 * Returns what follows. */
static const char *read_flags(char escape, const char *text, pq_strings *out)
{
    for (;;) {
        while (pq_ascii_space(*text))
            text++;
        if (text[0] != '-' || text[1] != '-')
            return text;
        PQ_AUTO_BUF word = PQ_BUF(PQ_MAX_TREE_FILE);
        char quote = '\0';
        for (; *text && (quote || !pq_ascii_space(*text)); text++) {
            if (quote ? *text == quote : *text == '"' || *text == '\'') {
                quote = quote ? '\0' : *text;
                continue;
            }
            if (*text == escape) {
                if (!text[1])
                    continue;
                text++;
            }
            pq_buf_addc(&word, *text);
        }
        if (strcmp(pq_buf_text(&word), "--") == 0)
            return text;
        pq_strings_take(out, pq_buf_steal(&word));
    }
}

static bool check_flags(const reader *in, const struct form *form, const pq_strings *flags)
{
    bool used[MAX_FLAGS] = {false};
    for (size_t i = 0; i < flags->count && !form->ignores_flags; i++) {
        const char *given = flags->at[i] + 2;
        size_t length = strcspn(given, "=");
        bool has_value = given[length] == '=';
        size_t f = 0;
        while (f < MAX_FLAGS && form->flags[f].name &&
               !(strlen(form->flags[f].name) == length && strncmp(form->flags[f].name, given, length) == 0))
            f++;
        if (f == MAX_FLAGS || !form->flags[f].name)
            return refuse(in, NULL, "unknown flag for ", form->keyword);
        const char *value = has_value ? given + length + 1 : "";
        bool truth = pq_ascii_equal_nocase(value, "true") || pq_ascii_equal_nocase(value, "false");
        if (used[f] && form->flags[f].kind != FLAG_STRINGS)
            return refuse(in, NULL, "the flag is given twice: --", form->flags[f].name);
        used[f] = true;
        if (form->flags[f].kind == FLAG_BOOL ? has_value && !truth : !has_value)
            return refuse(in, NULL,
                          form->flags[f].kind == FLAG_BOOL ? "neither true nor false: --" : "without a value: --",
                          form->flags[f].name);
    }
    return true;
}

static void split_blanks(const char *text, pq_strings *out)
{
    for (;;) {
        while (pq_ascii_space(*text))
            text++;
        size_t length = 0;
        while (text[length] && !pq_ascii_space(text[length]))
            length++;
        if (!length)
            return;
        pq_strings_take(out, pq_strndup(text, length));
        text += length;
    }
}

/* Words with their quotes and escapes kept; blanks inside quotes do not divide. */
static void split_quoted(char escape, const char *text, pq_strings *out)
{
    while (*text) {
        while (pq_ascii_space(*text))
            text++;
        PQ_AUTO_BUF word = PQ_BUF(PQ_MAX_TREE_FILE);
        char quote = '\0';
        for (; *text && (quote || !pq_ascii_space(*text)); text++) {
            if (*text == escape && quote != '\'') {
                if (!text[1])
                    continue; /* an escape at the very end is nothing */
                pq_buf_addc(&word, *text++);
            } else if (quote ? *text == quote : *text == '"' || *text == '\'') {
                quote = quote ? '\0' : *text;
            }
            pq_buf_addc(&word, *text);
        }
        if (word.length)
            pq_strings_take(out, pq_buf_steal(&word));
    }
}

/* Reads a JSON array of strings. False (refused) only for an array with something else in it: any other text is for the
 * shell. */
static bool read_json(const reader *in, const char *text, pq_instruction *out)
{
    while (pq_ascii_space(*text))
        text++;
    if (*text != '[')
        return true;
    json_t *list = json_loads(text, 0, NULL);
    bool good = true;
    for (size_t i = 0; good && i < json_array_size(list); i++)
        good = json_is_string(json_array_get(list, i));
    out->json = list && good;
    for (size_t i = 0; good && i < json_array_size(list); i++)
        pq_strings_add(&out->args, json_string_value(json_array_get(list, i)));
    json_decref(list);
    return good || refuse(in, NULL, "a JSON array may hold strings only: ", out->keyword);
}

static bool check_pairs(const reader *in, const char *text, const char *keyword)
{
    PQ_AUTO_STRINGS words = {0};
    split_quoted(in->escape, text, &words);
    if (!words.count)
        return refuse(in, NULL, "needs at least one argument: ", keyword);
    if (!strchr(words.at[0], '=')) { /* the old form, NAME VALUE */
        PQ_AUTO_STRINGS parts = {0};
        split_blanks(text, &parts);
        return parts.count >= 2 || refuse(in, "write NAME=VALUE", "needs two arguments: ", keyword);
    }
    for (size_t i = 0; i < words.count; i++) {
        if (!strchr(words.at[i], '='))
            return refuse(in, "write NAME=VALUE, with quotes around a value that has blanks",
                          "an argument has no =: ", keyword);
        if (words.at[i][0] == '=')
            return refuse(in, NULL, "a name may not be blank: ", keyword);
    }
    return true;
}

static bool read_arg(const reader *in, const char *text, pq_instruction *out)
{
    split_quoted(in->escape, text, &out->args);
    for (size_t i = 0; i < out->args.count; i++)
        if (out->args.at[i][0] == '=')
            return refuse(in, NULL, "a name may not be blank: ", out->keyword);
    return out->args.count || refuse(in, NULL, "needs at least one argument: ", out->keyword);
}

static bool check_health(const reader *in, const char *text, const pq_instruction *out)
{
    size_t length = 0;
    while (text[length] && !pq_ascii_space(text[length]))
        length++;
    PQ_AUTO_FREE char *type = pq_strndup(text, length);
    bool more = text[length] != '\0';
    if (pq_ascii_equal_nocase(type, "none"))
        return !more || refuse(in, NULL, "HEALTHCHECK NONE takes no arguments", "");
    if (!pq_ascii_equal_nocase(type, "cmd"))
        return refuse(in, "write HEALTHCHECK CMD or HEALTHCHECK NONE", "unknown type in HEALTHCHECK", "");
    static const char *const durations[] = {"interval", "timeout", "start-period", "start-interval"};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        const char *value = pq_instruction_flag(out, durations[i]);
        if (value && !pq_health_duration_valid(value))
            return refuse(in, "write 30s or 1m30s, at least 1ms", "not a duration: --", durations[i]);
    }
    const char *retries = pq_instruction_flag(out, "retries");
    if (retries && !pq_health_retries_valid(retries))
        return refuse(in, NULL, "not a number from 0: --", "retries");
    return more || refuse(in, NULL, "a command is missing after HEALTHCHECK CMD", "");
}

static bool stage_name_valid(const char *name)
{
    if (!pq_ascii_alpha(*name))
        return false;
    for (; *name; name++)
        if (!pq_ascii_alnum(*name) && !strchr("-_.", *name))
            return false;
    return true;
}

static bool check_from(const reader *in, const pq_strings *args)
{
    if (args->count != 1 && !(args->count == 3 && pq_ascii_equal_nocase(args->at[1], "as")))
        return refuse(in, "write FROM IMAGE or FROM IMAGE AS NAME", "FROM requires either one or three arguments", "");
    if (args->count == 3 && !stage_name_valid(args->at[2]))
        return refuse(in, "start it with a letter, then letters, digits, - _ and .", "invalid name for a build stage",
                      "");
    return true;
}

static bool read_trigger(const reader *in, const char *text, pq_instruction *out)
{
    PQ_AUTO_STRINGS words = {0};
    split_blanks(text, &words);
    if (!words.count)
        return refuse(in, NULL, "needs at least one argument: ", out->keyword);
    static const char *const forbidden[] = {"onbuild", "maintainer", "from"};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (pq_ascii_equal_nocase(words.at[0], forbidden[i]))
            return refuse(in, NULL, "not allowed after ONBUILD: ", forbidden[i]);
    pq_form_clear(out);
    *out = (pq_instruction){.line = in->line, .trigger = true};
    return pq_form_read(in->file, text, in->escape, out, in->scan);
}

static const struct form *find_form(const char *keyword)
{
    for (size_t i = 0; i < FORM_COUNT; i++)
        if (strcmp(forms[i].keyword, keyword) == 0)
            return &forms[i];
    return NULL;
}

static bool unknown_keyword(const reader *in, const char *keyword)
{
    const char *names[FORM_COUNT];
    for (size_t i = 0; i < FORM_COUNT; i++)
        names[i] = forms[i].keyword;
    const char *near = pq_nearest(keyword, names, FORM_COUNT);
    PQ_AUTO_FREE char *hint = near ? pq_asprintf("did you mean %s?", near) : NULL;
    return refuse(in, hint, "unknown instruction", "");
}

static bool read_arguments(const reader *in, const struct form *form, const char *text, pq_instruction *out)
{
    switch (form->args) {
    case ARGS_ARG:
        return read_arg(in, text, out);
    case ARGS_PAIRS:
        return check_pairs(in, text, form->keyword);
    case ARGS_HEALTH:
        return check_health(in, text, out);
    case ARGS_TRIGGER:
        return read_trigger(in, text, out);
    case ARGS_NONE_CHECKED:
        return read_json(in, text, out);
    case ARGS_JSON_ONLY:
        return read_json(in, text, out) && (out->args.count || refuse(in, "write [\"PROGRAM\", \"OPTION\"]",
                                                                      "needs a JSON array: ", form->keyword));
    case ARGS_LIST:
        if (!read_json(in, text, out))
            return false;
        break;
    case ARGS_ONE:
        if (*text)
            pq_strings_add(&out->args, text);
        break;
    case ARGS_WORDS:
        break;
    }
    if (!out->json && form->args != ARGS_ONE)
        split_blanks(text, &out->args);
    if (out->args.count < form->at_least)
        return refuse(in, NULL, form->at_least == 2 ? "needs a source and a destination: " : "needs an argument: ",
                      form->keyword);
    return form->args != ARGS_WORDS || strcmp(form->keyword, "from") != 0 || check_from(in, &out->args);
}

bool pq_form_read(const char *file, const char *text, char escape, pq_instruction *out, pq_scan *scan)
{
    reader in = {.file = file, .line = out->line, .escape = escape, .scan = scan};
    while (pq_ascii_space(*text))
        text++;
    size_t length = 0;
    while (text[length] && !pq_ascii_space(text[length]))
        length++;
    out->keyword = pq_strndup(text, length);
    pq_ascii_lower_in_place(out->keyword);
    const struct form *form = find_form(out->keyword);
    if (!form)
        return unknown_keyword(&in, out->keyword);
    const char *rest = read_flags(escape, text + length, &out->flags);
    size_t rest_length = strlen(rest);
    pq_trim(&rest, &rest_length);
    PQ_AUTO_FREE char *trimmed = pq_strndup(rest, rest_length);
    return check_flags(&in, form, &out->flags) && read_arguments(&in, form, trimmed, out);
}
