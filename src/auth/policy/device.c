#include "auth/policy/device.h"

#include <jansson.h>
#include <string.h>

#include "auth/aws/host.h"
#include "base/file.h"

enum { NAME_MAX_OF_ROLE = 64, SESSION = 3600 };

/* --- words -------------------------------------------------------------------------------------------------------- */

bool pq_policy_is_of_device(const pq_config_registry *entry)
{
    return entry->auth == PQ_AUTH_IOT || entry->auth == PQ_AUTH_ROLES_ANYWHERE;
}

char *pq_policy_device_key(const pq_policy_options *options, const pq_config_registry *entry)
{
    const char *role = options->aws_role ? options->aws_role : "";
    if (entry->auth == PQ_AUTH_IOT)
        return pq_asprintf("iot %s %s %s", entry->iot_endpoint.text, entry->iot_role_alias.text, role);
    return pq_asprintf("anywhere %s %s %s", entry->trust_anchor_arn.text, entry->anywhere_role_arn.text, role);
}

static char *dump(json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return text;
}

static char *document_of(json_t *statement)
{
    return dump(json_pack("{s:s, s:[o]}", "Version", "2012-10-17", "Statement", statement));
}

static pq_policy_step *named(pq_policy_step *step, const char *name)
{
    step->name = name;
    return step;
}

/* A command that is put together word by word. */
#define COMMAND(name, start)                                                                                           \
    PQ_AUTO_BUF name = PQ_BUF(SIZE_MAX / 2);                                                                           \
    pq_buf_adds(&(name), start)

static void add_option(pq_buf *command, const char *option, const char *value)
{
    pq_buf_addf(command, " --%s", option);
    pq_shell_add(command, value);
}

/* --- AWS ---------------------------------------------------------------------------------------------------------- */

/* ID.credentials.iot.REGION.… (AWS IoT Core endpoints). Owned; the registry's when it does not say. */
static char *region_of(const pq_config_registry *entry)
{
    const char *start = strstr(entry->iot_endpoint.text, ".credentials.iot"),
               *region = start ? strchr(start + strlen(".credentials.iot"), '.') : NULL;
    size_t length = region ? strcspn(region + 1, ".") : 0;
    return length && pq_aws_region_valid(region + 1, length) ? pq_strndup(region + 1, length)
                                                             : pq_strdup(entry->region.text);
}

/* arn:PARTITION:rolesanywhere:REGION:ACCOUNT:… Owned. */
static char *region_of_arn(const char *arn)
{
    for (int colons = 0; colons < 3; colons++)
        arn = strchr(arn, ':') + 1;
    return pq_strndup(arn, strcspn(arn, ":"));
}

static char *alias_arn(const pq_config_registry *entry, const char *account)
{
    PQ_AUTO_FREE char *region = region_of(entry);
    return pq_asprintf("arn:%s:iot:%s:%s:rolealias/%s", pq_aws_partition_of(region)->name, region, account,
                       entry->iot_role_alias.text);
}

/* Names of aliases and of roles are of the same characters, but those of roles are shorter. Owned. */
static char *name_after(const char *alias, int longest)
{
    static const char prefix[] = "pratique-";
    return pq_asprintf("%s%.*s", prefix, longest - (int)(sizeof prefix - 1), alias);
}

static void account_of_registry(const pq_policy *policy, char out[13])
{
    PQ_AUTO_AWS_HOST host = {0};
    PQ_AUTO_ERROR ignored = {0};
    if (pq_aws_host_parse(policy->registries.at[0], &host, &ignored))
        (void)memcpy(out, host.account, sizeof host.account);
}

void pq_policy_device_role(const pq_policy_ask *ask, const pq_policy *policy, pq_policy_role *out)
{
    const pq_config_registry *entry = ask->entry;
    const char *said = ask->options->aws_role, *arn = entry->anywhere_role_arn.text;
    if (said && strchr(said, ':'))
        arn = said;
    if (arn) {
        const char *account = strstr(arn, ":iam::") + strlen(":iam::");
        (void)memcpy(out->account, account, 12);
        out->name = pq_strdup(strrchr(arn, '/') + 1);
        out->arn = pq_strdup(arn);
        return;
    }
    if (ask->options->aws_account)
        (void)memcpy(out->account, ask->options->aws_account, 12);
    else
        account_of_registry(policy, out->account);
    out->name = said ? pq_strdup(said) : name_after(entry->iot_role_alias.text, NAME_MAX_OF_ROLE);
    PQ_AUTO_FREE char *region = region_of(entry);
    out->arn = pq_asprintf("arn:%s:iam::%s:role/%s", pq_aws_partition_of(region)->name, out->account, out->name);
}

