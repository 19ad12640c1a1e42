/* One entry of a list of registries, as factory-config.yml and device.yml share it: type, url, and keys that fill
 * settings; private to this folder. */
#pragma once

#include "config/parts.h"

enum {
    PQ_AWS_BIT = 1 << PQ_REGISTRY_AWS,
    PQ_AZURE_BIT = 1 << PQ_REGISTRY_AZURE,
    PQ_GAR_BIT = 1 << PQ_REGISTRY_GAR,
    PQ_GENERIC_BIT = 1 << PQ_REGISTRY_GENERIC,
    PQ_GATEWAY_BIT = 1 << PQ_REGISTRY_GATEWAY,
};

/* A key of an entry. */
typedef struct pq_entry_key {
    const char *name;
    int types;     /* bits of the types that have it */
    size_t offset; /* of its pq_setting in pq_config_registry; SIZE_MAX: it is read elsewhere */
    pq_text_check *check;
} pq_entry_key;

/* What the entries of one kind of file are made of. */
typedef struct pq_entry_form {
    const pq_entry_key *keys;
    size_t key_count;
    int types;              /* that the file may have */
    const char *type_words; /* "aws, azure, gar or generic" */
} pq_entry_form;

/* One entry while it is read. */
typedef struct pq_entry_reader {
    const pq_entry_form *form;
    pq_report *report;
    pq_yaml_node node;
    pq_config_registry *registry;
    int types;        /* the entry's one bit, or all of the form when its type is not known */
    bool key_refused; /* a key was misspelt: what seems missing may be it */
} pq_entry_reader;

/* Adds an entry to the configuration and reads type, keys and url; `finish` then looks at what goes together, when the
 * type is known. What must hold for every host of its type is checked last. */
void pq_entry_read(pq_report *report, const pq_entry_form *form, pq_yaml_node node, size_t number, pq_config *out,
                   void (*finish)(pq_entry_reader *reader));
/* The entries of a list, which may be absent; `name` is that of its key. */
void pq_entries_read(pq_report *report, const pq_entry_form *form, const char *name, pq_yaml_node list, pq_config *out,
                     void (*finish)(pq_entry_reader *reader));

bool pq_entry_given(const pq_entry_reader *reader, const char *name);
/* `name` was given but has no meaning here. */
void pq_entry_refuse(pq_entry_reader *reader, const char *name, const char *why);
void pq_entry_require(pq_entry_reader *reader, const char *name, const char *why, const char *hint);

/* Checks of single values: words that follow "must be …", or NULL. */
bool pq_only(const char *text, const char *more); /* nothing but letters, digits and `more` */
const char *pq_check_region(const char *text);
const char *pq_check_role(const char *text);
const char *pq_check_id(const char *text);
const char *pq_check_account(const char *text);
const char *pq_check_provider(const char *text);
