/* Amazon ECR: IAM policies. The actions are those of AWS's own AmazonEC2ContainerRegistryPullOnly, less the import by a
 * pull-through cache; ecr:BatchCheckLayerAvailability is asked for by pushes. Sizes are of IAM, "IAM and AWS STS
 * quotas": they do not count white space. */
#include <jansson.h>
#include <string.h>

#include "auth/aws/host.h"
#include "auth/policy/device.h"
#include "config/host.h"

/* All inline policies of a role together may have 10,240. */
enum { MANAGED_MAX = 6144, USER_INLINE_MAX = 2048, MANAGED_COUNT = 10 };

static const char version[] = "2012-10-17";

/* Who gets the rights. */
typedef struct principal {
    char *name;       /* of a role; NULL: not known, and not said to be one */
    char account[13]; /* "" when not known */
    const char *arn;  /* of a role; NULL when not known. Borrowed */
    bool is_role;
    char *target;          /* --role-name … or --user-name …, for a shell */
    char *policy;          /* how a managed policy for it is called */
    pq_policy_role device; /* empty but for the role of a device's certificate */
} principal;

static void clear_principal(principal *who)
{
    free(who->name);
    free(who->target);
    free(who->policy);
    pq_policy_role_clear(&who->device);
}
#define AUTO_PRINCIPAL PQ_CLEANUP(clear_principal) principal

static bool is_public(const char *host)
{
    return pq_streq(host, "public.ecr.aws") || pq_streq(host, "ecr-public.aws.com");
}

static const pq_aws_partition *partition_of(const char *host)
{
    PQ_AUTO_ECR_HOST ecr = {0};
    return pq_aws_partition_of(pq_ecr_host_parse(host, &ecr) ? ecr.region : "us-east-1");
}

/* The account of a role's ARN; "" for what is none. */
static const char *account_in(const char *arn)
{
    const char *iam = arn ? strstr(arn, ":iam::") : NULL;
    return pq_starts_with(arn ? arn : "", "arn:") && iam ? iam + strlen(":iam::") : "";
}

/* Names of roles and policies: [\w+=,.@-]; a role's has at most 64 of them (IAM, CreateRole and CreatePolicy). */
static bool is_role_byte(char byte)
{
    return pq_ascii_alnum(byte) || (byte && strchr("_+=,.@-", byte));
}

bool pq_policy_role_valid(const char *role)
{
    const char *account = account_in(role), *name = role;
    if (*account) {
        name = account + strspn(account, "0123456789");
        if (name - account != 12 || !pq_starts_with(name, ":role/"))
            return false;
        name = strrchr(name, '/') + 1;
    }
    for (const char *at = name; *at; at++)
        if (!is_role_byte(*at))
            return false;
    return *name && strlen(name) <= 64;
}

static char *key(const pq_policy_options *options, const pq_config_registry *entry, const char *host)
{
    const char *partition = partition_of(host)->name;
    if (pq_policy_is_of_device(entry))
        return pq_policy_device_key(options, entry);
    if (options->aws_role)
        return pq_strdup(partition);
    if (entry->role_arn.text)
        return pq_asprintf("%s %s", partition, entry->role_arn.text);
    PQ_AUTO_FREE char *identity = pq_policy_identity(entry);
    return pq_asprintf("%s %s %s", partition, identity, entry->profile.text ? entry->profile.text : "");
}

/* Keys that somebody wrote down: of an IAM user. */
static bool has_keys(const pq_config_registry *entry)
{
    return entry->auth == PQ_AUTH_SECRET || entry->auth == PQ_AUTH_FILE;
}

static char *identity_words(const pq_policy_ask *ask)
{
    const pq_config_registry *entry = ask->entry;
    if (pq_policy_is_of_device(entry))
        return pq_policy_identity(entry);
    if (ask->options->aws_role)
        return pq_asprintf("role %s", ask->options->aws_role);
    PQ_AUTO_FREE char *identity = pq_policy_identity(entry);
    if (entry->role_arn.text)
        return pq_asprintf("%s, role %s", identity, entry->role_arn.text);
    if (!has_keys(entry))
        return pq_steal(identity);
    return pq_asprintf("%s, profile %s", identity, entry->profile.text ? entry->profile.text : "default");
}

