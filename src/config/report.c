#include "config/report.h"

#include "base/limits.h"
#include "base/text.h"

bool pq_report_at(pq_report *report, pq_yaml_node node, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *words = pq_vasprintf(format, arguments);
    va_end(arguments);
    PQ_AUTO_FREE char *where = pq_yaml_where(report->name, node);
    pq_yaml_span span = pq_yaml_span_of(node);
    report->at = pq_grow(report->at, &report->capacity, report->count + 1, sizeof *report->at);
    pq_problem *problem = &report->at[report->count];
    *problem = (pq_problem){.line = span.line, .column = span.column, .order = report->count};
    report->count++;
    return pq_fail(&problem->err, PQ_ECONFIG, where, hint, "%s%s%s", report->prefix ? report->prefix : "",
                   report->prefix ? ": " : "", words);
}

char *pq_report_known(const char *name, const char *const *known, size_t count)
{
    const char *near = name ? pq_nearest(name, known, count) : NULL;
    if (near)
        return pq_asprintf("did you mean `%s`?", near);
    PQ_AUTO_BUF hint = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < count; i++)
        pq_buf_addf(&hint, "%s`%s`", i ? ", " : count > 1 ? "known are " : "known is ", known[i]);
    return pq_buf_steal(&hint);
}

static int compare_problems(const void *left, const void *right)
{
    const pq_problem *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

bool pq_report_end(pq_report *report, pq_errors *errs)
{
    bool good = report->count == 0;
    if (!good)
        qsort(report->at, report->count, sizeof *report->at, compare_problems);
    for (size_t i = 0; i < report->count; i++)
        pq_errors_take(errs, &report->at[i].err);
    report->count = 0;
    return good;
}

void pq_report_clear(pq_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        pq_error_clear(&report->at[i].err);
    free(report->at);
    *report = (pq_report){0};
}
