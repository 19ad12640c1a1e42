/* pratique target verify: proof from a root that is trusted down to the registries. */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cmd/commands.h"
#include "cmd/session.h"
#include "target/prove.h"

static const pq_option verify_options[] = {
    {"root", '\0', "FILE", "The root.json that you trust; `tuf init` left one beside the keys. Required."},
    {"state", '\0', "DIR", "Remember what was seen in DIR, and refuse anything older from then on."},
    {0},
};

/* A repository behind a web server. */
typedef struct web {
    pq_http *http;
    const char *url;
} web;

static bool read_web(void *context, const char *path, pq_buf *out, pq_error *err)
{
    web *w = context;
    PQ_AUTO_FREE char *url = pq_asprintf("%s%s%s", w->url, pq_ends_with(w->url, "/") ? "" : "/", path);
    PQ_AUTO_BUF shown = PQ_BUF(PQ_MAX_MESSAGE);
    pq_url_add_shown(&shown, url);
    const char *where = pq_buf_text(&shown);
    pq_http_request request = {
        .method = "GET", .url = url, .where = where, .answer_cap = out->cap - out->length, .follow = true};
    PQ_AUTO_ANSWER answer = {0};
    if (!pq_http_do(w->http, &request, &answer, err))
        return false;
    if (answer.status == 404 || answer.status == 403) /* what object stores say of a file that is not there */
        return pq_fail(err, PQ_ENOTFOUND, where, NULL, "no such file (status %ld)", answer.status);
    if (answer.status != 200)
        return pq_fail(err, answer.status >= 500 || answer.status == 429 ? PQ_EBUSY : PQ_EFAILED, where, NULL,
                       "the server answered with status %ld", answer.status);
    pq_buf_add(out, pq_buf_text(&answer.body), answer.body.length);
    return true;
}

static void report(pq_cli *cli, const pq_proof *proof)
{
    char expires[PQ_TIME_TEXT];
    pq_time_text(proof->expires, expires);
    bool good = cli->errors.count == 0;
    if (good)
        pq_print(cli, "proved: %zu Target%s, %zu app%s, %zu image%s; root version %llu, metadata valid until %s\n",
                 proof->targets.count, proof->targets.count == 1 ? "" : "s", proof->apps.count,
                 proof->apps.count == 1 ? "" : "s", proof->images.count, proof->images.count == 1 ? "" : "s",
                 (unsigned long long)proof->root_version, expires);
    if (!cli->json)
        return;
    const struct {
        const char *key;
        const pq_strings *list;
    } lists[] = {{"targets", &proof->targets}, {"apps", &proof->apps}, {"images", &proof->images}};
    pq_json_set(cli->document, "proved", json_boolean(good));
    pq_json_set(cli->document, "root_version", json_integer((json_int_t)proof->root_version));
    pq_json_set(cli->document, "expires", pq_json_time(proof->expires));
    for (size_t i = 0; i < 3; i++) {
        json_t *array = json_array();
        for (size_t j = 0; j < lists[i].list->count; j++)
            pq_json_append(array, pq_json_text(lists[i].list->at[j]));
        pq_json_set(cli->document, lists[i].key, array);
    }
}

static void target_verify(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_SESSION session = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PROOF proof = {0};
    const char *place = arguments->words[0], *root_file = pq_arguments_value(arguments, "root");
    bool remote = pq_starts_with(place, "https://") || pq_starts_with(place, "http://");
    if (!root_file) {
        (void)pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, "--root FILE: the root.json that you trust",
                            "nothing can be proved without a root to begin from");
        return;
    }
    PQ_AUTO_BUF root = PQ_BUF(PQ_MAX_METADATA);
    if (!pq_read_file(root_file, &root, &err)) {
        err.code = PQ_EUSAGE;
        pq_cli_fail(cli, &err);
        return;
    }
    if (!pq_session_read_config(&session, cli, NULL, false) || !pq_session_open_secrets(&session, cli) ||
        !pq_session_connect(&session, cli))
        return;
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    web server = {.http = session.http, .url = place};
    PQ_AUTO_BUF shown = PQ_BUF(PQ_MAX_MESSAGE);
    if (remote)
        pq_url_add_shown(&shown, place);
    pq_tuf_source source = {.read = remote ? read_web : pq_tuf_read_tree, .name = remote ? pq_buf_text(&shown) : place};
    source.context = remote ? (void *)&server : (void *)&tree;
    if (!remote && !pq_tree_open(place, &tree, &err)) {
        pq_cli_fail(cli, &err);
        return;
    }
    pq_tuf_trust trust = {.root = root.data,
                          .root_length = root.length,
                          .root_name = root_file,
                          .state_dir = pq_arguments_value(arguments, "state"),
                          .now = pq_now()};
    PQ_AUTO_PLATFORM platform = {0};
    pq_platform_of_this_machine(&platform);
    pq_prove_options options = {.source = &source,
                                .trust = &trust,
                                .name = arguments->word_count > 1 ? arguments->words[1] : NULL,
                                .registry = session.registry,
                                .platform = &platform};
    (void)pq_prove(&options, &proof, &cli->errors);
    report(cli, &proof);
}

const pq_command pq_cmd_target_verify = {
    .name = "target verify",
    .synopsis = "REPO|URL [NAME] --root FILE [--state DIR]",
    .summary = "prove Targets from a trusted root down to the registries",
    .description =
        "Proves every Target, or the one that is named: the TUF metadata from the given root on (signatures, "
        "thresholds, "
        "expiry, versions, hashes), the Target's own file, each app's manifest and bundle in the hub, and each image "
        "that the app names, by digest, in its registry. Logs in to registries with the identities of "
        "factory-config.yml.",
    .examples = "$ pratique target verify /srv/tuf --root root.json\n"
                "$ pratique target verify https://tuf.example.com/ --root root.json --state ~/.cache/tuf",
    .options = verify_options,
    .least = 1,
    .most = 2,
    .run = target_verify,
};
