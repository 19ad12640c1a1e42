#include "auth/aws/process.h"

#include <string.h>
#include <unistd.h>

#include "auth/aws/keys_json.h"
#include "auth/common/service_words.h"
#include "base/limits.h"
#include "base/process.h"

enum { PATIENCE = 60, MOST_PATIENCE = 3600, MAX_REASON = 4096 };

bool pq_words_split(const char *command, pq_strings *out)
{
    PQ_AUTO_BUF word = PQ_SENSITIVE_BUF(PQ_MAX_EXPANSION);
    bool in_word = false;
    char quote = '\0';
    for (const char *at = command; *at; at++) {
        if (quote) {
            bool escape = *at == '\\' && quote == '"' && (at[1] == '"' || at[1] == '\\');
            if (*at == quote)
                quote = '\0';
            else
                pq_buf_addc(&word, escape ? *++at : *at);
        } else if (*at == '\'' || *at == '"') {
            quote = *at;
            in_word = true;
        } else if (*at == '\\') {
            if (!*++at)
                return false;
            pq_buf_addc(&word, *at);
            in_word = true;
        } else if (!pq_ascii_space(*at)) {
            pq_buf_addc(&word, *at);
            in_word = true;
        } else if (in_word) {
            pq_strings_take(out, pq_buf_steal(&word));
            in_word = false;
        }
    }
    if (in_word)
        pq_strings_take(out, pq_buf_steal(&word));
    return !quote && !word.overflow && out->count > 0;
}

static double patience(void)
{
    const char *text = pq_getenv("PRATIQUE_TIMEOUT");
    uint64_t seconds;
    return text && pq_parse_number(text, MOST_PATIENCE, &seconds) && seconds > 0 ? (double)seconds : PATIENCE;
}

static void keep_reason(void *context, const char *bytes, size_t length)
{
    pq_buf *reason = context;
    size_t room = MAX_REASON - reason->length;
    pq_buf_add(reason, bytes, length < room ? length : room);
}

/* The last line that says something, which is where programs put it; secrets blotted out. Owned, NULL when there is
 * none.
 */
static char *reason_of(const pq_buf *text)
{
    const char *start = pq_buf_text(text), *end = start + text->length;
    while (end > start && pq_ascii_space(end[-1]))
        end--;
    const char *begin = end;
    while (begin > start && begin[-1] != '\n')
        begin--;
    return pq_service_words(begin, (size_t)(end - begin));
}

bool pq_aws_process_keys(const char *command, const char *where, pq_aws_keys *out, pq_error *err)
{
    PQ_AUTO_SENSITIVE_STRINGS argv = {0};
    PQ_AUTO_SENSITIVE_STRINGS environment = {0};
    *out = (pq_aws_keys){0};
    if (!pq_words_split(command, &argv))
        return pq_fail(err, PQ_ECONFIG, where, "no shell is started: quote a word with blanks, and close each quote",
                       "credential_process is not a command");
    for (char **at = environ; *at; at++)
        pq_strings_add(&environment, *at);
    PQ_AUTO_BUF said = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    PQ_AUTO_BUF reason = PQ_SENSITIVE_BUF(MAX_REASON);
    const pq_process_options options = {.argv = &argv,
                                        .environment = &environment,
                                        .standard_output = &said,
                                        .output = keep_reason,
                                        .output_context = &reason,
                                        .service_fd = -1,
                                        .timeout = patience()};
    int status = 0;
    if (!pq_process_run(&options, &status, err)) {
        if (err->code == PQ_ENOTFOUND)
            err->code = PQ_ECONFIG;
        free(pq_steal(err->where));
        (void)pq_error_at(err, where);
        return pq_error_wrap(err, "credential_process");
    }
    if (status != 0) {
        PQ_AUTO_FREE char *words = reason_of(&reason);
        return pq_fail(err, PQ_EDENIED, where, "run the command by itself",
                       "credential_process failed with status %d%s%s", status, words ? ": " : "", words ? words : "");
    }
    if (said.overflow)
        return pq_fail(err, PQ_EFAILED, where, NULL, "credential_process prints more than %u bytes",
                       PQ_MAX_TOKEN_ANSWER);
    if (!pq_aws_keys_read_json(pq_buf_text(&said), said.length, PQ_AWS_FORM_PROCESS, "credential_process", out, err))
        return pq_error_at(err, where);
    if (!out->expires || out->expires > pq_now())
        return true;
    pq_aws_keys_clear(out);
    return pq_fail(err, PQ_EDENIED, where, "run the command by itself",
                   "credential_process gives keys that have ended");
}
