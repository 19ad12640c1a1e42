#include "config/mirrors.h"

#include <string.h>

#include "config/host.h"
#include "config/toml.h"

static void clear_mirror(pq_mirror *mirror)
{
    free(mirror->location);
    free(mirror->where);
}

static void clear_rule(pq_mirror_rule *rule)
{
    free(rule->prefix);
    clear_mirror(&rule->origin);
    for (size_t i = 0; i < rule->mirror_count; i++)
        clear_mirror(&rule->mirrors[i]);
    free(rule->mirrors);
    *rule = (pq_mirror_rule){0};
}

void pq_mirrors_clear(pq_mirrors *mirrors)
{
    for (size_t i = 0; i < mirrors->rule_count; i++)
        clear_rule(&mirrors->rules[i]);
    free(mirrors->rules);
    *mirrors = (pq_mirrors){0};
}

void pq_pull_sources_clear(pq_pull_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        free(sources->at[i].image);
    free(sources->at);
    *sources = (pq_pull_sources){0};
}

/* --- one file --------------------------------------------------------------------------------------------------- */

typedef struct reader {
    const char *name;
    pq_errors *errs;
    pq_mirrors found;
} reader;

static bool complain(reader *r, const pq_toml *at, const char *key, const char *words)
{
    PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", r->name, at->line);
    return pq_errors_add(r->errs, PQ_ECONFIG, where, NULL, "`%s` %s", key, words);
}

/* The text of a key; `*out` is NULL when it is not there or empty. Borrowed. */
static bool text_of(reader *r, const pq_toml *table, const char *key, const char **out)
{
    const pq_toml *value = pq_toml_get(table, key);
    *out = NULL;
    if (!value)
        return true;
    if (value->type != PQ_TOML_TEXT)
        return complain(r, value, key, "must be a text in quotes");
    *out = *value->text ? value->text : NULL;
    return true;
}

static bool truth_of(reader *r, const pq_toml *table, const char *key, bool *out)
{
    const pq_toml *value = pq_toml_get(table, key);
    *out = false;
    if (!value)
        return true;
    if (value->type != PQ_TOML_BOOL)
        return complain(r, value, key, "must be true or false");
    *out = value->truth;
    return true;
}

/* A name of a registry, or of a part of one; without slashes at its end. Owned; NULL when told. */
static char *place_of(reader *r, const pq_toml *table, const char *key, const char *text)
{
    size_t length = strlen(text);
    while (length && text[length - 1] == '/')
        length--;
    PQ_AUTO_FREE char *place = pq_strndup(text, length);
    bool wildcard = pq_streq(key, "prefix") && pq_starts_with(place, "*.");
    const char *host_text = wildcard ? place + 2 : place;
    PQ_AUTO_FREE char *host = pq_strndup(host_text, strcspn(host_text, "/@"));
    PQ_AUTO_FREE char *normal = pq_host_normal(host);
    const char *words = strstr(place, "://")                           ? "has a scheme: it is host[:port][/path]"
                        : wildcard && strpbrk(host_text, "/:@")        ? "with `*.` takes a host and nothing behind it"
                        : !normal && !(wildcard && !strchr(host, '.')) ? "does not begin with a registry's host"
                                                                       : NULL;
    if (!words)
        return pq_steal(place);
    (void)complain(r, pq_toml_get(table, key), key, words);
    return NULL;
}

static bool read_use(reader *r, const pq_toml *table, bool by_digest_only, pq_mirror_use *out)
{
    static const char key[] = "pull-from-mirror";
    const char *text;
    *out = by_digest_only ? PQ_MIRROR_BY_DIGEST : PQ_MIRROR_ALL;
    if (!text_of(r, table, key, &text))
        return false;
    if (!text)
        return true;
    if (by_digest_only)
        return complain(r, pq_toml_get(table, key), key, "cannot stand beside `mirror-by-digest-only`");
    if (pq_streq(text, "digest-only"))
        *out = PQ_MIRROR_BY_DIGEST;
    else if (pq_streq(text, "tag-only"))
        *out = PQ_MIRROR_BY_TAG;
    else if (!pq_streq(text, "all"))
        return complain(r, pq_toml_get(table, key), key, "must be all, digest-only or tag-only");
    return true;
}

