/* pratique device check: why does this device not pull? */
#include <stdio.h>
#include <string.h>

#include "auth/common/device_identity.h"
#include "base/limits.h"
#include "base/signals.h"
#include "cmd/commands.h"
#include "cmd/session.h"
#include "config/device.h"
#include "config/host.h"
#include "crypto/chain.h"
#include "device/check/identity.h"
#include "device/check/registry.h"

static const pq_option device_check_options[] = {
    {"image", '\0', "REF", "Try to pull this image as well, without keeping it. May be given again."},
    {"timeout", '\0', "SECONDS", "How long a server may take to be connected to, and to answer; 10 without it."},
    {0},
};

typedef struct check {
    pq_cli *cli;
    pq_session session;
    pq_identity *identity;
    pq_check_steps device; /* steps that no registry is needed for */
    pq_check_options options;
    pq_reference *images;
    size_t image_count;
    char *endpoint;             /* that was spoken of last */
    pq_strings stops;           /* "`login` of HOST", for each walk that ended early */
    size_t walked, good;        /* registries */
    json_t *facts, *registries; /* of --json */
} check;

static void clear_check(check *c)
{
    pq_session_clear(&c->session);
    pq_identity_free(c->identity);
    pq_check_steps_clear(&c->device);
    for (size_t i = 0; i < c->image_count; i++)
        pq_reference_clear(&c->images[i]);
    free(c->images);
    free(c->endpoint);
    pq_strings_clear(&c->stops);
    json_decref(c->facts);
    json_decref(c->registries);
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

static void print_hint(pq_cli *cli, const pq_check_step *step)
{
    static const char indent[] = "            ";
    PQ_AUTO_STRINGS parts = {0};
    pq_check_hint_parts(step->hint, &parts);
    if (parts.count > 1)
        pq_print(cli, "%sit can be that\n", indent);
    for (size_t i = 0; i < parts.count; i++) {
        pq_print(cli, "%s%s", indent, parts.count > 1 ? "- " : step->status == PQ_CHECK_FAILED ? "" : "note: ");
        pq_print_text(cli, parts.at[i]);
        pq_print(cli, "\n");
    }
}

/* As soon as it is done. */
static void print_step(void *context, const pq_check_step *step)
{
    check *c = context;
    pq_cli *cli = c->cli;
    if (cli->json || (step->status == PQ_CHECK_SKIPPED && pq_starts_with(step->detail, "not tried")))
        return;
    if (step->endpoint && !pq_streq(step->endpoint, c->endpoint)) {
        pq_print(cli, "at ");
        pq_print_text(cli, step->endpoint);
        pq_print(cli, "\n");
        free(c->endpoint);
        c->endpoint = pq_strdup(step->endpoint);
    }
    pq_print_status(cli, pq_check_status_name(step->status), step->status != PQ_CHECK_FAILED);
    pq_print(cli, "%-20s", step->name);
    pq_print_text(cli, step->detail);
    pq_print(cli, "\n");
    if (step->hint)
        print_hint(cli, step);
    pq_cli_write(cli, "", 0);
}

/* The link that a walk ended at. */
static const char *broken_link(const pq_check_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++)
        if (steps->at[i].status == PQ_CHECK_FAILED)
            return steps->at[i].name;
    return "";
}

/* What else is wrong with a link that was just told to be broken. */
static void print_others(check *c, const char *link, const pq_error *errors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const pq_error *err = &errors[i];
        PQ_AUTO_FREE char *detail =
            err->where ? pq_asprintf("%s: %s", err->where, err->message) : pq_strdup(err->message);
        print_step(c, &(pq_check_step){.name = link, .status = PQ_CHECK_FAILED, .detail = detail, .hint = err->hint});
    }
}

/* Reasons and mends were printed: what is left to say is where the walks ended, and how many did not. */
static void close_report(check *c)
{
    pq_cli *cli = c->cli;
    if (pq_interrupted() && pq_errors_status(&cli->errors) != pq_code_status(PQ_EINTERRUPTED))
        (void)pq_errors_add(&cli->errors, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
    if (!cli->errors.count) {
        pq_print(cli, "\nevery link is in order\n");
        return;
    }
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_TEXT);
    for (size_t i = 0; i < c->stops.count; i++)
        pq_buf_addf(&text, "%s%s", i ? ", " : "stopped at ", c->stops.at[i]);
    if (c->walked > 1 && !c->good)
        pq_buf_addf(&text, "; none of %zu registries is in order", c->walked);
    else if (c->walked > 1)
        pq_buf_addf(&text, "; %zu of %zu registries %s in order", c->good, c->walked, c->good == 1 ? "is" : "are");
    pq_buf_adds(&text, " (mend that and run it again: what comes after was not tried)");
    cli->closing = pq_interrupted() ? pq_strdup("interrupted") : pq_strdup(pq_buf_text(&text));
}

