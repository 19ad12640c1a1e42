#include "cmd/args.h"

#include <string.h>

const pq_option pq_global_options[] = {
    {"directory", 'C', "DIR", "Work as if started in DIR."},
    {"config", '\0', "FILE", "Use this factory-config.yml, or a JSON list of registry entries."},
    {"device-config", '\0', "FILE",
     "Use this device.yml in place of a factory-config.yml. Commands for devices use /etc/pratique/device.yml without "
     "it."},
    {"secrets", '\0', "DIR", "Look for secrets in DIR first: a file each."},
    {"json", '\0', NULL, "Print one JSON document."},
    {"quiet", 'q', NULL, "Print results and errors only."},
    {"verbose", 'v', NULL, "Tell what is done, request by request."},
    {"no-progress", '\0', NULL, "Show no progress."},
    {"help", 'h', NULL, "Print this help."},
    {0},
};

static const pq_option *find_option(const pq_option *options, const char *name, size_t length)
{
    for (; options && options->name; options++)
        if (strlen(options->name) == length && memcmp(options->name, name, length) == 0)
            return options;
    return NULL;
}

static const pq_option *find_letter(const pq_option *options, char letter)
{
    for (; options && options->name; options++)
        if (options->letter == letter && letter)
            return options;
    return NULL;
}

static const char *help_hint(const pq_command *command, char **owned)
{
    *owned = command ? pq_asprintf("see `pratique %s --help`", command->name) : pq_strdup("see `pratique --help`");
    return *owned;
}

static void unknown_option(const pq_command *command, const char *word, size_t length, pq_errors *errors)
{
    const char *names[64];
    size_t count = 0;
    for (const pq_option *o = command ? command->options : NULL; o && o->name && count < 48; o++)
        names[count++] = o->name;
    for (const pq_option *o = pq_global_options; o->name && count < 64; o++)
        names[count++] = o->name;
    PQ_AUTO_FREE char *bare = pq_strndup(word, length);
    const char *near = pq_nearest(bare, names, count);
    PQ_AUTO_FREE char *hint = NULL;
    if (near)
        hint = pq_asprintf("did you mean --%s?", near);
    else
        (void)help_hint(command, &hint);
    (void)pq_errors_add(errors, PQ_EUSAGE, NULL, hint, "unknown option --%s", bare);
}

static void keep(pq_arguments *out, const pq_option *option, const char *value)
{
    pq_strings_add(&out->names, option->name);
    pq_strings_add(&out->values, value);
}

/* Reads one option at argv[at]; returns how many words it took. */
static int read_option(const pq_command *command, int at, int count, char **argv, pq_arguments *out, pq_errors *errors)
{
    const pq_option *own = command ? command->options : NULL;
    const char *word = argv[at], *value = NULL;
    const pq_option *option;
    bool is_long = word[1] == '-';
    if (is_long) {
        size_t length = strcspn(word + 2, "=");
        option = find_option(own, word + 2, length);
        if (!option)
            option = find_option(pq_global_options, word + 2, length);
        if (!option) {
            unknown_option(command, word + 2, length, errors);
            return 1;
        }
        value = word[2 + length] == '=' ? word + 3 + length : NULL;
    } else {
        option = find_letter(own, word[1]);
        if (!option)
            option = find_letter(pq_global_options, word[1]);
        if (!option) {
            PQ_AUTO_FREE char *hint = NULL;
            (void)pq_errors_add(errors, PQ_EUSAGE, NULL, help_hint(command, &hint), "unknown option -%c", word[1]);
            return 1;
        }
        value = word[2] ? word + 2 : NULL;
    }
    if (!option->argument) {
        if (value)
            (void)pq_errors_add(errors, PQ_EUSAGE, NULL, NULL, "the option --%s takes no value", option->name);
        else
            keep(out, option, "");
        return 1;
    }
    if (value) {
        keep(out, option, value);
        return 1;
    }
    if (at + 1 >= count) {
        (void)pq_errors_add(errors, PQ_EUSAGE, NULL, NULL, "the option --%s wants a value: --%s %s", option->name,
                            option->name, option->argument);
        return 1;
    }
    keep(out, option, argv[at + 1]);
    return 2;
}