/* Who holds the keys, or whom the environment makes us. Owned. */
static char *wanted_name(const pq_config_registry *entry)
{
    PQ_AUTO_FREE char *identity = pq_policy_identity(entry);
    PQ_AUTO_FREE char *words = pq_asprintf("the IAM user whose keys are in %s, profile %s", identity,
                                           entry->profile.text ? entry->profile.text : "default");
    return has_keys(entry) ? pq_shell_wanted(entry, "IAM_USER", words)
                           : pq_shell_wanted(entry, "IAM_ROLE", "the IAM role that the job runs as");
}

/* What a policy may be called; it goes into commands as it is. Takes `name`, gives it back. */
static char *as_policy_name(char *name)
{
    for (char *at = name; *at; at++)
        if (!is_role_byte(*at))
            *at = '_';
    return name;
}

/* Two profiles may be one user's: their policies must not replace each other. Owned. */
static char *policy_name(const pq_config_registry *entry)
{
    enum { LONGEST = 50 }; /* of 128 in all */
    if (entry->auth != PQ_AUTH_SECRET)
        return pq_strdup("pratique-pull");
    return as_policy_name(pq_asprintf("pratique-pull-%.*s-%.*s", LONGEST, entry->secret.text, LONGEST,
                                      entry->profile.text ? entry->profile.text : "default"));
}

static void find_principal(const pq_policy_ask *ask, const pq_policy *policy, principal *out)
{
    const pq_config_registry *entry = ask->entry;
    const char *role = ask->options->aws_role ? ask->options->aws_role : entry->role_arn.text;
    PQ_AUTO_BUF target = PQ_BUF(SIZE_MAX / 2);
    out->is_role = role || !has_keys(entry);
    if (pq_policy_is_of_device(entry)) {
        pq_policy_device_role(ask, policy, &out->device);
        out->name = pq_strdup(out->device.name);
        out->arn = out->device.arn;
        (void)memcpy(out->account, out->device.account, sizeof out->account);
        pq_buf_adds(&target, "--role-name");
        pq_shell_add(&target, out->name);
        out->policy = as_policy_name(pq_asprintf("pratique-pull-%s", out->name));
    } else if (role) {
        const char *account = account_in(role), *slash = strrchr(role, '/');
        out->name = pq_strdup(*account && slash ? slash + 1 : role);
        out->arn = *account ? role : NULL;
        (void)memcpy(out->account, account, strnlen(account, 12));
        pq_buf_adds(&target, "--role-name");
        pq_shell_add(&target, out->name);
        out->policy = as_policy_name(pq_asprintf("pratique-pull-%s", out->name));
    } else {
        PQ_AUTO_FREE char *wanted = wanted_name(entry);
        pq_buf_addf(&target, "--%s-name %s", out->is_role ? "role" : "user", wanted);
        out->policy = policy_name(entry);
    }
    out->target = pq_buf_steal(&target);
}

/* --- documents ---------------------------------------------------------------------------------------------------- */

static char *dump(json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return text;
}

static void add_statement(json_t *document, json_t *statement)
{
    (void)json_array_append_new(json_object_get(document, "Statement"), statement);
}

static json_t *new_document(void)
{
    return json_pack("{s:s, s:[]}", "Version", version, "Statement");
}

/* The rights to log in, as the first document has them. */
static json_t *login_document(bool private_login, bool public_login)
{
    json_t *document = new_document();
    /* A login is for a whole registry: this action knows no narrower resource. */
    if (private_login)
        add_statement(document, json_pack("{s:s, s:s, s:[s], s:s}", "Sid", "Login", "Effect", "Allow", "Action",
                                          "ecr:GetAuthorizationToken", "Resource", "*"));
    if (public_login)
        add_statement(document,
                      json_pack("{s:s, s:s, s:[s, s], s:s}", "Sid", "PublicLogin", "Effect", "Allow", "Action",
                                "ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken", "Resource", "*"));
    return document;
}