void pq_policy_role_clear(pq_policy_role *role)
{
    free(role->name);
    free(role->arn);
    *role = (pq_policy_role){0};
}

static void add_create_role(pq_policy *policy, const pq_policy_role *role, const char *note, json_t *statement,
                            bool by_hand)
{
    COMMAND(command, "aws iam create-role");
    const char *path = strstr(role->arn, ":role/") + strlen(":role"), *end = strrchr(path, '/');
    PQ_AUTO_FREE char *folder = pq_strndup(path, (size_t)(end - path) + 1);
    if (!pq_streq(folder, "/"))
        add_option(&command, "path", folder);
    add_option(&command, "role-name", role->name);
    pq_buf_adds(&command, " --assume-role-policy-document");
    named(pq_policy_add(policy, note, pq_buf_steal(&command), document_of(statement)), "trust")->by_hand = by_hand;
}

static void trust_of_iot(const pq_policy_ask *ask, pq_policy *policy, const pq_policy_role *role)
{
    PQ_AUTO_FREE char *alias = alias_arn(ask->entry, role->account);
    PQ_AUTO_FREE char *note = pq_asprintf(
        "The role that devices come to, of account %s%s. It trusts the credentials provider of AWS IoT, and that only "
        "for this role alias of this account. (If it is there already: aws iam update-assume-role-policy, with "
        "--policy-document.)",
        role->account,
        ask->options->aws_account || strchr(ask->options->aws_role ? ask->options->aws_role : "", ':')
            ? ""
            : ", the registry's (--account names another, if AWS IoT is there)");
    json_t *statement =
        json_pack("{s:s, s:{s:s}, s:s, s:{s:{s:s}, s:{s:s}}}", "Effect", "Allow", "Principal", "Service",
                  "credentials.iot.amazonaws.com", "Action", "sts:AssumeRole", "Condition", "StringEquals",
                  "aws:SourceAccount", role->account, "ArnLike", "aws:SourceArn", alias);
    add_create_role(policy, role, note, statement, false);
}

static json_t *subjects_json(const pq_strings *subjects)
{
    if (subjects->count == 1)
        return json_string(subjects->at[0]);
    json_t *list = json_array();
    for (size_t i = 0; i < subjects->count; i++)
        (void)json_array_append_new(list, json_string(subjects->at[i]));
    return list;
}

/* For many devices: only conditions of IAM know such. */
static bool is_pattern(const char *subject)
{
    return strpbrk(subject, "*?") != NULL;
}

static bool has_pattern(const pq_strings *subjects)
{
    bool found = false;
    for (size_t i = 0; i < subjects->count; i++)
        found = found || is_pattern(subjects->at[i]);
    return found;
}

static void trust_of_anywhere(const pq_policy_ask *ask, pq_policy *policy, const pq_policy_role *role)
{
    static const char why[] = "The role that devices come to. It trusts IAM Roles Anywhere for certificates of this "
                              "trust anchor with these common names, and for no others.";
    const pq_config_registry *entry = ask->entry;
    const pq_strings *subjects = &ask->options->subjects;
    PQ_AUTO_FREE char *region = region_of_arn(entry->trust_anchor_arn.text);
    COMMAND(anchor, "aws rolesanywhere create-trust-anchor");
    add_option(&anchor, "region", region);
    PQ_AUTO_FREE char *ca = pq_shell_wanted(entry, "DEVICE_CA", "the PEM file of the CA that certifies the devices");
    pq_buf_addf(&anchor,
                " --name pratique-devices --enabled \\\n"
                "  --source \"sourceType=CERTIFICATE_BUNDLE,sourceData={x509CertificateData=$(cat %s)}\"",
                ca);
    pq_policy_add(policy,
                  "The trust anchor: the CA that certifies the devices. That device.yml names one already says that it "
                  "is there; its ARN is part of what follows.",
                  pq_buf_steal(&anchor), NULL)
        ->by_hand = true;
    json_t *names = subjects->count ? subjects_json(subjects) : json_string("DEVICE_NAME");
    json_t *statement =
        json_pack("{s:s, s:{s:s}, s:[s, s, s], s:{s:{s:s}, s:{s:o}}}", "Effect", "Allow", "Principal", "Service",
                  "rolesanywhere.amazonaws.com", "Action", "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity",
                  "Condition", "ArnEquals", "aws:SourceArn", entry->trust_anchor_arn.text,
                  has_pattern(subjects) ? "StringLike" : "StringEquals", "aws:PrincipalTag/x509Subject/CN", names);
    PQ_AUTO_FREE char *note =
        subjects->count
            ? pq_strdup(why)
            : pq_asprintf("%s Put the common names of your devices in place of DEVICE_NAME, or give --subject.", why);
    add_create_role(policy, role, note, statement, subjects->count == 0);
}