static json_t *json_of_steps(const pq_check_steps *steps)
{
    json_t *list = json_array();
    for (size_t i = 0; i < steps->count; i++) {
        const pq_check_step *step = &steps->at[i];
        json_t *one = json_object();
        pq_json_set(one, "step", json_string(step->name));
        pq_json_set(one, "status", json_string(pq_check_status_name(step->status)));
        pq_json_set(one, "endpoint", pq_json_text(step->endpoint));
        pq_json_set(one, "detail", pq_json_text(step->detail));
        pq_json_set(one, "hint", pq_json_text(step->hint));
        pq_json_append(list, one);
    }
    return list;
}

static void add_certificate(json_t *facts, const pq_identity *identity)
{
    const pq_certificate *certificate = identity ? pq_identity_certificate(identity) : NULL;
    PQ_AUTO_FREE char *serial = certificate ? pq_certificate_serial(certificate) : NULL;
    PQ_AUTO_FREE char *issuer = certificate ? pq_certificate_issuer(certificate) : NULL;
    PQ_AUTO_FREE char *kind = certificate ? pq_certificate_key_words(certificate) : NULL;
    PQ_AUTO_FREE char *fingerprint = certificate ? pq_device_key(identity) : NULL;
    pq_json_set(facts, "name", pq_json_text(certificate ? pq_certificate_name(certificate) : NULL));
    pq_json_set(facts, "serial", pq_json_text(serial));
    pq_json_set(facts, "fingerprint", pq_json_text(fingerprint));
    pq_json_set(facts, "issuer", pq_json_text(issuer));
    pq_json_set(facts, "begins", pq_json_time(certificate ? pq_certificate_begins(certificate) : 0));
    pq_json_set(facts, "ends", pq_json_time(certificate ? pq_certificate_ends(certificate) : 0));
    pq_json_set(facts, "chain",
                certificate ? json_integer((json_int_t)pq_certificate_count(certificate)) : json_null());
    pq_json_set(facts, "key_kind", pq_json_text(kind));
    pq_json_set(facts, "in_token", identity ? json_boolean(pq_identity_in_token(identity)) : json_null());
}

static void add_device(check *c)
{
    const pq_config *config = &c->session.config;
    PQ_AUTO_FREE char *certificate =
        config->device.certificate.text ? pq_check_place(config->device.certificate.text) : NULL;
    PQ_AUTO_FREE char *key = config->device.key.text ? pq_check_place(config->device.key.text) : NULL;
    pq_json_set(c->facts, "config", pq_json_text(c->session.config_path));
    pq_json_set(c->facts, "certificate", pq_json_text(certificate));
    pq_json_set(c->facts, "key", pq_json_text(key));
    add_certificate(c->facts, c->identity);
    pq_json_set(c->facts, "steps", json_of_steps(&c->device));
}

static void add_registry(check *c, const pq_check_target *target, const pq_check_steps *steps, const pq_error *err)
{
    json_t *one = json_object();
    pq_json_set(one, "registry", pq_json_text(target->host));
    pq_json_set(one, "type", json_string(pq_registry_type_name(target->entry->type)));
    pq_json_set(one, "way", pq_json_text(pq_config_device_way(target->entry->auth)));
    pq_json_set(one, "steps", json_of_steps(steps));
    pq_json_set(one, "error", pq_json_text(err->message));
    pq_json_append(c->registries, one);
}

/* The error stays in the steps, for the document; what ends the run is a copy. */
static void fail_run(check *c, const pq_error *err, const char *where)
{
    (void)pq_errors_add(&c->cli->errors, err->code, err->where ? err->where : where, err->hint, "%s", err->message);
}

/* --- what is asked for -------------------------------------------------------------------------------------------- */

static bool read_timeout(check *c, const pq_arguments *arguments)
{
    const char *given = pq_arguments_value(arguments, "timeout");
    uint64_t seconds = 10;
    if (given && (!pq_parse_number(given, 3600, &seconds) || !seconds))
        return pq_errors_add(&c->cli->errors, PQ_EUSAGE, NULL, NULL, "--timeout wants a number of seconds, 1 to 3600");
    pq_http_options options = pq_http_options_from_environment();
    PQ_AUTO_ERROR err = {0};
    options.connect_timeout = (double)seconds;
    options.idle_timeout = (double)seconds;
    /* Who waits at the bench wants the reason sooner than a success later. */
    options.tries = 2;
    c->options.seconds = (double)seconds;
    if (!pq_http_new(&options, &c->session.http, &err)) {
        pq_cli_fail(c->cli, &err);
        return false;
    }
    c->options.http = c->session.http;
    return true;
}

