#include "client/kubelet.h"

#include <jansson.h>
#include <string.h>

#include "base/docker_protocol.h"
#include "base/text.h"
#include "oci/reference.h"

static const char version[] = "credentialprovider.kubelet.k8s.io/v1";

/* A password that does not expire may be changed: the kubelet asks again after this. */
enum { KEEP_PASSWORD = 5 * 60, KEEP_AT_MOST = 6 * 60 * 60 };

bool pq_kubelet_read_request(const void *bytes, size_t length, char **out_host, pq_error *err)
{
    static const char where[] = "the kubelet's request";
    json_t *root = json_loadb(bytes, length, 0, NULL);
    const char *kind = json_string_value(json_object_get(root, "kind"));
    const char *api = json_string_value(json_object_get(root, "apiVersion"));
    PQ_AUTO_FREE char *image = pq_strdup(json_string_value(json_object_get(root, "image")));
    bool is_request = root && pq_streq(kind, "CredentialProviderRequest");
    bool is_known = pq_streq(api, version);
    json_decref(root);
    if (!is_request)
        return pq_fail(err, PQ_EINPUT, where, NULL, "is not a CredentialProviderRequest");
    if (!is_known)
        return pq_fail(err, PQ_EINPUT, where, "set apiVersion of the provider to credentialprovider.kubelet.k8s.io/v1",
                       "is not of version v1");
    PQ_AUTO_REFERENCE reference = {0};
    if (!image || !pq_reference_parse(image, &reference, err))
        return pq_fail(err, PQ_EINPUT, where, NULL, "names no image");
    *out_host = pq_docker_host(reference.domain);
    return *out_host || pq_fail(err, PQ_EINPUT, where, NULL, "names no image");
}

void pq_kubelet_write_answer(pq_buf *out, const char *host, const char *user, const char *secret, size_t secret_length,
                             time_t seconds)
{
    pq_buf_addf(out,
                "{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"%s\",\"cacheKeyType\":\"Registry\","
                "\"cacheDuration\":\"%llds\",\"auth\":{",
                version, (long long)seconds);
    if (host && user) {
        pq_docker_json_string(out, host, strlen(host));
        pq_buf_adds(out, ":{\"username\":");
        pq_docker_json_string(out, user, strlen(user));
        pq_buf_adds(out, ",\"password\":");
        pq_docker_json_string(out, secret, secret_length);
        pq_buf_addc(out, '}');
    }
    pq_buf_adds(out, "}}\n");
}

time_t pq_kubelet_keep(time_t now, time_t expires)
{
    if (expires == 0)
        return KEEP_PASSWORD;
    /* The cache of tokens renews them at half of their life at the latest; a third of what is left is well before. */
    time_t left = expires > now ? (expires - now) / 3 : 0;
    return left < KEEP_AT_MOST ? left : KEEP_AT_MOST;
}
