/* The files of the AWS CLI: bytes in, sections and settings out.
 *
 * They are read as botocore reads them (Python's configparser without interpolation: case-sensitive section names, `=`
 * or
 * `:`, whole-line comments with `#` or `;`, indented lines continue the value above), and where botocore would take
 * nonsense for a setting, it says so. Bytes are borrowed, nothing is copied. Pure: no I/O. */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* Bytes of the file, borrowed. */
typedef struct pq_aws_slice {
    const char *at;
    size_t length;
} pq_aws_slice;

pq_aws_slice pq_aws_slice_trim(pq_aws_slice text);
bool pq_aws_slice_is(pq_aws_slice text, const char *word);
bool pq_aws_slice_is_nocase(pq_aws_slice text, const char *lower_case_word);
bool pq_aws_slice_starts(pq_aws_slice text, const char *prefix);

typedef struct pq_aws_setting {
    pq_aws_slice name, value;
    size_t section, line;
    bool continued; /* indented lines follow and belong to the value */
} pq_aws_setting;

typedef struct pq_aws_section {
    pq_aws_slice name;
    size_t line;
} pq_aws_section;

enum { PQ_AWS_MAX_PROBLEMS = 20 }; /* that are told of one file */

typedef struct pq_aws_ini {
    char *where;       /* names the file in messages */
    pq_errors *errors; /* where they are told; borrowed */
    pq_aws_section *sections;
    size_t section_count, section_capacity;
    pq_aws_setting *settings;
    size_t setting_count, setting_capacity;
    size_t indent;     /* of the line that began the last section or setting */
    bool in_value;     /* a deeper line would continue the last setting */
    bool may_be_empty; /* a person's own file; a secret without a profile is a mistake */
    size_t problems;   /* found so far */
} pq_aws_ini;

#define PQ_AUTO_AWS_INI PQ_CLEANUP(pq_aws_ini_clear) pq_aws_ini

/* Reads into `out`, of which `where` (copied), `errors` and `may_be_empty` are set by the caller. */
void pq_aws_ini_read(pq_aws_ini *out, const void *bytes, size_t length);
void pq_aws_ini_clear(pq_aws_ini *file);
/* The setting of a section (an index) by its name in lower case; NULL when there is none. */
const pq_aws_setting *pq_aws_ini_find(const pq_aws_ini *file, size_t section, const char *name);
/* Tells one problem (PQ_ECONFIG); a line of 0 means the whole file. */
void pq_aws_problem(pq_aws_ini *file, size_t line, const char *hint, const char *format, ...) PQ_PRINTF(4, 5);
