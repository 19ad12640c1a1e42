/* pratique secrets: the sealed store. */
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/cli.h"
#include "cmd/commands.h"
#include "secrets/name.h"
#include "secrets/source.h"
#include "secrets/spec.h"

static const pq_option update_options[] = {
    {"for", '\0', "HOST",
     "Bind the secrets to this registry host: they are then never sent anywhere else. May be given several times."},
    {0},
};

/* Typed on a terminal, a secret is not shown. */
typedef struct quiet_terminal {
    bool changed;
    struct termios before;
} quiet_terminal;

static void quiet(quiet_terminal *terminal, const pq_secret_specs *specs)
{
    const char *name = NULL;
    for (size_t i = 0; i < specs->count; i++)
        if (specs->at[i].kind == PQ_SPEC_STDIN)
            name = specs->at[i].name;
    if (!name || tcgetattr(STDIN_FILENO, &terminal->before) != 0)
        return; /* nothing to read, or no terminal */
    struct termios silent = terminal->before;
    silent.c_lflag &= (tcflag_t)~ECHO;
    terminal->changed = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
    pq_note("%s: type the value, which is not shown, and end with Ctrl-D", name);
}

static void loud(quiet_terminal *terminal)
{
    if (terminal->changed)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->before);
}

static void secrets_update(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_SECRET_SPECS specs = {0};
    PQ_AUTO_STRINGS given = {0}, hosts = {0};
    pq_arguments_values(arguments, "for", &given);
    bool good = pq_secret_specs_parse(arguments->words, arguments->word_count, &specs, &cli->errors);
    good = pq_secret_hosts(&given, &hosts, &cli->errors) && good;
    if (!good)
        return;
    quiet_terminal terminal = {0};
    quiet(&terminal, &specs);
    good = pq_secret_specs_load(&specs, STDIN_FILENO, &cli->errors);
    loud(&terminal);
    if (!good)
        return;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = NULL;
    pq_secret_environment environment = pq_secret_environment_read(cli->secrets_option);
    if (!pq_store_open_default(&environment, true, &store, &err) ||
        !pq_secret_specs_store(&specs, hosts.count ? &hosts : NULL, store, &err)) {
        pq_cli_fail(cli, &err);
        return;
    }
    json_t *updated = json_array(), *removed = json_array();
    for (size_t i = 0; i < specs.count; i++) {
        bool gone = specs.at[i].kind == PQ_SPEC_REMOVE;
        if (gone && !specs.at[i].existed)
            continue; /* a warning said so */
        pq_json_append(gone ? removed : updated, pq_json_text(specs.at[i].name));
        pq_print(cli, "%s %s\n", gone ? "removed" : "updated", specs.at[i].name);
    }
    if (cli->json) {
        pq_json_set(cli->document, "updated", updated);
        pq_json_set(cli->document, "removed", removed);
    } else {
        json_decref(updated);
        json_decref(removed);
    }
}

const pq_command pq_cmd_secrets_update = {
    .name = "secrets update",
    .synopsis = "[--for HOST]... NAME=VALUE...",
    .summary = "set or remove secrets in the sealed store",
    .description =
        "Sets secrets, all of them or none. NAME=VALUE takes the value as it is; NAME==FILE takes a file's bytes; "
        "NAME=- takes standard input; NAME= removes the secret. Values are sealed with AES-256-GCM; the key lies in a "
        "file of its own.",
    .examples = "$ pratique secrets update aws_creds=\"$(cat ~/.aws/credentials)\"\n"
                "$ pratique secrets update aws_creds==$HOME/.aws/credentials\n"
                "$ printf %s \"$TOKEN\" | pratique secrets update --for ghcr.io ghcr_creds=-",
    .options = update_options,
    .least = 1,
    .most = SIZE_MAX,
    .run = secrets_update,
};

static void add_entry(pq_cli *cli, json_t *list, const pq_store_entry *entry)
{
    char updated[PQ_TIME_TEXT];
    pq_time_text(entry->updated, updated);
    json_t *hosts = json_array();
    PQ_AUTO_BUF bound = PQ_BUF(1u << 16);
    for (size_t i = 0; i < entry->hosts.count; i++) {
        pq_json_append(hosts, pq_json_text(entry->hosts.at[i]));
        pq_buf_addf(&bound, "%s%s", i ? "," : "", entry->hosts.at[i]);
    }
    pq_print(cli, "%-24s %8zu  %s  %s\n", entry->name, entry->size, updated, bound.length ? pq_buf_text(&bound) : "-");
    json_t *item = json_object();
    pq_json_set(item, "name", pq_json_text(entry->name));
    pq_json_set(item, "size", json_integer((json_int_t)entry->size));
    pq_json_set(item, "created", pq_json_time(entry->created));
    pq_json_set(item, "updated", pq_json_time(entry->updated));
    pq_json_set(item, "hosts", hosts);
    pq_json_append(list, item);
}

static void secrets_list(pq_cli *cli, const pq_arguments *arguments)
{
    (void)arguments;
    json_t *list = json_array();
    if (cli->json)
        pq_json_set(cli->document, "secrets", list);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = NULL;
    PQ_AUTO_STORE_ENTRIES entries = {0};
    pq_secret_environment environment = pq_secret_environment_read(cli->secrets_option);
    bool good = pq_store_open_default(&environment, false, &store, &err);
    if (!good && err.code == PQ_ENOTFOUND) {
        pq_note("there are no secrets yet: set one with `pratique secrets update NAME=VALUE`");
    } else if (!good || !pq_store_list(store, &entries, &err)) {
        pq_cli_fail(cli, &err);
    } else {
        pq_print(cli, "%-24s %8s  %-20s  %s\n", "NAME", "SIZE", "UPDATED", "FOR");
        for (size_t i = 0; i < entries.count; i++)
            add_entry(cli, list, &entries.at[i]);
    }
    if (!cli->json)
        json_decref(list);
}

const pq_command pq_cmd_secrets_list = {
    .name = "secrets list",
    .synopsis = "",
    .summary = "names, sizes and dates of the secrets; never values",
    .description =
        "Lists the secrets of the store: name, size in bytes, when it was last set, and the hosts it is bound "
        "to.",
    .examples = "$ pratique secrets list",
    .least = 0,
    .most = 0,
    .run = secrets_list,
};

static void secrets_rekey(pq_cli *cli, const pq_arguments *arguments)
{
    (void)arguments;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = NULL;
    size_t count = 0;
    pq_secret_environment environment = pq_secret_environment_read(cli->secrets_option);
    if (!pq_store_open_default(&environment, false, &store, &err) || !pq_store_rekey(store, &count, &err)) {
        pq_cli_fail(cli, &err);
        return;
    }
    pq_print(cli, "sealed %zu secrets with a new key\n", count);
    if (cli->json)
        pq_json_set(cli->document, "rekeyed", json_integer((json_int_t)count));
}

const pq_command pq_cmd_secrets_rekey = {
    .name = "secrets rekey",
    .synopsis = "",
    .summary = "seal all secrets of the store with a new key",
    .description = "Makes a new key, seals every secret of the store with it and replaces the key file. It may be "
                   "interrupted at any point: the store then opens with the old key or the new one.",
    .examples = "$ pratique secrets rekey",
    .least = 0,
    .most = 0,
    .run = secrets_rekey,
};