/* What [[registry]] and [[registry.mirror]] share. */
static bool read_place(reader *r, const pq_toml *table, pq_mirror *out)
{
    const char *location;
    if (!text_of(r, table, "location", &location) || !truth_of(r, table, "insecure", &out->insecure))
        return false;
    out->where = pq_asprintf("%s:%u", r->name, table->line);
    if (location)
        out->location = place_of(r, table, "location", location);
    return !location || out->location;
}

static bool read_mirrors(reader *r, const pq_toml *table, bool by_digest_only, pq_mirror_rule *rule)
{
    const pq_toml *list = pq_toml_get(table, "mirror");
    if (list && list->type != PQ_TOML_ARRAY)
        return complain(r, list, "mirror", "must be written as [[registry.mirror]]");
    for (const pq_toml *one = list ? list->first : NULL; one; one = one->next) {
        if (one->type != PQ_TOML_TABLE)
            return complain(r, one, "mirror", "must be written as [[registry.mirror]]");
        rule->mirrors = pq_grow(rule->mirrors, &rule->mirror_capacity, rule->mirror_count + 1, sizeof *rule->mirrors);
        pq_mirror *mirror = &rule->mirrors[rule->mirror_count++];
        if (!read_place(r, one, mirror) || !read_use(r, one, by_digest_only, &mirror->use))
            return false;
        if (!mirror->location)
            return complain(r, one, "location", "is missing in a mirror");
    }
    return true;
}

static bool read_rule(reader *r, const pq_toml *table, pq_mirror_rule *rule)
{
    bool by_digest_only;
    const char *prefix;
    if (table->type != PQ_TOML_TABLE)
        return complain(r, table, "registry", "must be written as [[registry]]");
    if (!read_place(r, table, &rule->origin) || !truth_of(r, table, "blocked", &rule->blocked) ||
        !truth_of(r, table, "mirror-by-digest-only", &by_digest_only) || !text_of(r, table, "prefix", &prefix) ||
        !read_mirrors(r, table, by_digest_only, rule))
        return false;
    if (prefix)
        rule->prefix = place_of(r, table, "prefix", prefix);
    else
        rule->prefix = pq_strdup(rule->origin.location);
    if (prefix && !rule->prefix)
        return false;
    if (!rule->origin.location && !(prefix && pq_starts_with(rule->prefix, "*.")))
        return complain(r, table, "location", "is missing");
    return true;
}

static pq_mirror_rule *rule_of(const pq_mirrors *mirrors, const char *prefix)
{
    for (size_t i = 0; i < mirrors->rule_count; i++)
        if (strcmp(mirrors->rules[i].prefix, prefix) == 0)
            return &mirrors->rules[i];
    return NULL;
}

static pq_mirror_rule *new_rule(pq_mirrors *mirrors)
{
    mirrors->rules = pq_grow(mirrors->rules, &mirrors->rule_capacity, mirrors->rule_count + 1, sizeof *mirrors->rules);
    return &mirrors->rules[mirrors->rule_count++];
}

/* A list of the old form, [registries.NAME] registries = [HOST, …]. */
static void read_old_list(reader *r, const pq_toml *root, const char *name)
{
    const pq_toml *lists = pq_toml_get(root, "registries");
    const pq_toml *list = lists && lists->type == PQ_TOML_TABLE ? pq_toml_get(lists, name) : NULL;
    const pq_toml *hosts = list && list->type == PQ_TOML_TABLE ? pq_toml_get(list, "registries") : NULL;
    for (const pq_toml *host = hosts && hosts->type == PQ_TOML_ARRAY ? hosts->first : NULL; host; host = host->next) {
        if (host->type != PQ_TOML_TEXT || !*host->text) {
            (void)complain(r, host, "registries", "must be a list of texts");
            return;
        }
        pq_mirror_rule *rule = rule_of(&r->found, host->text);
        if (!rule) {
            rule = new_rule(&r->found);
            rule->prefix = pq_strdup(host->text);
            rule->origin.location = pq_strdup(host->text);
            rule->origin.where = pq_asprintf("%s:%u", r->name, host->line);
        }
        rule->blocked |= pq_streq(name, "block");
        rule->origin.insecure |= pq_streq(name, "insecure");
    }
}

static void take_rules(pq_mirrors *from, pq_mirrors *to)
{
    for (size_t i = 0; i < from->rule_count; i++) {
        pq_mirror_rule *known = rule_of(to, from->rules[i].prefix);
        if (known)
            clear_rule(known);
        else
            known = new_rule(to);
        *known = from->rules[i];
    }
    free(from->rules);
    *from = (pq_mirrors){0};
}

