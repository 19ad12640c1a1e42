#include "oci/manifest.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "oci/digest.h"

static void json_cleanup(json_t **value)
{
    json_decref(*value);
}
#define AUTO_JSON PQ_CLEANUP(json_cleanup) json_t

static void annotations_clear(pq_annotations *annotations)
{
    for (size_t i = 0; i < annotations->count; i++) {
        free(annotations->at[i].key);
        free(annotations->at[i].value);
    }
    free(annotations->at);
    *annotations = (pq_annotations){0};
}

static void descriptor_clear(pq_descriptor *descriptor)
{
    free(descriptor->media_type);
    free(descriptor->digest);
    free(descriptor->artifact_type);
    pq_platform_clear(&descriptor->platform);
    annotations_clear(&descriptor->annotations);
    *descriptor = (pq_descriptor){0};
}

static void descriptors_clear(pq_descriptor *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        descriptor_clear(&list[i]);
    free(list);
}

void pq_manifest_clear(pq_manifest *manifest)
{
    free(manifest->media_type);
    free(manifest->artifact_type);
    descriptor_clear(&manifest->config);
    descriptors_clear(manifest->layers, manifest->layer_count);
    descriptors_clear(manifest->manifests, manifest->manifest_count);
    annotations_clear(&manifest->annotations);
    *manifest = (pq_manifest){0};
}

/* NULL is a missing member as well: Go writes it for an empty one. */
static const json_t *member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

static bool bad(pq_error *err, const char *path, const char *name, const char *what)
{
    return pq_fail(err, PQ_EINPUT, NULL, NULL, "not a valid manifest: %s%s%s %s", path, *path ? "." : "", name, what);
}

static bool optional_string(const json_t *object, const char *path, const char *name, char **out, pq_error *err)
{
    const json_t *value = member(object, name);
    if (value && !json_is_string(value))
        return bad(err, path, name, "is not a string");
    *out = value ? pq_strdup(json_string_value(value)) : NULL;
    return true;
}

static bool read_annotations(const json_t *object, const char *path, pq_annotations *out, pq_error *err)
{
    json_t *value = json_object_get(object, "annotations");
    if (!value || json_is_null(value))
        return true;
    if (!json_is_object(value))
        return bad(err, path, "annotations", "is not an object");
    out->at = pq_alloc(json_object_size(value), sizeof *out->at);
    const char *key;
    json_t *text;
    json_object_foreach(value, key, text)
    {
        if (!json_is_string(text))
            return bad(err, path, "annotations", "has a value that is not a string");
        out->at[out->count++] = (pq_annotation){.key = pq_strdup(key), .value = pq_strdup(json_string_value(text))};
    }
    return true;
}

static bool read_platform(const json_t *object, const char *path, pq_descriptor *out, pq_error *err)
{
    const json_t *value = member(object, "platform");
    if (!value)
        return true;
    if (!json_is_object(value))
        return bad(err, path, "platform", "is not an object");
    PQ_AUTO_FREE char *inner = pq_asprintf("%s.platform", path);
    if (!optional_string(value, inner, "os", &out->platform.os, err) ||
        !optional_string(value, inner, "architecture", &out->platform.architecture, err) ||
        !optional_string(value, inner, "variant", &out->platform.variant, err))
        return false;
    if (!out->platform.os || !out->platform.architecture)
        return bad(err, path, "platform", "lacks os or architecture");
    if (!out->platform.variant)
        out->platform.variant = pq_strdup("");
    out->has_platform = true;
    return true;
}

static bool read_descriptor(const json_t *object, const char *path, pq_descriptor *out, pq_error *err)
{
    if (!json_is_object(object))
        return bad(err, path, "", "is not an object");
    if (!optional_string(object, path, "mediaType", &out->media_type, err) ||
        !optional_string(object, path, "digest", &out->digest, err) ||
        !optional_string(object, path, "artifactType", &out->artifact_type, err))
        return false;
    if (!out->media_type)
        return bad(err, path, "mediaType", "is missing");
    if (!out->digest)
        return bad(err, path, "digest", "is missing");
    if (!pq_digest_check(out->digest, err))
        return pq_error_wrap(err, "not a valid manifest: %s.digest", path);
    const json_t *size = member(object, "size");
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return bad(err, path, "size", size ? "is not a number of bytes" : "is missing");
    out->size = (uint64_t)json_integer_value(size);
    return read_platform(object, path, out, err) && read_annotations(object, path, &out->annotations, err);
}

static bool read_list(const json_t *root, const char *name, pq_descriptor **out, size_t *out_count, pq_error *err)
{
    const json_t *list = member(root, name);
    if (list && !json_is_array(list))
        return bad(err, "", name, "is not an array");
    *out = pq_alloc(json_array_size(list), sizeof **out);
    for (size_t i = 0; i < json_array_size(list); i++) {
        PQ_AUTO_FREE char *path = pq_asprintf("%s[%zu]", name, i);
        *out_count = i + 1; /* counted first, so that a half-read one is let go */
        if (!read_descriptor(json_array_get(list, i), path, &(*out)[i], err))
            return false;
    }
    return true;
}

/* Content-Type without its parameters, in lower case; NULL when there is none that says anything. */
static char *bare_type(const char *content_type)
{
    if (!content_type)
        return NULL;
    while (pq_ascii_space(*content_type))
        content_type++;
    char *type = pq_strndup(content_type, strcspn(content_type, "; \t\r\n"));
    pq_ascii_lower_in_place(type);
    if (strcmp(type, "") == 0 || strcmp(type, "application/json") == 0 || strcmp(type, "text/plain") == 0 ||
        strcmp(type, "application/octet-stream") == 0) {
        free(type);
        return NULL;
    }
    return type;
}

