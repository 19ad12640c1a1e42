/* pratique check: is everything there that a tree needs? */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/signals.h"
#include "cmd/commands.h"
#include "cmd/scan_json.h"
#include "cmd/tree_images.h"
#include "target/preflight.h"

static const pq_option check_options[] = {
    {"manifests-only", '\0', NULL, "Do without reading manifests and trying one blob of each image."},
    PQ_SCAN_OPTIONS,
    {0},
};

typedef struct check {
    pq_cli *cli;
    pq_session session;
    pq_tree_images tree;
    pq_preflight preflight;
    pq_platform platform; /* of this machine */
    pq_platform *wanted;  /* containers.platforms, or this machine's */
    size_t wanted_count;
    size_t logins, unreached;                        /* registries that are not in order */
    size_t denied, missing, unreachable, unresolved; /* images that are not */
    bool ran;                                        /* the registries were asked */
} check;

static void clear_check(check *c)
{
    pq_session_clear(&c->session);
    pq_tree_images_clear(&c->tree);
    pq_preflight_clear(&c->preflight);
    pq_platform_clear(&c->platform);
    for (size_t i = 0; i < c->wanted_count; i++)
        pq_platform_clear(&c->wanted[i]);
    free(c->wanted);
}

/* What images must be made for. What the configuration says was checked when it was read. */
static void read_platforms(check *c)
{
    const pq_strings *names = &c->session.config.platforms;
    PQ_AUTO_ERROR ignored = {0};
    pq_platform_of_this_machine(&c->platform);
    c->wanted = pq_alloc(names->count + 1, sizeof *c->wanted);
    for (size_t i = 0; i < names->count; i++)
        if (pq_platform_parse(names->at[i], &c->wanted[c->wanted_count], &ignored))
            c->wanted_count++;
    if (!c->wanted_count)
        pq_platform_copy(&c->platform, &c->wanted[c->wanted_count++]);
}

static void add_step(pq_cli *cli, bool *any, size_t count, const char *before, const char *what, const char *after)
{
    if (!count)
        return;
    pq_print(cli, "%s%s %zu %s%s%s", *any ? "; " : "to do: ", before, count, what, count == 1 ? "" : "s", after);
    *any = true;
}

/* What is left to do, in one line; the errors say how. */
static void print_summary(check *c)
{
    pq_cli *cli = c->cli;
    bool any = false;
    add_step(cli, &any, c->logins, "mend", "login", "");
    add_step(cli, &any, c->unreached, "try", "login", " again");
    add_step(cli, &any, c->denied, "get the right to pull", "image", "");
    add_step(cli, &any, c->missing, "correct", "image", "");
    add_step(cli, &any, c->unreachable, "try", "image", " again");
    add_step(cli, &any, c->unresolved, "give a value to", "image", "");
    if (any)
        pq_print(cli, "\n");
}

/* CI needs no more than pull. The hub is where we publish: its identity may do that. */
static void warn_of_push(const pq_checked_registry *registry, const char *access)
{
    if (registry->can_push == PQ_PUSH_YES && strcmp(access, "hub") != 0)
        pq_warn(registry->host,
                "give it an identity with the least privilege: `pratique policy` prints what pulling takes",
                "%s can do more than pull: it may push to %s", registry->identity, registry->pushed);
}

static void print_registry(check *c, json_t *list, const pq_checked_registry *registry)
{
    pq_cli *cli = c->cli;
    const char *access = pq_session_access(&c->session, registry->host);
    bool unreached = registry->error.code == PQ_ETRANSPORT || registry->error.code == PQ_EBUSY;
    if (!registry->ok && registry->needed)
        *(unreached ? &c->unreached : &c->logins) += 1;
    pq_print_status(cli, registry->ok ? "ok" : "failed", registry->ok);
    pq_print(cli, "%s  %s", registry->host, access);
    if (registry->identity && !pq_streq(registry->identity, access)) {
        pq_print(cli, ", ");
        pq_print_text(cli, registry->identity);
    }
    static const char *const rights[] = {"", ", pull only", ", can push"};
    pq_print(cli, "%s\n", rights[registry->can_push]);
    warn_of_push(registry, access);
    json_t *one = json_object();
    pq_json_set(one, "registry", pq_json_text(registry->host));
    pq_json_set(one, "access", json_string(access));
    pq_json_set(one, "login", json_string(registry->ok ? "ok" : "failed"));
    pq_json_set(one, "identity", pq_json_text(registry->identity));
    pq_json_set(one, "expires", pq_json_time(registry->expires));
    pq_json_set(one, "can_push",
                registry->can_push == PQ_PUSH_UNKNOWN ? json_null() : json_boolean(registry->can_push == PQ_PUSH_YES));
    pq_json_set(one, "error", pq_json_text(registry->error.message));
    pq_json_append(list, one);
}

