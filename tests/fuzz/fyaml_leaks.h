/* libfyaml 0.7.12 loses a little memory over a text of many pieces (fy_atom_iter): LeakSanitizer is told so by the
 * targets that include this. */
#pragma once

const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so\n";
}
