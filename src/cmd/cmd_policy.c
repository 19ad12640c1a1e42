/* pratique policy: the rights that pulling takes, for exactly the repositories of a tree. */
#include "cmd/commands.h"

#include <string.h>

#include "auth/policy/policy.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/session.h"
#include "cmd/tree_images.h"
#include "crypto/identity.h"

static const pq_option policy_options[] = {
    {"role", '\0', "NAME",
     "At AWS, give the rights to this role (or its ARN) and not to the entries' identities: a role of "
     "devices, say."},
    PQ_SCAN_OPTIONS,
    {"device", '\0', NULL,
     "For the certificates of devices: what each entry of device.yml (/etc/pratique/device.yml, or --device-config) "
     "needs."},
    {"repository", '\0', "NAME",
     "With --device, a repository that devices pull: HOST/NAME, or NAME if there is one registry; may be repeated."},
    {"subject", '\0', "NAME",
     "With --device, the common name of a device's certificate; may be repeated. In the trust of IAM Roles Anywhere it "
     "may be a pattern, dev-*. Default: that of the certificate in device.yml, if it can be read here."},
    {"account", '\0', "ID", "With --device, the AWS account of the role and of AWS IoT; default: the registry's."},
    {"out", '\0', "DIR", "Write the JSON documents into DIR; the commands then name these files."},
    {0},
};

/* Words as comments of a shell script. */
static void print_note(pq_cli *cli, const char *text)
{
    enum { WIDTH = 100 };
    size_t column = 0;
    for (const char *at = text; *at;) {
        size_t word = strcspn(at, " ");
        bool breaks = column == 0 || column + 1 + word > WIDTH;
        pq_print(cli, "%s", breaks ? column ? "\n# " : "# " : " ");
        column = breaks ? 2 + word : column + 1 + word;
        PQ_AUTO_FREE char *part = pq_strndup(at, word);
        pq_print_text(cli, part);
        at += word + (at[word] == ' ');
    }
    pq_print(cli, "\n");
}