bool pq_mirrors_parse(const void *bytes, size_t length, const char *name, pq_mirrors *out, pq_errors *errs)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TOML *root = NULL;
    size_t before = errs->count;
    if (!pq_toml_parse(bytes, length, name, &root, &err)) {
        pq_errors_take(errs, &err);
        return false;
    }
    reader r = {.name = name, .errs = errs};
    const pq_toml *list = pq_toml_get(root, "registry");
    if (list && list->type != PQ_TOML_ARRAY)
        (void)complain(&r, list, "registry", "must be written as [[registry]]");
    for (const pq_toml *one = list && list->type == PQ_TOML_ARRAY ? list->first : NULL; one; one = one->next) {
        pq_mirror_rule rule = {0};
        /* Of two rules for one prefix in a file the first counts. */
        if (read_rule(&r, one, &rule) && !rule_of(&r.found, rule.prefix))
            *new_rule(&r.found) = rule;
        else
            clear_rule(&rule);
    }
    read_old_list(&r, root, "block");
    read_old_list(&r, root, "insecure");
    bool good = errs->count == before;
    if (good)
        take_rules(&r.found, out);
    pq_mirrors_clear(&r.found);
    return good;
}

/* --- one image -------------------------------------------------------------------------------------------------- */

/* How many bytes of the image the prefix stands for; 0 when it is for others. */
static size_t matched(const char *prefix, const char *image)
{
    size_t host = strcspn(image, "/");
    if (pq_starts_with(prefix, "*.")) {
        size_t length = strlen(prefix) - 1;
        return host > length && memcmp(image + host - length, prefix + 1, length) == 0 ? host : 0;
    }
    size_t length = strlen(prefix);
    if (strncmp(image, prefix, length) != 0)
        return 0;
    /* `example.com` is not `example.com:5000`, whatever others make of it. */
    return image[length] == '\0' || image[length] == '/' || (length > host && strchr(":@", image[length])) ? length : 0;
}

/* The rule of the longest prefix, and how many bytes of the image that stands for; NULL and 0 for none. */
static const pq_mirror_rule *find_rule(const pq_mirrors *mirrors, const char *image, size_t *prefix)
{
    const pq_mirror_rule *rule = NULL;
    *prefix = 0;
    for (size_t i = 0; i < mirrors->rule_count; i++) {
        size_t length = matched(mirrors->rules[i].prefix, image);
        if (length > *prefix) {
            *prefix = length;
            rule = &mirrors->rules[i];
        }
    }
    return rule;
}

static void add_source(const pq_mirrors *mirrors, pq_pull_sources *out, const pq_mirror *mirror, const char *image,
                       size_t prefix)
{
    PQ_AUTO_FREE char *place =
        mirror->location ? pq_asprintf("%s%s", mirror->location, image + prefix) : pq_strdup(image);
    size_t unused;
    const pq_mirror_rule *its_own = find_rule(mirrors, place, &unused);
    if (its_own && its_own->blocked) {
        out->blocked = its_own;
        return;
    }
    out->at = pq_grow(out->at, &out->capacity, out->count + 1, sizeof *out->at);
    pq_pull_source *source = &out->at[out->count++];
    *source = (pq_pull_source){
        .image = pq_steal(place),
        .insecure = mirror->insecure,
        .setting = mirror->where,
    };
    source->rewritten = strcmp(source->image, image) != 0;
}

bool pq_mirrors_sources(const pq_mirrors *mirrors, const char *image, pq_pull_sources *out, pq_error *err)
{
    static const pq_mirror itself = {0};
    size_t prefix;
    const pq_mirror_rule *rule = find_rule(mirrors, image, &prefix);
    bool by_digest = strchr(image, '@') != NULL;
    for (size_t i = 0; rule && i < rule->mirror_count; i++)
        if (rule->mirrors[i].use != (by_digest ? PQ_MIRROR_BY_TAG : PQ_MIRROR_BY_DIGEST))
            add_source(mirrors, out, &rule->mirrors[i], image, prefix);
    add_source(mirrors, out, rule ? &rule->origin : &itself, image, prefix);
    if (out->count)
        return true;
    return pq_fail(err, PQ_EDENIED, NULL, "use another image, or change that file",
                   "pulling from %s is blocked on this machine by %s", out->blocked->prefix,
                   out->blocked->origin.where);
}
