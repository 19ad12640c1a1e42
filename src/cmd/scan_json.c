#include "cmd/scan_json.h"

#include <string.h>

#include "base/limits.h"

static void add_escape(char byte, pq_buf *out)
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = strchr(named, byte);
    if (found)
        pq_buf_addf(out, "\\%c", letters[found - named]);
    else
        pq_buf_addf(out, "\\u%04X", (unsigned)byte);
}

void pq_json_add_text(const char *text, pq_buf *out)
{
    if (!text) {
        pq_buf_adds(out, "null");
        return;
    }
    size_t length = strlen(text);
    if (pq_ascii_run(text, length) == length && !memchr(text, '"', length) && !memchr(text, '\\', length)) {
        pq_buf_addc(out, '"'); /* as nearly all are */
        pq_buf_add(out, text, length);
        pq_buf_addc(out, '"');
        return;
    }
    PQ_AUTO_BUF shown = PQ_BUF(PQ_MAX_TEXT);
    if (!pq_utf8_valid(text, length)) { /* as a file name may be: as it would be on a terminal */
        pq_buf_add_printable(&shown, text, length);
        text = pq_buf_text(&shown);
    }
    pq_buf_addc(out, '"');
    for (const char *at = text; *at;) {
        size_t plain = 0;
        while ((unsigned char)at[plain] >= 0x20 && at[plain] != '"' && at[plain] != '\\')
            plain++;
        pq_buf_add(out, at, plain);
        at += plain;
        if (*at)
            add_escape(*at++, out);
    }
    pq_buf_addc(out, '"');
}

static void add_key(const char *key, const char *value, pq_buf *out)
{
    pq_buf_adds(out, ",\n      \"");
    pq_buf_adds(out, key);
    pq_buf_adds(out, "\": ");
    pq_json_add_text(value, out);
}

/* What both begin with. */
static void add_place(const char *first, const char *text, const char *file, unsigned line, pq_image_kind kind,
                      const char *service, pq_buf *out)
{
    pq_buf_adds(out, "\n    {\n      \"");
    pq_buf_adds(out, first);
    pq_buf_adds(out, "\": ");
    pq_json_add_text(text, out);
    add_key("file", file, out);
    pq_buf_addf(out, ",\n      \"line\": %u", line);
    add_key("kind", pq_image_kind_name(kind), out);
    if (service)
        add_key("service", service, out);
}

void pq_json_add_use(const pq_session *session, const pq_image_use *use, pq_buf *out)
{
    add_place("image", use->image, use->file, use->line, use->kind, use->service, out);
    add_key("registry", use->reference.domain, out);
    add_key("repository", use->reference.path, out);
    add_key("tag", use->reference.tag, out);
    add_key("digest", use->reference.digest, out);
    add_key("access", pq_session_access(session, use->reference.domain), out);
    pq_buf_adds(out, "\n    }");
}

void pq_json_add_unresolved(const pq_unresolved *unresolved, pq_buf *out)
{
    add_place("text", unresolved->text, unresolved->file, unresolved->line, unresolved->kind, unresolved->service, out);
    add_key("reason", unresolved->reason, out);
    pq_buf_adds(out, "\n    }");
}
