/* pratique target show: what a repository's Targets say. */
#include "base/file.h"
#include "cmd/cli.h"
#include "cmd/commands.h"
#include "target/tuf_repository.h"

static void show_apps(pq_cli *cli, const json_t *apps)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)apps, name, value)
    {
        pq_print(cli, "  app ");
        pq_print_text(cli, name);
        pq_print(cli, "  ");
        const char *uri = json_string_value(json_object_get(value, "uri"));
        pq_print_text(cli, uri ? uri : "-");
        pq_print(cli, "\n");
    }
}

static void show_list(pq_cli *cli, const char *title, const json_t *array)
{
    pq_print(cli, "  %s", title);
    size_t at;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)array, at, item)
    {
        pq_print(cli, " ");
        pq_print_text(cli, json_string_value(item) ? json_string_value(item) : "-");
    }
    pq_print(cli, "\n");
}

static void show_text(pq_cli *cli, const char *title, const json_t *custom, const char *key)
{
    const char *text = json_string_value(json_object_get(custom, key));
    if (!text)
        return;
    pq_print(cli, "  %s ", title);
    pq_print_text(cli, text);
    pq_print(cli, "\n");
}

static void show_one(pq_cli *cli, json_t *all, const pq_tuf_listed *listed)
{
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&listed->file.hash, hex);
    pq_print_text(cli, listed->name);
    pq_print(cli, "\n");
    show_list(cli, "machines", json_object_get(listed->custom, "hardwareIds"));
    show_list(cli, "tags", json_object_get(listed->custom, "tags"));
    show_text(cli, "revision", listed->custom, "containers-sha");
    show_text(cli, "created", listed->custom, "createdAt");
    show_text(cli, "format", listed->custom, "targetFormat");
    pq_print(cli, "  sha256 %s (%llu bytes)\n", hex, (unsigned long long)listed->file.length);
    show_apps(cli, json_object_get(listed->custom, "docker_compose_apps"));
    json_t *one = json_object(), *hashes = json_object();
    pq_json_set(hashes, "sha256", json_string(hex));
    pq_json_set(one, "hashes", hashes);
    pq_json_set(one, "length", json_integer((json_int_t)listed->file.length));
    pq_json_set(one, "custom", listed->custom ? json_deep_copy(listed->custom) : json_null());
    pq_json_set(all, listed->name, one);
}

static void target_show(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF *tuf = NULL;
    const char *wanted = arguments->word_count > 1 ? arguments->words[1] : NULL;
    json_t *all = json_object();
    if (cli->json)
        pq_json_set(cli->document, "targets", json_incref(all));
    if (!pq_tuf_open(arguments->words[0], NULL, false, &tuf, &err)) {
        pq_cli_fail(cli, &err);
        json_decref(all);
        return;
    }
    size_t count = 0, shown = 0;
    PQ_AUTO_FREE pq_tuf_listed *list = pq_tuf_list_targets(pq_tuf_current(tuf), &count);
    for (size_t i = 0; i < count; i++)
        if (!wanted || pq_streq(wanted, list[i].name)) {
            show_one(cli, all, &list[i]);
            shown++;
        }
    if (wanted && !shown)
        (void)pq_errors_add(&cli->errors, PQ_ENOTFOUND, arguments->words[0], "`pratique target show REPO` lists them",
                            "there is no Target %s", wanted);
    else if (!shown)
        pq_note("%s: there are no Targets yet", arguments->words[0]);
    json_decref(all);
}

const pq_command pq_cmd_target_show = {
    .name = "target show",
    .synopsis = "REPO [NAME]",
    .summary = "what the Targets of a repository say",
    .description = "Shows the Targets of a TUF repository on disk, or the one that is named: machines, tags, revision, "
                   "apps. The repository's own signatures are checked; `pratique target verify` proves it from a root "
                   "that you trust, down to the registries.",
    .examples = "$ pratique target show /srv/tuf\n"
                "$ pratique target show /srv/tuf intel-corei7-64-lmp-7 --json",
    .least = 1,
    .most = 2,
    .run = target_show,
};
