/* Stand-ins for what we call of libcurl (base/library.h). */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdarg.h>

#include "base/library.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

static pq_library curl = {.files = {"libcurl.so.4", "libcurl.so"}, .hint = "apt-get install libcurl4"};

/* The one argument of these is of the type that the option's number says (curl.h, CURLOPTTYPE_). */
static unsigned long kind_of(unsigned long option)
{
    return option / 10000 * 10000;
}

CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    static pq_function_slot slot;
    __typeof__(&curl_easy_setopt) real = PQ_REAL(curl, curl_easy_setopt, slot);
    va_list arguments;
    va_start(arguments, option);
    CURLcode code;
    if (kind_of(option) == CURLOPTTYPE_LONG)
        code = real(easy, option, va_arg(arguments, long));
    else if (kind_of(option) == CURLOPTTYPE_OFF_T)
        code = real(easy, option, va_arg(arguments, curl_off_t));
    else
        code = real(easy, option, va_arg(arguments, void *));
    va_end(arguments);
    return code;
}

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    static pq_function_slot slot;
    __typeof__(&curl_multi_setopt) real = PQ_REAL(curl, curl_multi_setopt, slot);
    va_list arguments;
    va_start(arguments, option);
    CURLMcode code;
    if (kind_of(option) == CURLOPTTYPE_LONG)
        code = real(multi, option, va_arg(arguments, long));
    else
        code = real(multi, option, va_arg(arguments, void *));
    va_end(arguments);
    return code;
}

/* Always a pointer to where it goes. */
CURLcode curl_easy_getinfo(CURL *easy, CURLINFO what, ...)
{
    static pq_function_slot slot;
    va_list arguments;
    va_start(arguments, what);
    CURLcode code = PQ_REAL(curl, curl_easy_getinfo, slot)(easy, what, va_arg(arguments, void *));
    va_end(arguments);
    return code;
}

PQ_STAND_IN(curl, CURLcode, curl_global_init, (long flags), (flags))
PQ_STAND_IN(curl, CURL *, curl_easy_init, (void), ())
PQ_STAND_IN(curl, const char *, curl_easy_strerror, (CURLcode code), (code))
PQ_STAND_IN(curl, CURLM *, curl_multi_init, (void), ())
PQ_STAND_IN(curl, CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *easy), (multi, easy))
PQ_STAND_IN(curl, CURLMcode, curl_multi_remove_handle, (CURLM * multi, CURL *easy), (multi, easy))
PQ_STAND_IN(curl, CURLMcode, curl_multi_perform, (CURLM * multi, int *running), (multi, running))
PQ_STAND_IN(curl, CURLMcode, curl_multi_poll,
            (CURLM * multi, struct curl_waitfd more[], unsigned int count, int milliseconds, int *ready),
            (multi, more, count, milliseconds, ready))
PQ_STAND_IN(curl, CURLMsg *, curl_multi_info_read, (CURLM * multi, int *left), (multi, left))
PQ_STAND_IN(curl, CURLMcode, curl_multi_cleanup, (CURLM * multi), (multi))
PQ_STAND_IN(curl, struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text), (list, text))
PQ_STAND_IN(curl, CURLU *, curl_url, (void), ())
PQ_STAND_IN(curl, CURLUcode, curl_url_set, (CURLU * url, CURLUPart part, const char *text, unsigned int flags),
            (url, part, text, flags))
#if LIBCURL_VERSION_NUM >= 0x080000
PQ_STAND_IN(curl, CURLUcode, curl_url_get, (const CURLU *url, CURLUPart part, char **text, unsigned int flags),
            (url, part, text, flags))
#else
PQ_STAND_IN(curl, CURLUcode, curl_url_get, (CURLU * url, CURLUPart part, char **text, unsigned int flags),
            (url, part, text, flags))
#endif
PQ_STAND_IN_VOID(curl, curl_easy_reset, (CURL * easy), (easy))
PQ_STAND_IN_VOID(curl, curl_easy_cleanup, (CURL * easy), (easy))
PQ_STAND_IN_VOID(curl, curl_slist_free_all, (struct curl_slist * list), (list))
PQ_STAND_IN_VOID(curl, curl_url_cleanup, (CURLU * url), (url))
PQ_STAND_IN_VOID(curl, curl_free, (void *memory), (memory))
