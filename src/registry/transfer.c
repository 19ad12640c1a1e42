#include "registry/transfer.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "registry/token.h"

void pq_remote_manifest_clear(pq_remote_manifest *manifest)
{
    free(manifest->digest);
    free(manifest->media_type);
    pq_buf_clear(&manifest->bytes);
    *manifest = (pq_remote_manifest){0};
}

static char *where_of(const pq_repository *repository)
{
    return repository->where ? pq_strdup(repository->where) : pq_asprintf("%s/%s", repository->host, repository->name);
}

static pq_registry_call call_of(const pq_repository *repository, const char *method, const char *path,
                                const char *where)
{
    return (pq_registry_call){
        .host = repository->host, .repository = repository->name, .method = method, .path = path, .where = where};
}

/* One call of a repository, answered with one of two statuses or an error. */
static bool ask(pq_registry *registry, const pq_registry_call *call, long good, long also_good, pq_http_answer *out,
                pq_error *err)
{
    if (!pq_registry_do(registry, call, out, err))
        return false;
    if (out->status == good || out->status == also_good)
        return true;
    return pq_registry_refused(registry, call, out, err);
}

static bool is_digest(const char *text)
{
    return pq_starts_with(text, "sha256:") && strlen(text) == 7 + 64 && strspn(text + 7, "0123456789abcdef") == 64;
}

bool pq_registry_login(pq_registry *registry, const char *host, pq_error *err)
{
    pq_registry_call call = {.host = host, .method = "GET", .path = "", .where = host};
    PQ_AUTO_ANSWER answer = {0};
    return ask(registry, &call, 200, 200, &answer, err);
}

static const char somebody[] = "somebody changes what the registry sends";

bool pq_registry_prove_manifest(const pq_http_answer *answer, const char *reference, const char *where, char **digest,
                                pq_error *err)
{
    PQ_AUTO_FREE char *real = pq_sha256_digest(pq_buf_text(&answer->body), answer->body.length);
    const char *claimed = pq_http_header(answer, "Docker-Content-Digest");
    if (strchr(reference, ':') && strcmp(real, reference) != 0)
        return pq_fail(err, PQ_EUNTRUSTED, where, somebody, "the manifest has the digest %s, not the one asked for",
                       real);
    if (claimed && is_digest(claimed) && strcmp(real, claimed) != 0)
        return pq_fail(err, PQ_EUNTRUSTED, where, somebody, "the manifest has the digest %s, but the registry says %s",
                       real, claimed);
    *digest = pq_steal(real);
    return true;
}

bool pq_registry_prove_blob(const pq_http_answer *answer, const char *digest, const char *where, pq_error *err)
{
    PQ_AUTO_FREE char *real = pq_sha256_digest(pq_buf_text(&answer->body), answer->body.length);
    if (strcmp(real, digest) != 0)
        return pq_fail(err, PQ_EUNTRUSTED, where, somebody, "the blob %s has another digest: %s", digest, real);
    return true;
}

bool pq_registry_head_digest(const pq_http_answer *answer, const char *reference, const char *where, char **digest,
                             pq_error *err)
{
    const char *claimed = pq_http_header(answer, "Docker-Content-Digest");
    *digest = NULL;
    if (answer->status != 200 || !claimed || !is_digest(claimed))
        return true;
    if (strchr(reference, ':') && strcmp(claimed, reference) != 0)
        return pq_fail(err, PQ_EUNTRUSTED, where, somebody,
                       "the registry answers with the digest %s, not the one asked for", claimed);
    *digest = pq_strdup(claimed);
    return true;
}

bool pq_registry_pull_manifest(pq_registry *registry, const pq_repository *repository, const char *reference,
                               pq_remote_manifest *out, pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(repository);
    PQ_AUTO_FREE char *path = pq_asprintf("manifests/%s", reference);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, pq_accept_manifests);
    pq_registry_call call = call_of(repository, "GET", path, where);
    call.headers = &headers;
    call.answer_cap = PQ_MAX_MANIFEST;
    PQ_AUTO_ANSWER answer = {0};
    if (!ask(registry, &call, 200, 200, &answer, err))
        return false;
    PQ_AUTO_FREE char *digest = NULL;
    if (!pq_registry_no_web_page(&answer, where, err) ||
        !pq_registry_prove_manifest(&answer, reference, where, &digest, err))
        return false;
    const char *type = pq_http_header(&answer, "Content-Type");
    pq_remote_manifest_clear(out);
    out->digest = pq_steal(digest);
    out->media_type = type ? pq_strndup(type, strcspn(type, "; ")) : NULL;
    out->bytes = answer.body;
    answer.body = (pq_buf){0};
    return true;
}

bool pq_registry_find(pq_registry *registry, const pq_repository *repository, const char *reference, char **digest,
                      pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(repository);
    PQ_AUTO_FREE char *path = pq_asprintf("manifests/%s", reference);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, pq_accept_manifests);
    pq_registry_call call = call_of(repository, "HEAD", path, where);
    call.headers = &headers;
    PQ_AUTO_ANSWER answer = {0};
    *digest = NULL;
    if (!pq_registry_do(registry, &call, &answer, err))
        return false;
    if (answer.status == 404)
        return true;
    if (!pq_registry_head_digest(&answer, reference, where, digest, err))
        return false;
    if (*digest)
        return true;
    /* No digest, or a refusal whose reason is in the body that a HEAD has not. */
    PQ_AUTO_REMOTE_MANIFEST manifest = {0};
    if (pq_registry_pull_manifest(registry, repository, reference, &manifest, err)) {
        *digest = pq_steal(manifest.digest);
        return true;
    }
    if (err->code != PQ_ENOTFOUND)
        return false;
    pq_error_clear(err);
    return true;
}