static bool read_images(check *c, const pq_arguments *arguments)
{
    PQ_AUTO_STRINGS given = {0};
    pq_arguments_values(arguments, "image", &given);
    c->images = pq_alloc(given.count + 1, sizeof *c->images);
    bool good = true;
    for (size_t i = 0; i < given.count; i++) {
        PQ_AUTO_ERROR err = {0};
        pq_reference *image = &c->images[c->image_count];
        if (!pq_reference_parse(given.at[i], image, &err)) {
            err.code = PQ_EUSAGE;
            (void)pq_error_at(&err, "--image");
            pq_cli_fail(c->cli, &err);
            good = false;
            continue;
        }
        c->image_count++;
        if (!pq_config_registry_for_host(&c->session.config, image->domain))
            good = pq_errors_add(&c->cli->errors, PQ_EUSAGE, "--image", "name an image with its registry's host",
                                 "no entry of the device's configuration serves %s", image->domain);
    }
    return good;
}

/* Those of HOST…, all without. */
static bool is_wanted(const check *c, const pq_arguments *arguments, const pq_config_registry *entry)
{
    for (size_t i = 0; i < arguments->word_count; i++)
        if (pq_config_registry_for_host(&c->session.config, arguments->words[i]) == entry)
            return true;
    return arguments->word_count == 0;
}

static bool check_hosts(check *c, const pq_arguments *arguments)
{
    bool good = true;
    for (size_t i = 0; i < arguments->word_count; i++) {
        const char *word = arguments->words[i], *reason = NULL;
        PQ_AUTO_FREE char *host = NULL, *right = NULL;
        if (pq_config_registry_for_host(&c->session.config, word))
            continue;
        if (!pq_host_parse(word, &host, &reason, &right)) {
            PQ_AUTO_FREE char *hint = right ? pq_asprintf("write %s", right) : NULL;
            good = pq_errors_add(&c->cli->errors, PQ_EUSAGE, word, hint, "is not a registry's host: it %s", reason);
        } else {
            good = pq_errors_add(&c->cli->errors, PQ_EUSAGE, NULL, "see `registries` in it",
                                 "no entry of the device's configuration serves %s", word);
        }
    }
    return good;
}

/* --- the walk ----------------------------------------------------------------------------------------------------- */

static bool ask_time(void *context, time_t *out, char **out_server)
{
    const check *c = context;
    enum { ENOUGH = 3 };
    for (size_t i = 0; i < c->session.config.registry_count && i < ENOUGH; i++) {
        if (pq_check_entry_time(&c->options, &c->session.config.registries[i], out, out_server))
            return true;
    }
    return false;
}

static bool read_config(check *c)
{
    pq_cli *cli = c->cli;
    size_t before = cli->errors.count;
    if (pq_session_read_device(&c->session, cli, NULL)) {
        size_t count = c->session.config.registry_count;
        if (count) {
            pq_check_ok(&c->device, PQ_CHECK_CONFIG, NULL, NULL, "%s, with %zu registr%s", c->session.config.name,
                        count, count == 1 ? "y" : "ies");
            return true;
        }
        (void)pq_errors_add(&cli->errors, PQ_ECONFIG, c->session.config.name, NULL, "names no registry to check");
    }
    PQ_AUTO_ERROR err = {0};
    const pq_error *first = cli->errors.count > before ? &cli->errors.at[before] : NULL;
    if (first)
        (void)pq_fail(&err, first->code, first->where, first->hint, "%s", first->message);
    if (!first)
        return false;
    (void)pq_check_fail(&c->device, PQ_CHECK_CONFIG, NULL, &err);
    print_others(c, PQ_CHECK_CONFIG, &cli->errors.at[before + 1], cli->errors.count - before - 1);
    pq_strings_add(&c->stops, "`" PQ_CHECK_CONFIG "`");
    close_report(c);
    return false;
}

static bool check_device(check *c)
{
    const pq_config *config = &c->session.config;
    const pq_check_identity_ask ask = {.config = config, .ask_time = ask_time, .ask_time_context = c};
    bool good =
        config->device.line ? pq_check_identity(&ask, &c->device, &c->identity) : pq_check_own_clock(&ask, &c->device);
    c->options.identity = c->identity;
    if (!good) {
        fail_run(c, &c->device.error, NULL);
        pq_strings_take(&c->stops, pq_asprintf("`%s` of this device", broken_link(&c->device)));
    }
    return good;
}

