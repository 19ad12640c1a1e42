/* Names and times of OpenSSL's certificates; for files of this folder only. */
#pragma once

#include <openssl/x509.h>

#include "base/clock.h"

/* "CN=…,O=…" (RFC 4514), "" for an empty one. Owned. */
char *pq_x509_name_words(const X509_NAME *name) PQ_MUST_USE;
/* 0 when it cannot be read. */
time_t pq_x509_time(const ASN1_TIME *from);