void pq_policy_device_before(const pq_policy_ask *ask, pq_policy *policy, const pq_policy_role *role)
{
    if (ask->entry->auth == PQ_AUTH_IOT)
        trust_of_iot(ask, policy, role);
    else
        trust_of_anywhere(ask, policy, role);
}

/* "Thing name: 1 to 128 of [a-zA-Z0-9:_-]" (AWS IoT API, CreateThing). */
static bool is_thing(const char *name)
{
    size_t length = strlen(name);
    for (const char *at = name; *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr(":_-", *at))
            return false;
    return length >= 1 && length <= 128;
}

/* One device: `thing` is a word for a shell. */
static void attach_thing(const pq_policy_ask *ask, pq_policy *policy, const char *region, const char *name,
                         const char *thing, size_t number)
{
    static const char note[] =
        "Each device: its thing, its certificate, the policy. The certificate is one that AWS IoT knows: `aws iot "
        "list-certificates` has the ARN, which ends in the SHA-256 of the certificate. One of a CA that is not "
        "registered there is made known with `aws iot register-certificate-without-ca --status ACTIVE "
        "--certificate-pem file://client.pem`.";
    PQ_AUTO_FREE char *variable = number ? pq_asprintf("CERTIFICATE_ARN_%zu", number) : pq_strdup("CERTIFICATE_ARN");
    PQ_AUTO_FREE char *words = pq_asprintf("the ARN of the certificate of %s", name ? name : "the device");
    PQ_AUTO_FREE char *certificate = pq_shell_wanted(ask->entry, variable, words);
    COMMAND(create, "aws iot create-thing");
    add_option(&create, "region", region);
    pq_buf_addf(&create, " --thing-name%s", thing);
    pq_policy_add(policy, number > 1 ? NULL : note, pq_buf_steal(&create), NULL);
    COMMAND(principal, "aws iot attach-thing-principal");
    add_option(&principal, "region", region);
    pq_buf_addf(&principal, " --thing-name%s --principal %s", thing, certificate);
    pq_policy_add(policy, NULL, pq_buf_steal(&principal), NULL);
    COMMAND(attach, "aws iot attach-policy");
    PQ_AUTO_FREE char *iot_policy = name_after(ask->entry->iot_role_alias.text, 128);
    add_option(&attach, "region", region);
    add_option(&attach, "policy-name", iot_policy);
    pq_buf_addf(&attach, " --target %s", certificate);
    pq_policy_add(policy, NULL, pq_buf_steal(&attach), NULL);
}

static void attach_things(const pq_policy_ask *ask, pq_policy *policy, const char *region, pq_errors *errors)
{
    const pq_config_registry *entry = ask->entry;
    const pq_strings *subjects = &ask->options->subjects;
    bool own = !ask->options->subjects_given && entry->iot_thing_name.text;
    PQ_AUTO_STRINGS things = {0};
    if (own)
        pq_strings_add(&things, entry->iot_thing_name.text);
    for (size_t i = 0; !own && i < subjects->count; i++)
        if (!is_pattern(subjects->at[i]))
            (void)pq_strings_add_once(&things, subjects->at[i]);
    for (size_t i = 0; i < things.count; i++) {
        const char *name = things.at[i];
        if (!is_thing(name)) {
            (void)pq_errors_add(errors, PQ_EFAILED, name, "letters, digits and :_-; say `iot.thing_name` in device.yml",
                                "cannot be the name of a thing of AWS IoT");
            continue;
        }
        PQ_AUTO_BUF word = PQ_BUF(SIZE_MAX / 2);
        pq_shell_add(&word, name);
        attach_thing(ask, policy, region, name, pq_buf_text(&word), things.count > 1 ? i + 1 : 0);
    }
    if (!things.count) {
        PQ_AUTO_FREE char *wanted = pq_shell_wanted(
            entry, "THING_NAME", "the common name of the device certificate, as which the thing is called");
        PQ_AUTO_FREE char *word = pq_asprintf(" %s", wanted);
        attach_thing(ask, policy, region, NULL, word, 0);
    }
}

