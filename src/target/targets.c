#include "target/targets.h"

#include <string.h>

#include "base/clock.h"

static void set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        abort();
}

void pq_new_targets_clear(pq_new_targets *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free((char *)(uintptr_t)list->at[i].name);
        json_decref(list->at[i].custom);
    }
    free(list->at);
    pq_strings_clear(&list->unchanged_names);
    *list = (pq_new_targets){0};
}

uint64_t pq_targets_next_version(const pq_tuf_state *state)
{
    size_t count = 0;
    PQ_AUTO_FREE pq_tuf_listed *list = pq_tuf_list_targets(state, &count);
    uint64_t highest = 0;
    for (size_t i = 0; i < count; i++)
        highest = list[i].version > highest ? list[i].version : highest;
    return highest + 1;
}

bool pq_targets_check_version(const pq_tuf_state *state, uint64_t version, pq_error *err)
{
    size_t count = 0;
    PQ_AUTO_FREE pq_tuf_listed *list = pq_tuf_list_targets(state, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i].version == version)
            return pq_fail(err, PQ_EUSAGE, list[i].name, "leave --version out for the next free one",
                           "the version %llu is used already", (unsigned long long)version);
    return true;
}

static bool array_has(const json_t *array, const char *text)
{
    size_t at;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)array, at, item)
    {
        if (pq_streq(json_string_value(item), text))
            return true;
    }
    return false;
}

static bool is_for(const pq_tuf_listed *listed, const char *tag, const char *machine)
{
    return array_has(json_object_get(listed->custom, "tags"), tag) &&
           array_has(json_object_get(listed->custom, "hardwareIds"), machine);
}

/* The newest Target of that tag and machine, or NULL; of OSTREE ones only when `ostree`. */
static const pq_tuf_listed *newest(const pq_tuf_listed *list, size_t count, const char *tag, const char *machine,
                                   bool ostree)
{
    for (size_t i = count; i-- > 0;) {
        const char *format = json_string_value(json_object_get(list[i].custom, "targetFormat"));
        if (is_for(&list[i], tag, machine) && (!ostree || pq_streq(format, "OSTREE")))
            return &list[i];
    }
    return NULL;
}

static json_t *apps_json(const pq_targets_options *options)
{
    json_t *apps = json_object();
    for (size_t i = 0; i < options->app_count; i++) {
        json_t *app = json_object();
        set(app, "uri", json_string(options->apps[i].uri));
        set(apps, options->apps[i].name, app);
    }
    return apps;
}

static bool says_the_same(const pq_tuf_listed *listed, const pq_targets_options *options)
{
    json_t *apps = apps_json(options);
    const json_t *before = json_object_get(listed->custom, "docker_compose_apps");
    bool same = json_equal(before, apps) != 0 &&
                pq_streq(json_string_value(json_object_get(listed->custom, "containers-sha")), options->revision);
    json_decref(apps);
    return same;
}

/* What an OSTREE Target's custom says, without what was about the build that made it. */
static json_t *inherited_custom(const pq_tuf_listed *base)
{
    json_t *custom = base ? json_deep_copy(base->custom) : json_object();
    if (!custom)
        abort();
    (void)json_object_del(custom, "docker_apps");
    (void)json_object_del(custom, "origUriApps");
    json_t *uri = json_object_get(custom, "uri");
    if (uri && !json_object_get(custom, "origUri") && json_object_set(custom, "origUri", uri) != 0)
        abort();
    (void)json_object_del(custom, "uri");
    return custom;
}

static void make_one(const pq_targets_options *options, const pq_tuf_listed *base, const char *machine,
                     pq_tuf_new_target *out)
{
    json_t *custom = inherited_custom(base);
    const char *inherited = json_string_value(json_object_get(custom, "name"));
    PQ_AUTO_FREE char *name = inherited ? pq_strdup(inherited) : pq_asprintf("%s-lmp", machine);
    PQ_AUTO_FREE char *version = pq_asprintf("%llu", (unsigned long long)options->version);
    char now[PQ_TIME_TEXT];
    pq_time_text(options->now, now);
    json_t *machines = json_array(), *tags = json_array();
    if (json_array_append_new(machines, json_string(machine)) != 0 ||
        json_array_append_new(tags, json_string(options->tag)) != 0)
        abort();
    set(custom, "name", json_string(name));
    set(custom, "version", json_string(version));
    set(custom, "hardwareIds", machines);
    set(custom, "tags", tags);
    if (!base)
        set(custom, "targetFormat", json_string("BINARY"));
    set(custom, "docker_compose_apps", apps_json(options));
    set(custom, "containers-sha", json_string(options->revision));
    set(custom, "createdAt", json_string(now));
    set(custom, "updatedAt", json_string(now));
    *out = (pq_tuf_new_target){.name = pq_asprintf("%s-%s", name, version), .custom = custom};
    if (base) {
        out->hash = base->file.hash;
        out->length = base->file.length;
    } else {
        out->bytes = pq_buf_text(options->release);
        out->length = options->release->length;
        out->hash = pq_sha256_of(out->bytes, options->release->length);
    }
}

bool pq_targets_make(const pq_tuf_state *state, const pq_targets_options *options, pq_new_targets *out, pq_error *err)
{
    if (!pq_targets_check_version(state, options->version, err))
        return false;
    size_t count = 0;
    PQ_AUTO_FREE pq_tuf_listed *list = pq_tuf_list_targets(state, &count);
    out->at = pq_alloc(options->machines->count, sizeof *out->at);
    for (size_t i = 0; i < options->machines->count; i++) {
        const char *word = options->machines->at[i];
        PQ_AUTO_FREE char *machine = pq_strndup(word, strcspn(word, ":"));
        const pq_tuf_listed *last = newest(list, count, options->tag, machine, false);
        if (last && says_the_same(last, options)) {
            out->unchanged++;
            pq_strings_add(&out->unchanged_names, last->name);
            continue;
        }
        make_one(options, newest(list, count, options->tag, machine, true), machine, &out->at[out->count++]);
    }
    return true;
}

bool pq_targets_want_renewal(const pq_tuf_state *state, const char *expire_after, time_t now)
{
    time_t renewed;
    if (!pq_time_add_period(now, expire_after ? expire_after : PQ_TUF_TARGETS_EXPIRE_AFTER, &renewed))
        return false;
    const pq_tuf_metadata *const signed_here[] = {&state->targets, &state->snapshot, &state->timestamp};
    for (size_t i = 0; i < sizeof signed_here / sizeof *signed_here; i++)
        if (signed_here[i]->expires - now < (renewed - now) / 2)
            return true;
    return false;
}

json_t *pq_new_targets_json(const pq_new_targets *list)
{
    json_t *all = json_object();
    for (size_t i = 0; i < list->count; i++) {
        const pq_tuf_new_target *target = &list->at[i];
        char hex[PQ_SHA256_HEX];
        pq_sha256_hex(&target->hash, hex);
        json_t *hashes = json_object(), *one = json_object();
        set(hashes, "sha256", json_string(hex));
        set(one, "hashes", hashes);
        set(one, "length", json_integer((json_int_t)target->length));
        if (json_object_set(one, "custom", target->custom) != 0)
            abort();
        set(all, target->name, one);
    }
    return all;
}