static bool is_schema1_type(const char *type)
{
    return type && pq_starts_with(type, "application/vnd.docker.distribution.manifest.v1+");
}

static bool is_index_type(const char *type)
{
    return strcmp(type, PQ_TYPE_OCI_INDEX) == 0 || strcmp(type, PQ_TYPE_DOCKER_LIST) == 0;
}

static bool fail_schema1(pq_error *err)
{
    return pq_fail(err, PQ_EINPUT, NULL, "push the image again with a current docker, podman or skopeo",
                   "is a docker schema 1 manifest, which has no digests worth trusting and is no longer read");
}

/* Decides which of the four types it is, and that nothing contradicts. */
static bool settle_type(const json_t *root, const char *content_type, pq_manifest *out, pq_error *err)
{
    PQ_AUTO_FREE char *said = bare_type(content_type);
    PQ_AUTO_FREE char *own = NULL;
    const json_t *version = member(root, "schemaVersion");
    if (!optional_string(root, "", "mediaType", &own, err))
        return false;
    if (is_schema1_type(said) || is_schema1_type(own) || (json_is_integer(version) && json_integer_value(version) == 1))
        return fail_schema1(err);
    if (!json_is_integer(version) || json_integer_value(version) != 2)
        return bad(err, "", "schemaVersion", version ? "is not 2" : "is missing");
    if (own && said && strcmp(own, said) != 0)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "the manifest's mediaType is not the Content-Type it came with");
    bool index_members = member(root, "manifests") != NULL;
    bool image_members = member(root, "config") || member(root, "layers");
    if (index_members && image_members)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "has the members of both an image manifest and an index");
    const char *type = own ? own : said;
    if (!type)
        type = index_members ? PQ_TYPE_OCI_INDEX : PQ_TYPE_OCI_MANIFEST;
    if (strcmp(type, PQ_TYPE_OCI_MANIFEST) != 0 && strcmp(type, PQ_TYPE_DOCKER_MANIFEST) != 0 && !is_index_type(type))
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "is neither an image manifest nor an index, by its media type");
    out->is_index = is_index_type(type);
    if (out->is_index ? image_members : index_members)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "its members are not those of its media type");
    out->media_type = pq_strdup(type);
    return true;
}

bool pq_manifest_parse(const char *bytes, size_t length, const char *content_type, pq_manifest *out, pq_error *err)
{
    if (length > PQ_MAX_MANIFEST)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "is larger than %u bytes", PQ_MAX_MANIFEST);
    json_error_t where;
    AUTO_JSON *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "not a valid manifest: not JSON, at line %d column %d", where.line,
                       where.column);
    if (!json_is_object(root))
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "not a valid manifest: not a JSON object");
    PQ_AUTO_MANIFEST read = {0};
    if (!settle_type(root, content_type, &read, err) ||
        !optional_string(root, "", "artifactType", &read.artifact_type, err) ||
        !read_annotations(root, "", &read.annotations, err))
        return false;
    if (read.is_index) {
        if (!member(root, "manifests"))
            return bad(err, "", "manifests", "is missing");
        if (!read_list(root, "manifests", &read.manifests, &read.manifest_count, err))
            return false;
    } else {
        if (!member(root, "config"))
            return bad(err, "", "config", "is missing");
        if (!read_descriptor(member(root, "config"), "config", &read.config, err) ||
            !read_list(root, "layers", &read.layers, &read.layer_count, err))
            return false;
    }
    *out = read;
    read = (pq_manifest){0};
    return true;
}

const char *pq_annotation_get(const pq_annotations *annotations, const char *key)
{
    for (size_t i = 0; i < annotations->count; i++)
        if (strcmp(annotations->at[i].key, key) == 0)
            return annotations->at[i].value;
    return NULL;
}

const pq_descriptor *pq_manifest_select(const pq_manifest *index, const pq_platform *platform)
{
    const pq_descriptor *best = NULL;
    int best_fit = 0;
    for (size_t i = 0; i < index->manifest_count; i++) {
        const pq_descriptor *entry = &index->manifests[i];
        int fit = entry->has_platform ? pq_platform_fit(platform, &entry->platform) : 0;
        if (fit > best_fit) {
            best_fit = fit;
            best = entry;
        }
    }
    return best;
}

static int compare_digests(const void *a, const void *b)
{
    return strcmp((*(const pq_descriptor *const *)a)->digest, (*(const pq_descriptor *const *)b)->digest);
}

uint64_t pq_manifest_transfer_size(const pq_manifest *manifest)
{
    if (manifest->is_index)
        return 0;
    PQ_AUTO_FREE const pq_descriptor **blobs = pq_alloc(manifest->layer_count + 1, sizeof *blobs);
    for (size_t i = 0; i < manifest->layer_count; i++)
        blobs[i] = &manifest->layers[i];
    blobs[manifest->layer_count] = &manifest->config;
    qsort(blobs, manifest->layer_count + 1, sizeof *blobs, compare_digests);
    uint64_t total = 0;
    for (size_t i = 0; i <= manifest->layer_count; i++) {
        if (i && strcmp(blobs[i]->digest, blobs[i - 1]->digest) == 0)
            continue;
        total = blobs[i]->size > UINT64_MAX - total ? UINT64_MAX : total + blobs[i]->size;
    }
    return total;
}