static void print_size(pq_cli *cli, uint64_t size)
{
    if (size >= 10u << 20)
        pq_print(cli, "  %.0f MiB", (double)size / (1u << 20));
    else if (size)
        pq_print(cli, "  %.1f MiB", (double)size / (1u << 20));
}

static void print_image(check *c, json_t *list, const pq_image_use *use)
{
    pq_cli *cli = c->cli;
    const pq_checked_image *image = pq_preflight_find(&c->preflight, &use->reference);
    const char *status = pq_image_status_name(image->status);
    const char *mirror = image->status == PQ_IMAGE_OK ? pq_checked_image_mirror(image) : NULL;
    if (image->error.code != PQ_OK) {
        c->denied += image->status == PQ_IMAGE_DENIED;
        c->missing += image->status == PQ_IMAGE_NOT_FOUND;
        c->unreachable += image->status == PQ_IMAGE_UNREACHABLE;
    }
    pq_print_status(cli, status, image->status == PQ_IMAGE_OK || image->status == PQ_IMAGE_BUILT_HERE);
    pq_print_text(cli, use->image);
    pq_print(cli, "  ");
    pq_print_text(cli, use->file);
    pq_print(cli, ":%u", use->line);
    if (image->digest)
        pq_print(cli, "  %.19s", image->digest);
    print_size(cli, image->size);
    if (mirror)
        pq_print(cli, "  from %s", mirror);
    pq_print(cli, "\n");
    json_t *one = json_object(), *platforms = json_array();
    for (size_t i = 0; i < image->platforms.count; i++)
        pq_json_append(platforms, pq_json_text(image->platforms.at[i]));
    pq_json_set(one, "image", pq_json_text(use->image));
    pq_json_set(one, "file", pq_json_text(use->file));
    pq_json_set(one, "line", json_integer((json_int_t)use->line));
    pq_json_set(one, "status", json_string(status));
    pq_json_set(one, "digest", pq_json_text(image->digest));
    pq_json_set(one, "platforms", platforms);
    pq_json_set(one, "size", image->size ? json_integer((json_int_t)image->size) : json_null());
    pq_json_set(one, "error", pq_json_text(image->error.message));
    pq_json_set(one, "mirror", pq_json_text(mirror));
    pq_json_append(list, one);
    if (image->error.code != PQ_OK) {
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", use->file, use->line);
        (void)pq_errors_add(&cli->errors, image->error.code, where, image->error.hint, "%s: %s", image->pull,
                            image->error.message);
    }
}

static void print_unresolved(check *c, json_t *list, const pq_unresolved *unresolved)
{
    pq_cli *cli = c->cli;
    c->unresolved++;
    pq_print_status(cli, "unresolved", false);
    pq_print_text(cli, unresolved->text);
    pq_print(cli, "  ");
    pq_print_text(cli, unresolved->file);
    pq_print(cli, ":%u\n", unresolved->line);
    json_t *one = json_object();
    pq_json_set(one, "image", pq_json_text(unresolved->text));
    pq_json_set(one, "file", pq_json_text(unresolved->file));
    pq_json_set(one, "line", json_integer((json_int_t)unresolved->line));
    pq_json_set(one, "status", json_string("unresolved"));
    pq_json_set(one, "digest", json_null());
    pq_json_set(one, "platforms", json_array());
    pq_json_set(one, "size", json_null());
    pq_json_set(one, "error", pq_json_text(unresolved->reason));
    pq_json_set(one, "mirror", json_null());
    pq_json_append(list, one);
    pq_tree_images_unresolved(unresolved, &cli->errors);
}