static void add_iot(const pq_policy_ask *ask, pq_policy *policy, const pq_policy_role *role, pq_errors *errors)
{
    const pq_config_registry *entry = ask->entry;
    PQ_AUTO_FREE char *region = region_of(entry);
    PQ_AUTO_FREE char *alias = alias_arn(entry, role->account);
    PQ_AUTO_FREE char *iot_policy = name_after(entry->iot_role_alias.text, 128);
    COMMAND(create, "aws iot create-role-alias");
    add_option(&create, "region", region);
    add_option(&create, "role-alias", entry->iot_role_alias.text);
    add_option(&create, "role-arn", role->arn);
    pq_buf_addf(&create, " --credential-duration-seconds %d", SESSION);
    pq_policy_add(
        policy,
        "The alias by which devices ask for the role. Who makes it needs iam:GetRole and iam:PassRole for the "
        "role. Keys are good for an hour; a password of ECR lasts 12 hours all the same.",
        pq_buf_steal(&create), NULL);
    COMMAND(allow, "aws iot create-policy");
    add_option(&allow, "region", region);
    add_option(&allow, "policy-name", iot_policy);
    pq_buf_adds(&allow, " --policy-document");
    json_t *statement =
        json_pack("{s:s, s:s, s:s, s:{s:{s:[s]}}}", "Effect", "Allow", "Action", "iot:AssumeRoleWithCertificate",
                  "Resource", alias, "Condition", "Bool", "iot:Connection.Thing.IsAttached", "true");
    named(pq_policy_add(policy,
                        "What a certificate may do: this alias and nothing else, and only for a thing that it is "
                        "attached to. The thing is the one that the device names (its certificate's common name, or "
                        "thing_name), and AWS IoT refuses another's. The policy is the same for all devices.",
                        pq_buf_steal(&allow), document_of(statement)),
          "iot-policy");
    attach_things(ask, policy, region, errors);
}

static void add_anywhere(const pq_policy_ask *ask, pq_policy *policy, const pq_policy_role *role)
{
    PQ_AUTO_FREE char *region = region_of_arn(ask->entry->profile_arn.text);
    COMMAND(profile, "aws rolesanywhere create-profile");
    add_option(&profile, "region", region);
    pq_buf_adds(&profile, " --name pratique-devices --enabled");
    add_option(&profile, "role-arns", role->arn);
    pq_buf_addf(&profile, " --duration-seconds %d", SESSION);
    pq_policy_add(policy,
                  "The profile, which names the role. That device.yml names one already says that it is there: see "
                  "that it names this role (`aws rolesanywhere get-profile`).",
                  pq_buf_steal(&profile), NULL)
        ->by_hand = true;
    pq_policy_add(policy,
                  "A device is shut out with a revocation list (`aws rolesanywhere import-crl`), or by taking its name "
                  "out of the role's trust. Keys that it was given before are good until they end.",
                  NULL, NULL);
}

void pq_policy_device_after(const pq_policy_ask *ask, pq_policy *policy, const pq_policy_role *role, pq_errors *errors)
{
    if (ask->entry->auth == PQ_AUTH_IOT)
        add_iot(ask, policy, role, errors);
    else
        add_anywhere(ask, policy, role);
}

/* --- Azure -------------------------------------------------------------------------------------------------------- */

void pq_policy_device_entra(const pq_policy_ask *ask, pq_policy *policy)
{
    const char *client = ask->entry->azure_client_id.text;
    PQ_AUTO_FREE char *file =
        pq_shell_wanted(ask->entry, "DEVICE_CERTIFICATE", "the PEM file of the device certificate, without its key");
    pq_policy_add(policy,
                  "The application that the device is. That device.yml names one already says that it is there; it "
                  "needs a service principal in the tenant.",
                  pq_strdup("az ad app create --display-name pratique-devices"), NULL)
        ->by_hand = true;
    COMMAND(principal, "az ad sp create");
    add_option(&principal, "id", client);
    pq_policy_add(policy, NULL, pq_buf_steal(&principal), NULL)->by_hand = true;
    COMMAND(reset, "az ad app credential reset");
    add_option(&reset, "id", client);
    pq_buf_addf(&reset, " --append --cert \"@%s --output none", file + 1); /* within its quotes */
    pq_policy_add(policy,
                  "Each device: its certificate becomes one of the application's. Without --append it would take all "
                  "others away. An application holds a limited number: have one for each group of devices, or for each "
                  "device. A device is shut out with `az ad app credential delete --cert --key-id ID`.",
                  pq_buf_steal(&reset), NULL);
}

