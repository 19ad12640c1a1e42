/* pratique policy: the rights that pulling takes, for exactly the repositories of a tree. */
#include "cmd/commands.h"

#include <string.h>

#include "auth/policy.h"
#include "base/log.h"
#include "cmd/session.h"
#include "cmd/tree_images.h"

static const pq_option policy_options[] = {
    {"role", '\0', "NAME",
     "At AWS, give the rights to this role (or its ARN) and not to the entries' identities: a role of "
     "devices, say."},
    PQ_SCAN_OPTIONS,
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
        pq_print(cli, "%s# No entry of container_registries serves these:\n", policies->count ? "\n\n" : "");
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

/* In byte order, each once. */
static void list_names(const pq_tree_images *tree, pq_strings *out)
{
    PQ_AUTO_STRINGS all = {0};
    for (size_t i = 0; i < tree->scan.use_count; i++) {
        const pq_reference *reference = &tree->scan.uses[i].reference;
        if (!pq_tree_images_built_here(tree, reference))
            pq_strings_take(&all, pq_reference_name(reference));
    }
    pq_strings_sort(&all);
    for (size_t i = 0; i < all.count; i++)
        if (i == 0 || strcmp(all.at[i - 1], all.at[i]) != 0)
            pq_strings_add(out, all.at[i]);
}

static void run_policy(pq_cli *cli, const pq_arguments *arguments, pq_session *session, pq_policies *out)
{
    PQ_AUTO_SCAN_ARGUMENTS how = {0};
    PQ_AUTO_TREE_IMAGES tree = {0};
    PQ_AUTO_STRINGS scanned = {0}, names = {0};
    const char *folder = arguments->word_count ? arguments->words[0] : ".",
               *role = pq_arguments_value(arguments, "role");
    pq_strings_add(&scanned, folder);
    bool good = pq_scan_arguments_read(cli, arguments, &how);
    if (role && !pq_policy_role_valid(role))
        good =
            pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, "write a role's name, or arn:aws:iam::123456789012:role/NAME",
                          "--role wants a role of IAM");
    if (!pq_session_read_config(session, cli, &scanned, true) || !good ||
        !pq_tree_images_read(&tree, folder, &how, &session->config, &cli->errors) ||
        !pq_session_open_secrets(session, cli))
        return;
    list_names(&tree, &names);
    for (size_t i = 0; i < tree.scan.unresolved_count; i++)
        pq_tree_images_unresolved(&tree.scan.unresolved[i], &cli->errors);
    pq_policy_options options = {.config = &session->config, .secrets = session->secrets, .aws_role = role};
    if (pq_policies_make(&options, &names, out, &cli->errors) && !out->count)
        pq_note("nothing of it is in a registry of the configuration");
}

static void policy_command(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_SESSION session = {0};
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
        "parameter that stops the shell and says what is wanted; what should not be run without a look is a comment.",
    .examples = "$ pratique policy containers/ > policy.sh\n"
                "$ IAM_USER_1=ci-pull sh -eu policy.sh\n"
                "$ pratique policy containers/ --json | jq '.policies[].steps[].document'\n"
                "$ pratique policy containers/ --role device-pull",
    .options = policy_options,
    .least = 0,
    .most = 1,
    .run = policy_command,
};
