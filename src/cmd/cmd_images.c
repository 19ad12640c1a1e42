/* pratique images: every image that a tree refers to, offline. */
#include "cmd/commands.h"
#include "cmd/scan_json.h"
#include "cmd/scan_options.h"

#include <string.h>

static const pq_option images_options[] = {PQ_SCAN_OPTIONS, {0}};

/* The two lists that are printed: images as they come, the rest when all have come. */
typedef struct report {
    pq_cli *cli;
    const pq_session *session;
    bool any;
    pq_buf unresolved;
} report;

/* What was found in some files, as it is printed; in JSON with a comma before each. */
typedef struct printed {
    pq_buf uses, unresolved;
} printed;

static void add_use(const report *to, const pq_image_use *use, pq_buf *out)
{
    if (to->cli->json) {
        pq_buf_addc(out, ',');
        pq_json_add_use(to->session, use, out);
        return;
    }
    pq_buf_add_printable(out, use->file, strlen(use->file));
    pq_buf_addf(out, ":%u: %s ", use->line, pq_image_kind_name(use->kind));
    pq_buf_add_printable(out, use->image, strlen(use->image));
    pq_buf_addf(out, " (%s)\n", pq_session_access(to->session, use->reference.domain));
}

static void add_unresolved(const report *to, const pq_unresolved *unresolved, pq_buf *out)
{
    if (to->cli->json) {
        pq_buf_addc(out, ',');
        pq_json_add_unresolved(unresolved, out);
        return;
    }
    pq_buf_add_printable(out, unresolved->file, strlen(unresolved->file));
    pq_buf_addf(out, ":%u: %s ", unresolved->line, pq_image_kind_name(unresolved->kind));
    pq_buf_add_printable(out, unresolved->text, strlen(unresolved->text));
    pq_buf_adds(out, " (unresolved: ");
    pq_buf_add_printable(out, unresolved->reason, strlen(unresolved->reason));
    pq_buf_adds(out, ")\n");
}

/* On any thread. */
static void *prepare(void *context, const pq_scan *found)
{
    const report *to = context;
    printed *out = pq_alloc(1, sizeof *out);
    *out = (printed){PQ_BUF(SIZE_MAX / 2), PQ_BUF(SIZE_MAX / 2)};
    for (size_t i = 0; i < found->use_count; i++)
        add_use(to, &found->uses[i], &out->uses);
    for (size_t i = 0; i < found->unresolved_count; i++)
        add_unresolved(to, &found->unresolved[i], &out->unresolved);
    return out;
}

static void take(void *context, pq_scan *found, void *prepared)
{
    (void)found;
    report *to = context;
    printed *more = prepared;
    if (more->uses.length) {
        size_t comma = to->cli->json && !to->any ? 1 : 0; /* not before the first of all */
        pq_cli_write(to->cli, more->uses.data + comma, more->uses.length - comma);
        to->any = true;
    }
    if (more->unresolved.length) {
        size_t comma = to->cli->json && !to->unresolved.length ? 1 : 0;
        pq_buf_add(&to->unresolved, more->unresolved.data + comma, more->unresolved.length - comma);
    }
    pq_buf_clear(&more->uses);
    pq_buf_clear(&more->unresolved);
    free(more);
}

static void begin(pq_cli *cli)
{
    static const char text[] = "{\n  \"images\": [";
    if (cli->json)
        pq_cli_write(cli, text, strlen(text));
    cli->begun = cli->json;
}

static void end(report *what)
{
    PQ_AUTO_BUF text = PQ_BUF(SIZE_MAX / 2);
    bool json = what->cli->json;
    if (json)
        pq_buf_addf(&text, "%s],\n  \"unresolved\": [", what->any ? "\n  " : "");
    pq_buf_add(&text, pq_buf_text(&what->unresolved), what->unresolved.length);
    if (json)
        pq_buf_addf(&text, "%s],\n", what->unresolved.length ? "\n  " : "");
    pq_cli_write(what->cli, pq_buf_text(&text), text.length);
}

static void images(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_SESSION session = {0};
    PQ_AUTO_SCAN_ARGUMENTS how = {0};
    PQ_AUTO_STRINGS paths = {0};
    for (size_t i = 0; i < arguments->word_count; i++)
        pq_strings_add(&paths, arguments->words[i]);
    if (!paths.count)
        pq_strings_add(&paths, ".");
    bool good = pq_scan_arguments_read(cli, arguments, &how);
    good = pq_session_read_config(&session, cli, &paths, false) && good;
    report to = {.cli = cli, .session = &session, .unresolved = PQ_BUF(SIZE_MAX / 2)};
    pq_scan_sink sink = {.prepare = prepare, .take = take, .context = &to};
    begin(cli);
    for (size_t i = 0; good && i < paths.count; i++)
        pq_scan_path_to(paths.at[i], &how.options, &sink, &cli->errors);
    end(&to);
    pq_buf_clear(&to.unresolved);
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