static void check_registry(check *c, const pq_arguments *arguments, const pq_config_registry *entry, bool device_good)
{
    pq_cli *cli = c->cli;
    pq_check_target target = {.entry = entry, .host = entry->host.text};
    PQ_AUTO_CHECK_STEPS steps = {.said = print_step, .said_context = c};
    pq_reference *own = pq_alloc(c->image_count + 1, sizeof *own); /* borrowed contents */
    for (size_t i = 0; i < c->image_count; i++)
        if (pq_config_registry_for_host(&c->session.config, c->images[i].domain) == entry)
            own[target.image_count++] = c->images[i];
    for (size_t i = 0; !target.host && i < arguments->word_count; i++)
        if (pq_config_registry_for_host(&c->session.config, arguments->words[i]) == entry)
            target.host = arguments->words[i];
    if (!target.host && target.image_count)
        target.host = own[0].domain;
    target.images = own;
    free(pq_steal(c->endpoint));
    const char *shown = target.host ? target.host : "every registry of Google's";
    c->walked++;
    pq_print(cli, "\n%s  %s, %s\n", shown, pq_registry_type_name(entry->type), pq_config_device_way(entry->auth));
    if (!device_good && entry->auth != PQ_AUTH_FILE) {
        pq_check_registry_skip(entry, &steps, "a link before it is broken");
        pq_print(cli, "not tried: a link before it is broken\n");
        add_registry(c, &target, &steps, &c->device.error);
    } else {
        if (pq_check_registry(&c->options, &target, &steps)) {
            c->good++;
        } else {
            const char *link = broken_link(&steps);
            fail_run(c, &steps.error, target.host);
            print_others(c, link, steps.others.at, steps.others.count);
            pq_strings_take(&c->stops, pq_asprintf("`%s` of %s", link, shown));
        }
        pq_errors_append(&cli->errors, &steps.others);
        add_registry(c, &target, &steps, &steps.error);
    }
    free(own);
}

static void run_check(check *c, const pq_arguments *arguments)
{
    const char *certs = pq_getenv("PRATIQUE_CERTS_DIR");
    c->options.certs_dir = certs;
    c->device.said = print_step;
    c->device.said_context = c;
    if (c->cli->config_option) {
        (void)pq_errors_add(&c->cli->errors, PQ_EUSAGE, NULL, "name it with --device-config FILE",
                            "device check reads a device.yml, and --config names a factory-config.yml");
        return;
    }
    if (!read_config(c))
        return;
    c->options.config = &c->session.config;
    bool good = check_hosts(c, arguments);
    if (!read_images(c, arguments) || !good || !read_timeout(c, arguments))
        return;
    good = check_device(c);
    for (size_t i = 0; i < c->session.config.registry_count; i++)
        if (!pq_interrupted() && is_wanted(c, arguments, &c->session.config.registries[i]))
            check_registry(c, arguments, &c->session.config.registries[i], good);
    close_report(c);
}

static void device_check(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_CLEANUP(clear_check) check c = {.cli = cli, .facts = json_object(), .registries = json_array()};
    /* Into a pipe too, so that a link that takes long is seen by what comes before it. */
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    run_check(&c, arguments);
    add_device(&c);
    if (cli->json) {
        pq_json_set(cli->document, "device", json_incref(c.facts));
        pq_json_set(cli->document, "registries", json_incref(c.registries));
    }
}

const pq_command pq_cmd_device_check = {
    .name = "device check",
    .synopsis = "[HOST]...",
    .summary = "why a device does not pull: each link from its certificate to an image",
    .description =
        "Walks the chain from the device's certificate to an image, for each registry of the device's configuration or "
        "those of HOST, prints each link as it passes, and stops at the first that is broken with the reason and what "
        "to do. Where a service only says `Not Found` or `Access Denied`, all that it can be is listed, with the "
        "command that shows it. The links are: `config`, `clock`, `identity` (certificate and key open and belong "
        "together), `certificate` (dates, use, order of the chain); then for each registry `settings`, for each server "
        "on the way `dns`, `tcp`, `tls`, `client-certificate` and `clock` (against the server's), what they answer as "
        "`login`, `role` and `token`, `registry` (takes the credential) and `image`. Each is `ok`, `failed` or "
        "`skipped`. That is the report, on standard output; one closing line on standard error says at which links the "
        "walks ended. The cache of tokens is neither read nor written, nothing is kept, and no secret is shown. Run it "
        "as the user that the device's key belongs to.",
    .examples = "$ pratique device check\n"
                "$ pratique device check acme.azurecr.io --image acme.azurecr.io/web/nginx:1.25\n"
                "$ pratique --device-config device.yml device check --json",
    .options = device_check_options,
    .least = 0,
    .most = SIZE_MAX,
    .run = device_check,
};