/* A command as it is, or as a comment. */
static void print_command(pq_cli *cli, const char *command, bool comment)
{
    for (const char *at = command; *at;) {
        size_t length = strcspn(at, "\n");
        pq_print(cli, "%s%.*s\n", comment ? "# " : "", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

static void print_step(pq_cli *cli, json_t *list, const pq_policy_step *step)
{
    PQ_AUTO_FREE char *shown = pq_policy_step_command(step, 2);
    PQ_AUTO_FREE char *command = pq_policy_step_command(step, 0);
    if (step->note) {
        pq_print(cli, "\n");
        print_note(cli, step->note);
    }
    if (shown)
        print_command(cli, shown, step->by_hand);
    json_t *one = json_object();
    pq_json_set(one, "note", pq_json_text(step->note));
    pq_json_set(one, "command", pq_json_text(command));
    pq_json_set(one, "document", step->document ? json_loads(step->document, 0, NULL) : json_null());
    pq_json_set(one, "file", pq_json_text(step->file));
    pq_json_set(one, "by_hand", json_boolean(step->by_hand));
    pq_json_append(list, one);
}

static json_t *list_of(const pq_strings *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++)
        pq_json_append(list, pq_json_text(texts->at[i]));
    return list;
}

static void print_policy(pq_cli *cli, json_t *list, const pq_policy *policy)
{
    const char *type = pq_registry_type_name(policy->type);
    pq_print(cli, "%s# %s: ", json_array_size(list) ? "\n\n" : "", type);
    pq_print_text(cli, policy->identity);
    pq_print(cli, "\n");
    for (size_t i = 0; i < policy->repositories.count; i++)
        pq_print(cli, "#   %s\n", policy->repositories.at[i]);
    json_t *one = json_object(), *steps = json_array();
    for (size_t i = 0; i < policy->step_count; i++)
        print_step(cli, steps, &policy->steps[i]);
    pq_json_set(one, "type", json_string(type));
    pq_json_set(one, "identity", pq_json_text(policy->identity));
    pq_json_set(one, "registries", list_of(&policy->registries));
    pq_json_set(one, "repositories", list_of(&policy->repositories));
    pq_json_set(one, "steps", steps);
    pq_json_append(list, one);
}

/* Those that no entry serves: anonymous, or the hub's. */
static void print_others(pq_cli *cli, json_t *list, const pq_session *session, const pq_policies *policies)
{
    if (policies->others.count)
        pq_print(cli, "%s# No entry of %s serves these:\n", policies->count ? "\n\n" : "",
                 session->config.device.is_device ? "device.yml" : "container_registries");
    for (size_t i = 0; i < policies->others.count; i++) {
        const char *name = policies->others.at[i];
        PQ_AUTO_FREE char *host = pq_strndup(name, strcspn(name, "/"));
        const char *access = pq_session_access(session, host);
        pq_print(cli, "#   %s  %s\n", name, access);
        json_t *one = json_object();
        pq_json_set(one, "registry", json_string(host));
        pq_json_set(one, "repository", json_string(name + strlen(host) + 1));
        pq_json_set(one, "access", json_string(access));
        pq_json_append(list, one);
    }
}

static void report(pq_cli *cli, const pq_session *session, const pq_policies *policies)
{
    json_t *list = json_array(), *others = json_array();
    for (size_t i = 0; i < policies->count; i++)
        print_policy(cli, list, &policies->at[i]);
    print_others(cli, others, session, policies);
    if (cli->json) {
        pq_json_set(cli->document, "policies", list);
        pq_json_set(cli->document, "others", others);
    } else {
        json_decref(list);
        json_decref(others);
    }
}

/* A device runs apps; what images are built from it never pulls. */
static bool is_pulled(pq_image_kind kind, bool volume, bool device)
{
    return !device || kind == PQ_IMAGE_COMPOSE || volume;
}

/* In byte order, each once. */
static void list_names(const pq_tree_images *tree, bool device, pq_strings *out)
{
    PQ_AUTO_STRINGS all = {0};
    for (size_t i = 0; i < tree->scan.use_count; i++) {
        const pq_reference *reference = &tree->scan.uses[i].reference;
        if (is_pulled(tree->scan.uses[i].kind, tree->scan.uses[i].volume, device) &&
            !pq_tree_images_built_here(tree, reference))
            pq_strings_take(&all, pq_reference_name(reference));
    }
    pq_strings_sort(&all);
    for (size_t i = 0; i < all.count; i++)
        if (i == 0 || strcmp(all.at[i - 1], all.at[i]) != 0)
            pq_strings_add(out, all.at[i]);
}

/* --- of devices --------------------------------------------------------------------------------------------------- */

/* Whom the certificate names, if it lies here. */
static void read_subject(const pq_config *config, pq_strings *out)
{
    const char *place = config->device.certificate.text;
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_SECRET);
    PQ_AUTO_ERROR ignored = {0};
    PQ_AUTO_CERTIFICATE *certificate = NULL;
    if (!place || pq_identity_is_token(place) || !pq_read_file(place, &text, &ignored) ||
        !pq_certificate_from_pem(pq_buf_text(&text), text.length, place, &certificate, &ignored))
        return;
    const char *name = pq_certificate_name(certificate);
    /* As a condition it would hold for other devices too. */
    if (strpbrk(name, "*?"))
        pq_warn(place, "name the devices with --subject", "the certificate's common name is not one of a device alone");
    else if (*name)
        pq_strings_add(out, name);
}

static bool has_control_bytes(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static bool read_subjects(pq_cli *cli, const pq_arguments *arguments, const pq_config *config,
                          pq_policy_options *options, pq_strings *out)
{
    bool good = true;
    pq_arguments_values(arguments, "subject", out);
    for (size_t i = 0; i < out->count; i++)
        if (!*out->at[i] || has_control_bytes(out->at[i]))
            good =
                pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, NULL, "--subject wants the common name of a certificate");
    options->subjects_given = out->count > 0;
    if (!out->count)
        read_subject(config, out);
    options->subjects = *out;
    return good;
}

static bool has_capital(const char *text)
{
    return text[strcspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0';
}

/* A repository's name, as the registries of the clouds have them and as it stands in JSON, in a shell and in a
 * condition of Azure's: nothing that could end a quotation. */
static bool is_repository(const char *name)
{
    for (const char *at = name; *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr("._-/", *at))
            return false;
    return *name && *name != '/' && name[strlen(name) - 1] != '/' && !strstr(name, "//") && !has_capital(name);
}

static const char *host_of(const pq_config_registry *entry)
{
    return entry->host.text ? entry->host.text : "us-docker.pkg.dev";
}

/* HOST/NAME, or NAME of the one registry. */
static bool add_repository(pq_cli *cli, const pq_config *config, const char *name, pq_strings *out)
{
    PQ_AUTO_FREE char *host = pq_strndup(name, strcspn(name, "/"));
    const char *rest = name + strlen(host);
    bool named = *rest && pq_config_registry_for_host(config, host);
    if (!named && config->registry_count != 1)
        return pq_errors_add(&cli->errors, PQ_EUSAGE, name, "write HOST/NAME, HOST being one of device.yml",
                             "--repository does not say of which registry");
    if (!is_repository(named ? rest + 1 : name))
        return pq_errors_add(&cli->errors, PQ_EUSAGE, name, NULL, "is not the name of a repository");
    pq_ascii_lower_in_place(host);
    PQ_AUTO_FREE char *whole =
        named ? pq_asprintf("%s%s", host, rest) : pq_asprintf("%s/%s", host_of(&config->registries[0]), name);
    (void)pq_strings_add_once(out, whole);
    return true;
}

static bool list_device_names(pq_cli *cli, const pq_arguments *arguments, const pq_config *config, pq_strings *out)
{
    PQ_AUTO_STRINGS named = {0};
    bool good = true;
    pq_arguments_values(arguments, "repository", &named);
    for (size_t i = 0; i < named.count; i++)
        good = add_repository(cli, config, named.at[i], out) && good;
    if (named.count || arguments->word_count)
        return good;
    if (config->registry_count)
        pq_warn(config->name, "name what devices pull: DIR, or --repository NAME",
                "no repositories are named, so the rights are for all of each registry");
    for (size_t i = 0; i < config->registry_count; i++)
        pq_strings_take(out, pq_policy_all_of(host_of(&config->registries[i])));
    return true;
}

/* For these nothing is printed, and their silence could be taken for a right that is there. */
static void note_unused(const pq_config *config, const pq_strings *names)
{
    for (size_t i = 0; i < config->registry_count; i++) {
        const pq_config_registry *entry = &config->registries[i];
        bool used = false;
        for (size_t j = 0; j < names->count && !used; j++) {
            PQ_AUTO_FREE char *host = pq_strndup(names->at[j], strcspn(names->at[j], "/"));
            used = pq_config_registry_for_host(config, host) == entry;
        }
        if (!used)
            pq_note("%s:%u: %s: nothing that was named is there, and nothing is printed for it", config->name,
                    entry->line, entry->host.text ? entry->host.text : "Google's registries");
    }
}

static bool check_device_options(pq_cli *cli, const pq_arguments *arguments, bool device)
{
    static const char *const of_devices[] = {"repository", "subject", "account"};
    const char *account = pq_arguments_value(arguments, "account");
    bool good = true;
    for (size_t i = 0; i < sizeof of_devices / sizeof *of_devices; i++)
        if (!device && pq_arguments_have(arguments, of_devices[i]))
            good = pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, "add --device", "--%s is for devices", of_devices[i]);
    if (account && (strlen(account) != 12 || strspn(account, "0123456789") != 12))
        good = pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, NULL, "--account wants the 12 digits of an AWS account");
    return good;
}