/* --- Google ------------------------------------------------------------------------------------------------------- */

/* The project's number, the pool's and the provider's names in the audience. Owned. */
static char *part_behind(const char *audience, const char *before)
{
    const char *at = strstr(audience, before);
    return at ? pq_strndup(at + strlen(before), strcspn(at + strlen(before), "/")) : pq_strdup("");
}

void pq_policy_device_principals(const pq_policy_ask *ask, const char *pool, pq_strings *out)
{
    const pq_strings *subjects = &ask->options->subjects;
    size_t before = out->count;
    for (size_t i = 0; i < subjects->count; i++) {
        if (is_pattern(subjects->at[i]))
            continue;
        PQ_AUTO_BUF word = PQ_BUF(SIZE_MAX / 2);
        PQ_AUTO_FREE char *member = pq_asprintf("principal://iam.googleapis.com/%s/subject/%s", pool, subjects->at[i]);
        pq_shell_add(&word, member);
        pq_strings_add(out, pq_buf_text(&word) + 1);
    }
    if (out->count > before)
        return;
    PQ_AUTO_FREE char *wanted = pq_shell_wanted(ask->entry, "DEVICE_NAME", "the common name of the device certificate");
    pq_strings_take(out, pq_asprintf("principal://iam.googleapis.com/%s/subject/%s", pool, wanted));
}

void pq_policy_device_federation(const pq_policy_ask *ask, pq_policy *policy, const char *pool)
{
    const pq_config_registry *entry = ask->entry;
    const char *audience = entry->audience.text, *account = entry->service_account.text;
    PQ_AUTO_FREE char *number = part_behind(audience, "/projects/");
    PQ_AUTO_FREE char *pool_name = part_behind(audience, "/workloadIdentityPools/");
    PQ_AUTO_FREE char *provider = part_behind(audience, "/providers/");
    PQ_AUTO_FREE char *words = pq_asprintf("the id of the project with the number %s", number);
    PQ_AUTO_FREE char *project = pq_shell_wanted(entry, "GOOGLE_PROJECT", words);
    PQ_AUTO_FREE char *ca = pq_shell_wanted(entry, "DEVICE_CA", "the PEM file of the CA that certifies the devices");
    COMMAND(create, "gcloud iam workload-identity-pools create");
    pq_shell_add(&create, pool_name);
    pq_buf_addf(&create, " --location global --project %s", project);
    pq_policy_add(policy, "Once for the fleet: the pool, and a provider that trusts the CA of the devices.",
                  pq_buf_steal(&create), NULL);
    COMMAND(provide, "");
    pq_buf_addf(&provide,
                "{ printf 'trustStore:\\n  trustAnchors:\\n  - pemCertificate: |\\n'; sed 's/^/      /' %s; } "
                ">trust-store.yaml\n"
                "gcloud iam workload-identity-pools providers create-x509",
                ca);
    pq_shell_add(&provide, provider);
    pq_buf_adds(&provide, " --location global");
    add_option(&provide, "workload-identity-pool", pool_name);
    pq_buf_addf(&provide,
                " --project %s \\\n  --trust-store-config-path trust-store.yaml --attribute-mapping "
                "google.subject=assertion.subject.dn.cn",
                project);
    pq_policy_add(policy, NULL, pq_buf_steal(&provide), NULL);
    if (!account)
        return;
    PQ_AUTO_STRINGS principals = {0};
    pq_policy_device_principals(ask, pool, &principals);
    for (size_t i = 0; i < principals.count; i++) {
        COMMAND(act, "gcloud iam service-accounts add-iam-policy-binding");
        pq_shell_add(&act, account);
        pq_buf_addf(&act, " --project %s --role roles/iam.workloadIdentityUser --member %s", project, principals.at[i]);
        pq_policy_add(policy, i ? NULL : "Each device may act as the service account.", pq_buf_steal(&act), NULL);
    }
}