bool pq_registry_has_blob(pq_registry *registry, const pq_repository *repository, const char *digest, bool *out,
                          pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(repository);
    PQ_AUTO_FREE char *path = pq_asprintf("blobs/%s", digest);
    pq_registry_call call = call_of(repository, "HEAD", path, where);
    PQ_AUTO_ANSWER answer = {0};
    if (!ask(registry, &call, 200, 404, &answer, err))
        return false;
    *out = answer.status == 200;
    return true;
}

bool pq_registry_pull_blob(pq_registry *registry, const pq_repository *repository, const char *digest, pq_buf *out,
                           pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(repository);
    PQ_AUTO_FREE char *path = pq_asprintf("blobs/%s", digest);
    pq_registry_call call = call_of(repository, "GET", path, where);
    call.answer_cap = out->cap;
    call.resumable = true; /* it is named by its digest, and held against it */
    PQ_AUTO_ANSWER answer = {0};
    if (!ask(registry, &call, 200, 200, &answer, err))
        return false;
    if (!pq_registry_prove_blob(&answer, digest, where, err))
        return false;
    pq_buf_clear(out);
    *out = answer.body;
    answer.body = (pq_buf){0};
    return true;
}

bool pq_registry_upload_location(const pq_http_answer *answer, const char *where, char **location, pq_error *err)
{
    const char *header = pq_http_header(answer, "Location");
    *location = header ? pq_url_resolve(answer->url, header) : NULL;
    if (!*location)
        return pq_fail(err, PQ_EFAILED, where, NULL, "the registry started an upload but names no place for it");
    if (!pq_url_same_origin(*location, answer->url)) {
        free(pq_steal(*location));
        return pq_fail(err, PQ_EFAILED, where, "no credential was sent there",
                       "the registry wants the upload to go to another host");
    }
    return true;
}

/* Starts an upload; `location` is where it goes on. */
static bool start_upload(pq_registry *registry, const pq_repository *repository, const char *where, char **location,
                         pq_error *err)
{
    pq_registry_call call = call_of(repository, "POST", "blobs/uploads/", where);
    call.push = true;
    call.repeatable = true;
    PQ_AUTO_ANSWER answer = {0};
    return ask(registry, &call, 202, 202, &answer, err) && pq_registry_upload_location(&answer, where, location, err);
}

bool pq_registry_push_blob(pq_registry *registry, const pq_repository *repository, const char *digest,
                           const void *bytes, size_t length, bool *uploaded, pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(repository);
    bool there = false;
    *uploaded = false;
    if (!pq_registry_has_blob(registry, repository, digest, &there, err))
        return false;
    if (there)
        return true;
    PQ_AUTO_FREE char *location = NULL;
    if (!start_upload(registry, repository, where, &location, err))
        return false;
    PQ_AUTO_FREE char *escaped = pq_url_escape(digest);
    PQ_AUTO_FREE char *url = pq_asprintf("%s%sdigest=%s", location, strchr(location, '?') ? "&" : "?", escaped);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "Content-Type: application/octet-stream");
    pq_registry_call call = call_of(repository, "PUT", url, where);
    call.push = true;
    call.headers = &headers;
    call.body = bytes;
    call.body_length = length;
    PQ_AUTO_ANSWER answer = {0};
    if (!ask(registry, &call, 201, 204, &answer, err))
        return false;
    *uploaded = true;
    return true;
}

bool pq_registry_push_manifest(pq_registry *registry, const pq_repository *repository, const char *reference,
                               const char *media_type, const void *bytes, size_t length, pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(repository);
    PQ_AUTO_FREE char *digest = pq_sha256_digest(bytes, length);
    PQ_AUTO_FREE char *path = pq_asprintf("manifests/%s", reference);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_take(&headers, pq_asprintf("Content-Type: %s", media_type));
    pq_registry_call call = call_of(repository, "PUT", path, where);
    call.push = true;
    call.headers = &headers;
    call.body = bytes;
    call.body_length = length;
    call.repeatable = true;
    PQ_AUTO_ANSWER answer = {0};
    if (!ask(registry, &call, 201, 200, &answer, err))
        return false;
    const char *stored = pq_http_header(&answer, "Docker-Content-Digest");
    if (stored && is_digest(stored) && strcmp(stored, digest) != 0)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "the registry stored the manifest as %s, but it is %s", stored,
                       digest);
    return true;
}

bool pq_registry_try_push(pq_registry *registry, const pq_repository *repository, pq_error *err)
{
    PQ_AUTO_FREE char *where = where_of(repository);
    PQ_AUTO_FREE char *location = NULL;
    if (!start_upload(registry, repository, where, &location, err))
        return false;
    pq_registry_call cancel = call_of(repository, "DELETE", location, where);
    cancel.push = true;
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR ignored = {0};
    /* Not every registry knows how to cancel; those let it end by itself. The right to push is proved either way. */
    if (!pq_registry_do(registry, &cancel, &answer, &ignored))
        pq_detail("%s: the trial upload could not be cancelled: %s", where, ignored.message);
    return true;
}
