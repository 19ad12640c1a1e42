#include "cmd/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/secret.h"

void pq_cli_clear(pq_cli *cli)
{
    pq_buf_clear(&cli->out);
    json_decref(cli->document);
    pq_error_clear(&cli->unwritten);
    pq_errors_clear(&cli->errors);
    free(cli->closing);
}

void pq_print(pq_cli *cli, const char *format, ...)
{
    if (cli->json)
        return;
    va_list arguments;
    va_start(arguments, format);
    pq_buf_vaddf(&cli->out, format, arguments);
    va_end(arguments);
}

void pq_print_text(pq_cli *cli, const char *text)
{
    if (!cli->json)
        pq_buf_add_printable(&cli->out, text, strlen(text));
}

/* https://no-color.org */
void pq_print_status(pq_cli *cli, const char *word, bool good)
{
    const char *off = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool colour = isatty(STDOUT_FILENO) && !(off && *off) && terminal && strcmp(terminal, "dumb") != 0;
    if (colour)
        pq_print(cli, "\033[%dm%s\033[0m%*s", good ? 32 : 31, word, 12 - (int)strlen(word), "");
    else
        pq_print(cli, "%-11s ", word);
}

void pq_cli_fail(pq_cli *cli, pq_error *err)
{
    pq_errors_take(&cli->errors, err);
}

void pq_json_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        abort();
}

void pq_json_append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        abort();
}

json_t *pq_json_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *value = json_string(text);
    if (value)
        return value;
    /* Not UTF-8, as a file name may be: shown as it would be on a terminal. */
    PQ_AUTO_BUF shown = PQ_BUF(PQ_MAX_TEXT);
    pq_buf_add_printable(&shown, text, strlen(text));
    return json_string(pq_buf_text(&shown));
}

json_t *pq_json_time(time_t when)
{
    char text[PQ_TIME_TEXT];
    pq_time_text(when, text);
    return when ? json_string(text) : json_null();
}

json_t *pq_json_errors(const pq_errors *errors)
{
    json_t *list = json_array();
    for (size_t i = 0; i < errors->count; i++) {
        const pq_error *err = &errors->at[i];
        json_t *item = json_object();
        pq_json_set(item, "code", json_string(pq_code_name(err->code)));
        pq_json_set(item, "where", pq_json_text(err->where));
        pq_json_set(item, "message", pq_json_text(err->message));
        pq_json_set(item, "hint", pq_json_text(err->hint));
        pq_json_append(list, item);
    }
    return list;
}

/* What could not be written is told once, at the end. */
static void write_out(pq_cli *cli, pq_buf *text)
{
    pq_secret_redact(text);
    if (!cli->unwritten.message && text->length && fwrite(text->data, 1, text->length, stdout) != text->length)
        (void)pq_fail_errno(&cli->unwritten, "standard output", "cannot write");
}

void pq_cli_write(pq_cli *cli, const char *text, size_t length)
{
    PQ_AUTO_BUF copy = PQ_BUF(SIZE_MAX / 2);
    pq_buf_add(&copy, text, length);
    write_out(cli, &cli->out);
    pq_buf_clear(&cli->out);
    write_out(cli, &copy);
}

/* The document, or the rest of it. */
static void print_document(pq_cli *cli)
{
    json_t *document = cli->document ? cli->document : json_object();
    pq_json_set(document, "errors", pq_json_errors(&cli->errors));
    char *text = json_dumps(document, JSON_INDENT(2));
    pq_buf_clear(&cli->out);
    cli->out.cap = SIZE_MAX / 2;
    pq_buf_adds(&cli->out, !text ? "{}" : cli->begun ? text + strlen("{\n") : text);
    pq_buf_addc(&cli->out, '\n');
    free(text);
    if (!cli->document)
        json_decref(document);
}

/* One cause may be met in several places, a store that does not open by each secret: it is told once. */
static void drop_repeated(pq_errors *errors)
{
    size_t kept = 0;
    for (size_t i = 0; i < errors->count; i++) {
        bool known = false;
        for (size_t j = kept > 64 ? kept - 64 : 0; j < kept && !known; j++)
            known = pq_streq(errors->at[i].where, errors->at[j].where) &&
                    pq_streq(errors->at[i].message, errors->at[j].message);
        if (known)
            pq_error_clear(&errors->at[i]);
        else
            errors->at[kept++] = errors->at[i];
    }
    errors->count = kept;
}

int pq_cli_finish(pq_cli *cli)
{
    drop_repeated(&cli->errors);
    pq_progress_done();
    if (cli->json)
        print_document(cli);
    write_out(cli, &cli->out);
    if (!cli->unwritten.message && fflush(stdout) != 0)
        (void)pq_fail_errno(&cli->unwritten, "standard output", "cannot write");
    bool written = !cli->unwritten.message;
    if (!written)
        pq_cli_fail(cli, &cli->unwritten);
    if (cli->closing && !cli->json && written)
        pq_log_error(&(pq_error){.message = cli->closing});
    else
        for (size_t i = 0; i < cli->errors.count; i++)
            pq_log_error(&cli->errors.at[i]);
    int status = pq_errors_status(&cli->errors);
    return status ? status : cli->status;
}
