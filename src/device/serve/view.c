#include "device/serve/view.h"

#include <string.h>

#include "base/docker_protocol.h"
#include "config/host.h"

/* Records, each a letter and text, with a NUL behind: any path can be one. */
enum { HOST = 'h', COPIED = 'c', GOOGLE = 'g', TOKEN = 't', FILE_PATH = 'f', BEGINS = 'b', END = '.' };

void pq_device_view_clear(pq_device_view *view)
{
    pq_strings_clear(&view->hosts);
    pq_strings_clear(&view->copied);
    pq_strings_clear(&view->files);
    *view = (pq_device_view){0};
}

static void add_record(pq_buf *out, char kind, const char *text)
{
    pq_buf_addc(out, kind);
    pq_buf_add(out, text, strlen(text) + 1);
}

static void add_records(pq_buf *out, char kind, const pq_strings *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        add_record(out, kind, texts->at[i]);
}

void pq_device_view_write(const pq_device_view *view, pq_buf *out)
{
    PQ_AUTO_FREE char *begins = pq_asprintf("%lld", (long long)(view->begins > 0 ? view->begins : 0));
    add_records(out, HOST, &view->hosts);
    add_records(out, COPIED, &view->copied);
    add_records(out, FILE_PATH, &view->files);
    if (view->google)
        add_record(out, GOOGLE, "");
    if (view->token)
        add_record(out, TOKEN, "");
    add_record(out, BEGINS, begins);
    add_record(out, END, "");
}

static bool read_record(char kind, const char *text, pq_device_view *out)
{
    uint64_t number = 0;
    switch (kind) {
    case HOST:
        pq_strings_add(&out->hosts, text);
        return true;
    case COPIED:
        pq_strings_add(&out->copied, text);
        return true;
    case FILE_PATH:
        pq_strings_add(&out->files, text);
        return true;
    case GOOGLE:
        out->google = true;
        return true;
    case TOKEN:
        out->token = true;
        return true;
    case BEGINS:
        if (!pq_parse_number(text, INT64_MAX, &number))
            return false;
        out->begins = (time_t)number;
        return true;
    default:
        return false;
    }
}

bool pq_device_view_read(const pq_buf *text, pq_device_view *out)
{
    const char *at = pq_buf_text(text), *end = at + text->length;
    while (at < end) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        if (!stop || stop == at)
            return false;
        if (*at == END)
            return stop + 1 == end;
        if (!read_record(*at, at + 1, out))
            return false;
        at = stop + 1;
    }
    return false;
}

bool pq_device_view_serves(const pq_device_view *view, const char *host)
{
    return pq_strings_have(&view->hosts, host) || (view->google && pq_google_host(host));
}