/* --- documents as files ------------------------------------------------------------------------------------------- */

/* TYPE-NUMBER-WHAT.json; a second of that name gets a number. Owned. */
static char *file_name(const pq_policies *policies, size_t policy, const pq_policy_step *step, pq_strings *taken)
{
    const char *type = pq_registry_type_name(policies->at[policy].type), *what = step->name ? step->name : "document";
    char *name = pq_asprintf("%s-%zu-%s.json", type, policy + 1, what);
    for (size_t number = 2; !pq_strings_add_once(taken, name); number++) {
        free(name);
        name = pq_asprintf("%s-%zu-%s-%zu.json", type, policy + 1, what, number);
    }
    return name;
}

static bool write_document(const char *folder, const char *name, pq_policy_step *step, pq_error *err)
{
    json_t *root = json_loads(step->document, 0, NULL);
    PQ_AUTO_FREE char *text = json_dumps(root, JSON_INDENT(2));
    PQ_AUTO_FREE char *whole = pq_asprintf("%s\n", text);
    json_decref(root);
    step->file = pq_path_join(folder, name);
    return pq_write_file(step->file, 0644, whole, strlen(whole), err);
}

static bool write_documents(pq_cli *cli, const char *into, pq_policies *policies)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *folder = NULL;
    PQ_AUTO_STRINGS taken = {0};
    bool good = pq_make_dirs(into, 0755, &err) && pq_path_absolute(into, &folder, &err);
    for (size_t i = 0; good && i < policies->count; i++)
        for (size_t j = 0; good && j < policies->at[i].step_count; j++) {
            pq_policy_step *step = &policies->at[i].steps[j];
            if (!step->document)
                continue;
            PQ_AUTO_FREE char *name = file_name(policies, i, step, &taken);
            good = write_document(folder, name, step, &err);
        }
    if (!good)
        pq_cli_fail(cli, &err);
    return good;
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static bool read_tree(pq_cli *cli, const pq_session *session, const char *folder, bool device, pq_scan_arguments *how,
                      pq_strings *names)
{
    PQ_AUTO_TREE_IMAGES tree = {0};
    if (!pq_tree_images_read(&tree, folder, how, &session->config, &cli->errors))
        return false;
    list_names(&tree, device, names);
    for (size_t i = 0; i < tree.scan.unresolved_count; i++)
        if (is_pulled(tree.scan.unresolved[i].kind, tree.scan.unresolved[i].volume, device))
            pq_tree_images_unresolved(&tree.scan.unresolved[i], &cli->errors);
    return true;
}