static json_t *add_pull(json_t *document)
{
    json_t *resources = json_array();
    add_statement(document, json_pack("{s:s, s:s, s:[s, s], s:o}", "Sid", "Pull", "Effect", "Allow", "Action",
                                      "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "Resource", resources));
    return resources;
}

/* The ARN of a private repository, or NULL. Owned. */
static char *repository_arn(const char *name)
{
    PQ_AUTO_ECR_HOST ecr = {0};
    const char *repository = pq_policy_repository(name);
    PQ_AUTO_FREE char *host = pq_policy_host(name);
    if (!pq_ecr_host_parse(host, &ecr))
        return NULL;
    return pq_asprintf("arn:%s:ecr:%s:%s:repository/%s", pq_aws_partition_of(ecr.region)->name, ecr.region, ecr.account,
                       repository);
}

/* One document, or several where IAM takes no longer one. */
static void make_documents(const pq_policy *policy, pq_strings *out)
{
    bool any_private = false, any_public = false;
    for (size_t i = 0; i < policy->registries.count; i++) {
        bool open = is_public(policy->registries.at[i]);
        any_public = any_public || open;
        any_private = any_private || !open;
    }
    json_t *document = login_document(any_private, any_public), *resources = NULL;
    size_t length = 0;
    for (size_t i = 0; i < policy->repositories.count; i++) {
        PQ_AUTO_FREE char *arn = repository_arn(policy->repositories.at[i]);
        size_t more = arn ? strlen(arn) + strlen("\"\",") : 0;
        if (arn && resources && length + more > MANAGED_MAX) {
            pq_strings_take(out, dump(document));
            document = new_document();
            resources = NULL;
        }
        if (arn && !resources) {
            resources = add_pull(document);
            PQ_AUTO_FREE char *empty = json_dumps(document, JSON_COMPACT);
            length = strlen(empty);
        }
        if (arn)
            (void)json_array_append_new(resources, json_string(arn));
        length += more;
    }
    pq_strings_take(out, dump(document));
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* An inline policy where it fits: to set it again replaces it. */
static void attach_inline(pq_policy *policy, const principal *who, char *document)
{
    pq_policy_add(policy, "Run again after a change: it replaces the policy that it made before.",
                  pq_asprintf("aws iam put-%s-policy %s --policy-name %s --policy-document",
                              who->is_role ? "role" : "user", who->target, who->policy),
                  document)
        ->name = "pull";
}

static void attach_managed(pq_policy *policy, const principal *who, pq_strings *documents)
{
    const char *partition = partition_of(policy->registries.at[0])->name;
    const char *account = *who->account ? who->account : "$(aws sts get-caller-identity --query Account --output text)";
    const char *note =
        "Too long to be inline. After a change make a new version of each: `aws iam create-policy-version "
        "--set-as-default`.";
    PQ_AUTO_FREE char *many = NULL;
    if (documents->count > MANAGED_COUNT)
        note = many = pq_asprintf("%s These are %zu policies, and an identity may have %d of them unless its quota is "
                                  "raised (to 20 at most).",
                                  note, documents->count, MANAGED_COUNT);
    for (size_t i = 0; i < documents->count; i++) {
        PQ_AUTO_FREE char *name =
            documents->count > 1 ? pq_asprintf("%s-%zu", who->policy, i + 1) : pq_strdup(who->policy);
        pq_policy_add(policy, i ? NULL : note,
                      pq_asprintf("aws iam create-policy --policy-name %s --policy-document", name),
                      pq_steal(documents->at[i]))
            ->name = "pull";
        pq_policy_add(policy, NULL,
                      pq_asprintf("aws iam attach-%s-policy %s --policy-arn \"arn:%s:iam::%s:policy/%s\"",
                                  who->is_role ? "role" : "user", who->target, partition, account, name),
                      NULL);
    }
}

/* The role that the CI's token is for. */
static void add_oidc_trust(const pq_policy_ask *ask, pq_policy *policy, const principal *who)
{
    const char *audience = ask->entry->oidc_audience.text;
    PQ_AUTO_FREE char *provider = pq_asprintf("arn:%s:iam::%s:oidc-provider/OIDC_ISSUER",
                                              partition_of(policy->registries.at[0])->name, who->account);
    json_t *document = new_document();
    add_statement(document, json_pack("{s:s, s:{s:s}, s:s, s:{s:{s:s, s:s}}}", "Effect", "Allow", "Principal",
                                      "Federated", provider, "Action", "sts:AssumeRoleWithWebIdentity", "Condition",
                                      "StringEquals", "OIDC_ISSUER:aud", audience ? audience : "sts.amazonaws.com",
                                      "OIDC_ISSUER:sub", "OIDC_SUBJECT"));
    pq_policy_step *step =
        pq_policy_add(policy,
                      "If the role is not there yet: it trusts the tokens of this job and no others. OIDC_ISSUER is "
                      "the host of the CI's "
                      "issuer (token.actions.githubusercontent.com, gitlab.com), OIDC_SUBJECT the token's claim `sub` "
                      "(repo:ORG/REPO:ref:refs/heads/main, project_path:GROUP/PROJECT:ref_type:branch:ref:main).",
                      pq_asprintf("aws iam create-role %s --assume-role-policy-document", who->target), dump(document));
    step->by_hand = true;
}

/* Who assumes the role needs the right to do so, and no other. */
static void add_assume(const pq_policy_ask *ask, pq_policy *policy, const principal *who)
{
    json_t *document = new_document();
    add_statement(document,
                  json_pack("{s:s, s:s, s:s}", "Effect", "Allow", "Action", "sts:AssumeRole", "Resource", who->arn));
    bool secret = ask->entry->auth == PQ_AUTH_SECRET;
    const char *kind = secret ? "user" : "role";
    PQ_AUTO_FREE char *wanted = wanted_name(ask->entry);
    PQ_AUTO_FREE char *command = pq_asprintf(
        "aws iam put-%s-policy --%s-name %s --policy-name pratique-assume --policy-document", kind, kind, wanted);
    pq_policy_add(policy,
                  "What assumes the role needs no other right than that. The role's trust policy must name it "
                  "(`aws iam update-assume-role-policy`).",
                  pq_steal(command), dump(document));
}

/* Registries of another account than the identity's let it in themselves, too. */
static void add_cross_account(const pq_policy_ask *ask, pq_policy *policy, const principal *who)
{
    PQ_AUTO_FREE char *note = NULL;
    for (size_t i = 0; i < policy->repositories.count; i++) {
        PQ_AUTO_ECR_HOST ecr = {0};
        const char *repository = pq_policy_repository(policy->repositories.at[i]);
        PQ_AUTO_FREE char *host = pq_policy_host(policy->repositories.at[i]);
        if (!pq_ecr_host_parse(host, &ecr) || strcmp(ecr.account, who->account) == 0)
            continue;
        json_t *document = new_document();
        add_statement(document,
                      json_pack("{s:s, s:s, s:{s:s}, s:[s, s]}", "Sid", "PratiquePull", "Effect", "Allow", "Principal",
                                "AWS", who->arn, "Action", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"));
        if (!note)
            note = pq_asprintf(
                "The role is of account %s: repositories of other accounts must let it in themselves. This is "
                "run in their account, and replaces a policy that the repository has (`aws ecr "
                "get-repository-policy` shows it).",
                who->account);
        PQ_AUTO_FREE char *each = pq_policy_is_all(policy->repositories.at[i])
                                      ? pq_shell_wanted(ask->entry, "REPOSITORY", "each repository that devices pull")
                                      : pq_strdup(repository);
        pq_policy_step *step = pq_policy_add(
            policy, note,
            pq_asprintf("aws ecr set-repository-policy --region %s --registry-id %s --repository-name %s --policy-text",
                        ecr.region, ecr.account, each),
            dump(document));
        step->by_hand = true;
        step->name = "repository";
    }
}

static void make(const pq_policy_ask *ask, pq_policy *policy, pq_errors *errors)
{
    AUTO_PRINCIPAL who = {0};
    PQ_AUTO_STRINGS documents = {0};
    policy->identity = identity_words(ask);
    find_principal(ask, policy, &who);
    if (who.device.name && !*who.account) {
        (void)pq_errors_add(errors, PQ_EFAILED, policy->registries.at[0], "give --account",
                            "does not say which account the role of the devices is of");
        return;
    }
    if (who.device.name)
        pq_policy_device_before(ask, policy, &who.device);
    make_documents(policy, &documents);
    size_t most = who.is_role ? MANAGED_MAX : USER_INLINE_MAX;
    if (documents.count == 1 && strlen(documents.at[0]) <= most)
        attach_inline(policy, &who, pq_steal(documents.at[0]));
    else
        attach_managed(policy, &who, &documents);
    if (who.device.name)
        pq_policy_device_after(ask, policy, &who.device, errors);
    else if (!ask->options->aws_role && who.arn && ask->entry->auth == PQ_AUTH_OIDC)
        add_oidc_trust(ask, policy, &who);
    else if (!ask->options->aws_role && who.arn)
        add_assume(ask, policy, &who);
    if (*who.account)
        add_cross_account(ask, policy, &who);
    else
        pq_policy_add(policy,
                      "A repository of another account than the identity's must let it in itself, too (`aws ecr "
                      "set-repository-policy`).",
                      NULL, NULL);
}

const pq_policy_kind pq_policy_kind_aws = {.type = PQ_REGISTRY_AWS, .key = key, .make = make};