static void report(check *c)
{
    pq_cli *cli = c->cli;
    json_t *registries = json_array(), *images = json_array();
    for (size_t i = 0; c->ran && i < c->preflight.registry_count; i++) {
        const pq_checked_registry *registry = &c->preflight.registries[i];
        const pq_error *err = &registry->error;
        if (!registry->asked)
            continue;
        print_registry(c, registries, registry);
        if (err->code != PQ_OK && registry->needed)
            (void)pq_errors_add(&cli->errors, err->code, err->where, err->hint, "%s", err->message);
    }
    for (size_t i = 0; c->ran && i < c->tree.scan.use_count; i++)
        print_image(c, images, &c->tree.scan.uses[i]);
    for (size_t i = 0; i < c->tree.scan.unresolved_count; i++)
        print_unresolved(c, images, &c->tree.scan.unresolved[i]);
    print_summary(c);
    if (cli->json) {
        pq_json_set(cli->document, "registries", registries);
        pq_json_set(cli->document, "images", images);
    } else {
        json_decref(registries);
        json_decref(images);
    }
}

static void run_check(check *c, const pq_arguments *arguments)
{
    pq_cli *cli = c->cli;
    PQ_AUTO_SCAN_ARGUMENTS how = {0};
    PQ_AUTO_STRINGS scanned = {0};
    const char *folder = arguments->word_count ? arguments->words[0] : ".";
    pq_strings_add(&scanned, folder);
    bool good = pq_scan_arguments_read(cli, arguments, &how);
    if (!pq_session_read_config(&c->session, cli, &scanned, false) || !good)
        return;
    if (!c->session.config_path)
        pq_note("without a configuration every registry is asked as a stranger: name one with --config FILE");
    bool read = pq_session_read_mirrors(&c->session, cli, &scanned);
    c->preflight.mirrors = &c->session.mirrors;
    read_platforms(c);
    if (!pq_tree_images_read(&c->tree, folder, &how, &c->session.config, &cli->errors) || !read ||
        !pq_session_open_secrets(&c->session, cli) || !pq_session_connect(&c->session, cli))
        return;
    if (!c->tree.scan.use_count && !c->tree.scan.unresolved_count)
        pq_note("%s refers to no image: is it the folder that you mean?", folder);
    for (size_t i = 0; i < c->session.config.registry_count; i++)
        if (c->session.config.registries[i].host.text)
            pq_preflight_add_host(&c->preflight, c->session.config.registries[i].host.text);
    if (c->session.config.hub.line)
        pq_preflight_add_host(&c->preflight, c->session.config.hub.host.text);
    for (size_t i = 0; i < c->tree.scan.use_count; i++)
        (void)pq_preflight_add_image(&c->preflight, &c->tree.scan.uses[i].reference,
                                     pq_tree_images_built_here(&c->tree, &c->tree.scan.uses[i].reference));
    /* What can be known offline is said before anything is sent anywhere. */
    PQ_AUTO_STRINGS hosts = {0};
    pq_preflight_hosts(&c->preflight, &hosts);
    if (!pq_auth_check_hosts(c->session.auth, &hosts, &cli->errors))
        return;
    c->ran = true;
    pq_preflight_options options = {.registry = c->session.registry,
                                    .platform = &c->wanted[0],
                                    .also = c->wanted + 1,
                                    .also_count = c->wanted_count - 1,
                                    .try_push = true,
                                    .manifests_only = pq_arguments_have(arguments, "manifests-only")};
    (void)pq_preflight_run(&c->preflight, &options);
}

static void check_command(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_CLEANUP(clear_check) check c = {.cli = cli};
    run_check(&c, arguments);
    report(&c);
}

const pq_command pq_cmd_check = {
    .name = "check",
    .synopsis = "[DIR]",
    .summary = "log in to each registry and resolve each image",
    .description =
        "Logs in to each registry of the configuration, resolves every image that DIR (default: here) refers to, and "
        "tries one blob of each, since a right to manifests is not yet one to layers. Each image must be made for "
        "every platform of `containers.platforms`, or else for this machine's. At Docker Hub only the existence is "
        "asked for, since reading a manifest counts as a pull. An identity that can do more than pull is warned of; "
        "finding that out changes nothing in a registry. `pratique policy` prints the least that it needs. Images that "
        "DIR builds itself are `built-here`. Mirrors, "
        "other "
        "locations and blocked registries are those of this machine's registries.conf, as podman reads it; an image "
        "that came from a mirror says so. On a terminal the progress is shown; the last line says what is to do.",
    .examples = "$ pratique check containers/\n"
                "$ pratique check containers/ --json",
    .options = check_options,
    .least = 0,
    .most = 1,
    .run = check_command,
};
