/* pratique images: every image that a tree refers to, offline. */
#include "cmd/commands.h"
#include "cmd/scan_json.h"
#include "cmd/scan_options.h"

static const pq_option images_options[] = {PQ_SCAN_OPTIONS, {0}};

static void print_use(pq_cli *cli, const pq_session *session, const pq_image_use *use)
{
    pq_print_text(cli, use->file);
    pq_print(cli, ":%u: %s ", use->line, pq_image_kind_name(use->kind));
    pq_print_text(cli, use->image);
    pq_print(cli, " (%s)\n", pq_session_access(session, use->reference.domain));
}

static void print_unresolved(pq_cli *cli, const pq_unresolved *unresolved)
{
    pq_print_text(cli, unresolved->file);
    pq_print(cli, ":%u: %s ", unresolved->line, pq_image_kind_name(unresolved->kind));
    pq_print_text(cli, unresolved->text);
    pq_print(cli, " (unresolved: ");
    pq_print_text(cli, unresolved->reason);
    pq_print(cli, ")\n");
}

static void report(pq_cli *cli, const pq_session *session, const pq_scan *scan)
{
    json_t *images = json_array(), *unresolved = json_array();
    for (size_t i = 0; i < scan->use_count; i++) {
        if (cli->json)
            pq_json_append(images, pq_json_use(session, &scan->uses[i]));
        else
            print_use(cli, session, &scan->uses[i]);
    }
    for (size_t i = 0; i < scan->unresolved_count; i++) {
        if (cli->json)
            pq_json_append(unresolved, pq_json_unresolved(&scan->unresolved[i]));
        else
            print_unresolved(cli, &scan->unresolved[i]);
    }
    if (cli->json) {
        pq_json_set(cli->document, "images", images);
        pq_json_set(cli->document, "unresolved", unresolved);
    } else {
        json_decref(images);
        json_decref(unresolved);
    }
}

static void images(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_SESSION session = {0};
    PQ_AUTO_SCAN scan = {0};
    PQ_AUTO_SCAN_ARGUMENTS how = {0};
    PQ_AUTO_STRINGS paths = {0};
    for (size_t i = 0; i < arguments->word_count; i++)
        pq_strings_add(&paths, arguments->words[i]);
    if (!paths.count)
        pq_strings_add(&paths, ".");
    bool good = pq_scan_arguments_read(cli, arguments, &how);
    if (pq_session_read_config(&session, cli, &paths, false) && good)
        for (size_t i = 0; i < paths.count; i++)
            pq_scan_path(paths.at[i], &how.options, &scan);
    report(cli, &session, &scan);
    pq_errors_append(&cli->errors, &scan.errors);
}

const pq_command pq_cmd_images = {
    .name = "images",
    .synopsis = "[PATH]...",
    .summary = "every image a tree of Dockerfiles and Compose files refers to",
    .description =
        "Lists every image that the Dockerfiles and Compose files below PATH (default: here) refer to, offline: file "
        "and "
        "line, how it is used, the image after expansion, and who serves its registry. PATH may be a single file: a "
        "Compose file if its name ends in .yml or .yaml, else a Dockerfile. What has no value is listed as unresolved "
        "and never guessed.",
    .examples = "$ pratique images containers/\n"
                "$ pratique images containers/app/docker-compose.yml --env FACTORY=acme --json",
    .options = images_options,
    .least = 0,
    .most = SIZE_MAX,
    .run = images,
};