bool pq_arguments_parse(const pq_command *command, int count, char **argv, int *used, pq_arguments *out,
                        pq_errors *errors)
{
    size_t before = errors->count;
    int at = 0;
    bool only_words = false;
    while (at < count) {
        const char *word = argv[at];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            at++;
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            at += read_option(command, at, count, argv, out, errors);
        } else {
            if (!command)
                break;
            out->words = pq_grow(out->words, &out->word_capacity, out->word_count + 1, sizeof *out->words);
            out->words[out->word_count++] = argv[at++];
        }
    }
    *used = at;
    if (command && errors->count == before && !pq_arguments_have(out, "help") &&
        (out->word_count < command->least || out->word_count > command->most)) {
        PQ_AUTO_FREE char *hint = NULL;
        const char *what = out->word_count < command->least ? "too few words" : "too many words";
        (void)pq_errors_add(errors, PQ_EUSAGE, NULL, help_hint(command, &hint), "%s; usage: pratique %s %s", what,
                            command->name, command->synopsis);
    }
    return errors->count == before;
}

void pq_arguments_clear(pq_arguments *arguments)
{
    free(arguments->words);
    arguments->words = NULL;
    arguments->word_count = arguments->word_capacity = 0;
    pq_strings_clear(&arguments->names);
    pq_strings_clear(&arguments->values);
}

bool pq_arguments_have(const pq_arguments *arguments, const char *name)
{
    return pq_strings_have(&arguments->names, name);
}

const char *pq_arguments_value(const pq_arguments *arguments, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < arguments->names.count; i++)
        if (strcmp(arguments->names.at[i], name) == 0)
            value = arguments->values.at[i];
    return value;
}

void pq_arguments_values(const pq_arguments *arguments, const char *name, pq_strings *out)
{
    for (size_t i = 0; i < arguments->names.count; i++)
        if (strcmp(arguments->names.at[i], name) == 0)
            pq_strings_add(out, arguments->values.at[i]);
}

/* Wraps words at 78 columns behind `indent` blanks. */
static void add_wrapped(pq_buf *out, const char *text, size_t indent)
{
    enum { WIDTH = 78 };
    size_t column = indent;
    bool first = true;
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (!first && column + 1 + word > WIDTH) {
            pq_buf_addf(out, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        if (!first) {
            pq_buf_addc(out, ' ');
            column++;
        }
        pq_buf_add(out, text, word);
        column += word;
        first = false;
        text += word;
        while (*text == ' ')
            text++;
        if (*text == '\n') {
            text++;
            if (*text == '\n') {
                pq_buf_adds(out, "\n");
                text++;
            }
            pq_buf_addf(out, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
    }
    pq_buf_addc(out, '\n');
}

static void add_options(pq_buf *out, const pq_option *options)
{
    for (; options && options->name; options++) {
        PQ_AUTO_BUF left = PQ_BUF(256);
        if (options->letter)
            pq_buf_addf(&left, "  -%c, --%s", options->letter, options->name);
        else
            pq_buf_addf(&left, "      --%s", options->name);
        if (options->argument)
            pq_buf_addf(&left, " %s", options->argument);
        pq_buf_addf(out, "%-28s", pq_buf_text(&left));
        if (left.length >= 28)
            pq_buf_addf(out, "\n%28s", "");
        add_wrapped(out, options->help, 28);
    }
}

static void add_examples(pq_buf *out, const char *examples)
{
    pq_buf_adds(out, "\nExamples:\n");
    for (const char *at = examples; *at;) {
        size_t length = strcspn(at, "\n");
        pq_buf_addf(out, "  %.*s\n", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

void pq_command_help(const pq_command *command, pq_buf *out)
{
    pq_buf_addf(out, "Usage: pratique [GLOBAL OPTIONS] %s%s%s\n\n", command->name, *command->synopsis ? " " : "",
                command->synopsis);
    add_wrapped(out, command->description, 0);
    if (command->options) {
        pq_buf_adds(out, "\nOptions:\n");
        add_options(out, command->options);
    }
    pq_buf_adds(out, "\nGlobal options:\n");
    add_options(out, pq_global_options);
    add_examples(out, command->examples);
}

void pq_program_help(const pq_program *program, pq_buf *out)
{
    pq_buf_adds(out, "Usage: pratique [GLOBAL OPTIONS] COMMAND ...\n\n");
    add_wrapped(out, program->about, 0);
    pq_buf_adds(out, "\nCommands:\n");
    for (size_t i = 0; i < program->count; i++)
        pq_buf_addf(out, "  %-20s%s\n", program->commands[i]->name, program->commands[i]->summary);
    pq_buf_adds(out, "\nGlobal options:\n");
    add_options(out, pq_global_options);
    pq_buf_adds(out, "      --version             Print the version.\n");
    pq_buf_adds(out, "\nExit status: 0 done; 1 it ran and what was asked is not so; 2 the command line, configuration\n"
                     "or input is wrong; 3 every failure was of the network; 130 interrupted.\n");
    add_examples(out, program->examples);
}
