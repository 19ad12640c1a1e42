/* Linked into the programs of a sanitizer build: they get these whatever environment starts them, for an image build
 * starts the helper with one of its own. Exit statuses that nothing else uses; no leak check, because the programs are
 * not dumpable and LeakSanitizer then cannot look (the unit tests check for leaks). */
#define VISIBLE __attribute__((visibility("default"), used, no_sanitize("address", "undefined")))

VISIBLE const char *__asan_default_options(void);
VISIBLE const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "exitcode=97:detect_leaks=0:detect_stack_use_after_return=1:strict_string_checks=1";
}

const char *__ubsan_default_options(void)
{
    return "exitcode=98:halt_on_error=1:print_stacktrace=1";
}