static void run_policy(pq_cli *cli, const pq_arguments *arguments, pq_session *session, pq_policies *out)
{
    PQ_AUTO_SCAN_ARGUMENTS how = {0};
    PQ_AUTO_STRINGS scanned = {0}, names = {0}, subjects = {0};
    bool device = pq_arguments_have(arguments, "device") || cli->device_option;
    const char *folder = arguments->word_count ? arguments->words[0]
                         : device              ? NULL
                                               : ".",
               *role = pq_arguments_value(arguments, "role"), *into = pq_arguments_value(arguments, "out");
    if (folder)
        pq_strings_add(&scanned, folder);
    bool good = pq_scan_arguments_read(cli, arguments, &how);
    good = check_device_options(cli, arguments, device) && good;
    if (role && !pq_policy_role_valid(role))
        good =
            pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, "write a role's name, or arn:aws:iam::123456789012:role/NAME",
                          "--role wants a role of IAM");
    if (!(device ? pq_session_read_device(session, cli, NULL) : pq_session_read_config(session, cli, &scanned, true)) ||
        !good || (folder && !read_tree(cli, session, folder, device, &how, &names)) ||
        !pq_session_open_secrets(session, cli))
        return;
    pq_policy_options options = {.config = &session->config,
                                 .secrets = session->secrets,
                                 .aws_role = role,
                                 .aws_account = pq_arguments_value(arguments, "account")};
    if (device && (!read_subjects(cli, arguments, &session->config, &options, &subjects) ||
                   !list_device_names(cli, arguments, &session->config, &names)))
        return;
    if (device)
        note_unused(&session->config, &names);
    if (pq_policies_make(&options, &names, out, &cli->errors) && !out->count)
        pq_note("nothing of it is in a registry of the configuration");
    if (into)
        (void)write_documents(cli, into, out);
}

static void policy_command(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_SESSION session = {.elsewhere = true};
    PQ_AUTO_POLICIES policies = {0};
    run_policy(cli, arguments, &session, &policies);
    report(cli, &session, &policies);
}

const pq_command pq_cmd_policy = {
    .name = "policy",
    .synopsis = "[DIR]",
    .summary = "the least rights with which what a tree uses can be pulled",
    .description =
        "Prints, for each identity of the configuration, what an administrator runs so that it may pull exactly the "
        "repositories that DIR (default: here) refers to, and do no more: IAM policies (aws), role assignments or a "
        "scope "
        "map (azure), IAM bindings (gar); for other registries, what their token should be able to do. Offline: "
        "nothing "
        "is asked of a cloud, and nothing is changed. The output is a shell script. What cannot be known here is a "
        "parameter that stops the shell and says what is wanted; what should not be run without a look is a "
        "comment.\n\n"
        "With --device it is for devices that prove themselves with a certificate: for each entry of device.yml the "
        "role and who may come to it, role alias and policy of AWS IoT, profile and trust of IAM Roles Anywhere, "
        "application and certificate at Azure, pool and provider at Google, and what a device gateway must do. Devices "
        "pull what the Compose files of DIR name; what Dockerfiles build upon is for CI only.",
    .examples = "$ pratique policy containers/ > policy.sh\n"
                "$ IAM_USER_1=ci-pull sh -eu policy.sh\n"
                "$ pratique policy containers/ --json | jq '.policies[].steps[].document'\n"
                "$ pratique policy containers/ --role device-pull\n"
                "$ pratique --device-config device.yml policy --device containers/ --subject dev-7 --out policies\n"
                "$ pratique --device-config device.yml policy --device --repository base --repository app/web",
    .options = policy_options,
    .least = 0,
    .most = 1,
    .run = policy_command,
};
