/* two_requests FILE: the floor of a device's cold `get`: the two requests that cannot be avoided, each with its own TLS
 * handshake, in one process of libcurl, and nothing else: no configuration, no checks, no words for what goes wrong.
 *
 * FILE has one value a line: the URL of AWS IoT, the certificate, its key, the hashed folder of CAs, the URL of ECR. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text {
    char bytes[65536];
    size_t length;
} text;

static size_t keep(char *from, size_t size, size_t count, void *context)
{
    text *to = context;
    if (to->length + size * count >= sizeof to->bytes)
        return 0;
    memcpy(to->bytes + to->length, from, size * count);
    to->length += size * count;
    to->bytes[to->length] = '\0';
    return size * count;
}

/* The text after `"name": "`. */
static char *value(const text *json, const char *name)
{
    const char *at = strstr(json->bytes, name);
    at = at ? strchr(at + strlen(name) + 1, '"') : NULL;
    if (!at)
        exit(3);
    at++;
    return strndup(at, strcspn(at, "\""));
}

static CURL *request(const char *url, const char *folder, text *answer)
{
    CURL *easy = curl_easy_init();
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
    (void)curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    return easy;
}

int main(int argc, char **argv)
{
    enum { IOT, CERTIFICATE, KEY, FOLDER, ECR, LINES };
    static char lines[LINES][4096];
    static text keys, token;
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    for (size_t i = 0; file && i < LINES; i++)
        if (fgets(lines[i], sizeof lines[i], file))
            lines[i][strcspn(lines[i], "\n")] = '\0';
    if (!file || !*lines[ECR] || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 2;

    CURL *first = request(lines[IOT], lines[FOLDER], &keys);
    (void)curl_easy_setopt(first, CURLOPT_SSLCERT, lines[CERTIFICATE]);
    (void)curl_easy_setopt(first, CURLOPT_SSLKEY, lines[KEY]);
    if (curl_easy_perform(first) != CURLE_OK)
        return 1;

    static char user[8192], session[16384];
    (void)snprintf(user, sizeof user, "%s:%s", value(&keys, "\"accessKeyId\""), value(&keys, "\"secretAccessKey\""));
    (void)snprintf(session, sizeof session, "X-Amz-Security-Token: %s", value(&keys, "\"sessionToken\""));
    struct curl_slist *headers = curl_slist_append(NULL, session);
    headers = curl_slist_append(headers, "Content-Type: application/x-amz-json-1.1");
    headers = curl_slist_append(headers, "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
    CURL *second = request(lines[ECR], lines[FOLDER], &token);
    (void)curl_easy_setopt(second, CURLOPT_AWS_SIGV4, "aws:amz:us-east-2:ecr");
    (void)curl_easy_setopt(second, CURLOPT_USERPWD, user);
    (void)curl_easy_setopt(second, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(second, CURLOPT_POSTFIELDS, "{}");
    if (curl_easy_perform(second) != CURLE_OK)
        return 1;
    return printf("%s\n", value(&token, "\"authorizationToken\"")) < 0;
}
