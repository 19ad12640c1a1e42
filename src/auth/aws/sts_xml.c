#include "auth/aws/sts_xml.h"

#include <expat.h>
#include <malloc.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "base/limits.h"
#include "base/text.h"

enum { MAX_DEPTH = 16, LONGEST_NAME = 64 };

typedef struct reader {
    XML_Parser parser;
    pq_sts_xml *out;
    pq_buf text; /* of the element that is wanted and open */
    size_t wanted_depth;
    unsigned depth;
    char parents[MAX_DEPTH][LONGEST_NAME];
    bool failed;
} reader;

void pq_sts_xml_clear(pq_sts_xml *xml)
{
    free(xml->access_key_id);
    pq_secret_free(xml->secret_access_key);
    pq_secret_free(xml->session_token);
    free(xml->expiration);
    free(xml->arn);
    free(xml->error_code);
    free(xml->error_message);
    *xml = (pq_sts_xml){0};
}

/* Where a text belongs: a string or a secret; both NULL when nobody wants it. */
typedef struct slot {
    char **text;
    pq_secret **secret;
} slot;

static slot find_slot(pq_sts_xml *out, const char *parent, const char *name)
{
    if (pq_streq(parent, "Credentials")) {
        if (pq_streq(name, "AccessKeyId"))
            return (slot){.text = &out->access_key_id};
        if (pq_streq(name, "SecretAccessKey"))
            return (slot){.secret = &out->secret_access_key};
        if (pq_streq(name, "SessionToken"))
            return (slot){.secret = &out->session_token};
        if (pq_streq(name, "Expiration"))
            return (slot){.text = &out->expiration};
    }
    if ((pq_streq(parent, "AssumedRoleUser") || pq_streq(parent, "GetCallerIdentityResult")) && pq_streq(name, "Arn"))
        return (slot){.text = &out->arn};
    if (pq_streq(parent, "Error") && pq_streq(name, "Code"))
        return (slot){.text = &out->error_code};
    if (pq_streq(parent, "Error") && pq_streq(name, "Message"))
        return (slot){.text = &out->error_message};
    return (slot){0};
}

static void give_up(reader *r)
{
    r->failed = true;
    (void)XML_StopParser(r->parser, XML_FALSE);
}

static slot slot_of(reader *r, const char *name)
{
    return find_slot(r->out, r->depth >= 2 ? r->parents[r->depth - 2] : NULL, name);
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    (void)attributes;
    reader *r = context;
    size_t width = strlen(name);
    if (r->depth == MAX_DEPTH || width >= LONGEST_NAME || r->wanted_depth) {
        give_up(r); /* also an element within a text */
        return;
    }
    memcpy(r->parents[r->depth++], name, width + 1);
    slot place = slot_of(r, name);
    if ((place.text && *place.text) || (place.secret && *place.secret))
        give_up(r);
    else if (place.text || place.secret)
        r->wanted_depth = r->depth;
}

static void XMLCALL on_text(void *context, const XML_Char *text, int length)
{
    reader *r = context;
    if (r->wanted_depth)
        pq_buf_add(&r->text, text, (size_t)length);
    if (r->text.overflow)
        give_up(r);
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    reader *r = context;
    if (r->wanted_depth == r->depth) {
        slot place = slot_of(r, name);
        if (place.secret)
            *place.secret = pq_secret_new(pq_buf_text(&r->text), r->text.length);
        else if (place.text)
            *place.text = pq_strndup(pq_buf_text(&r->text), r->text.length);
        pq_buf_clear(&r->text);
        r->wanted_depth = 0;
    }
    r->depth--;
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system, const XML_Char *public,
                               int internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    give_up(context);
}

/* The parser's own copies hold the keys too. */
static void *resize_wiped(void *memory, size_t size)
{
    void *bigger = malloc(size);
    if (bigger && memory) {
        size_t had = malloc_usable_size(memory);
        memcpy(bigger, memory, had < size ? had : size);
        pq_free_wiped(memory);
    }
    return bigger;
}

bool pq_sts_xml_read(const void *bytes, size_t length, pq_sts_xml *out)
{
    static const XML_Memory_Handling_Suite memory = {malloc, resize_wiped, pq_free_wiped};
    *out = (pq_sts_xml){0};
    if (length > PQ_MAX_API_ANSWER)
        return false;
    reader r = {
        .parser = XML_ParserCreate_MM(NULL, &memory, NULL), .out = out, .text = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER)};
    if (!r.parser)
        return false;
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_start, on_end);
    XML_SetCharacterDataHandler(r.parser, on_text);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    bool good = XML_Parse(r.parser, bytes, (int)length, XML_TRUE) == XML_STATUS_OK && !r.failed;
    XML_ParserFree(r.parser);
    pq_buf_clear(&r.text);
    if (!good)
        pq_sts_xml_clear(out);
    return good;
}
