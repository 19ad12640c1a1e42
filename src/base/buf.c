#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void pq_buf_clear(pq_buf *buffer)
{
    if (buffer->data && buffer->sensitive)
        explicit_bzero(buffer->data, buffer->size);
    free(buffer->data);
    buffer->data = NULL;
    buffer->length = buffer->size = 0;
    buffer->overflow = false;
}

char *pq_buf_reserve(pq_buf *buffer, size_t extra)
{
    if (buffer->overflow || extra > buffer->cap - buffer->length) {
        buffer->overflow = true;
        return NULL;
    }
    size_t need = buffer->length + extra + 1;
    if (need > buffer->size) {
        size_t size = buffer->size + buffer->size / 2;
        if (size < need)
            size = need;
        if (size < 64)
            size = 64;
        /* Not realloc: it may leave a copy of sensitive bytes behind. */
        char *moved = pq_alloc_raw(size);
        moved[0] = '\0';
        if (buffer->data) {
            memcpy(moved, buffer->data, buffer->length + 1);
            if (buffer->sensitive)
                explicit_bzero(buffer->data, buffer->size);
            free(buffer->data);
        }
        buffer->data = moved;
        buffer->size = size;
    }
    return buffer->data + buffer->length;
}

void pq_buf_commit(pq_buf *buffer, size_t added)
{
    buffer->length += added;
    buffer->data[buffer->length] = '\0';
}

void pq_buf_add(pq_buf *buffer, const void *bytes, size_t length)
{
    char *place = pq_buf_reserve(buffer, length);
    if (!place)
        return;
    if (length)
        memcpy(place, bytes, length);
    pq_buf_commit(buffer, length);
}

void pq_buf_addc(pq_buf *buffer, char byte)
{
    char *place = pq_buf_reserve(buffer, 1);
    if (!place)
        return;
    *place = byte;
    pq_buf_commit(buffer, 1);
}

void pq_buf_adds(pq_buf *buffer, const char *text)
{
    pq_buf_add(buffer, text, strlen(text));
}

void pq_buf_vaddf(pq_buf *buffer, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        buffer->overflow = true;
        return;
    }
    char *place = pq_buf_reserve(buffer, (size_t)length);
    if (!place)
        return;
    (void)vsnprintf(place, (size_t)length + 1, format, arguments);
    pq_buf_commit(buffer, (size_t)length);
}

void pq_buf_addf(pq_buf *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pq_buf_vaddf(buffer, format, arguments);
    va_end(arguments);
}

/* Line separators, and what makes a terminal show text in another order than it has (U+2028 to U+202E, U+2066 to
 * U+2069). */
static bool turns_text(const char *three)
{
    unsigned char second = (unsigned char)three[1], third = (unsigned char)three[2];
    return (unsigned char)three[0] == 0xe2 &&
           ((second == 0x80 && third >= 0xa8 && third <= 0xae) || (second == 0x81 && third >= 0xa6 && third <= 0xa9));
}

void pq_buf_add_printable(pq_buf *buffer, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t plain = pq_ascii_run(text + i, length - i);
        if (plain)
            pq_buf_add(buffer, text + i, plain);
        i += plain;
        if (i == length)
            break;
        size_t width = pq_utf8_width(text + i, length - i);
        unsigned char byte = (unsigned char)text[i];
        /* C1 controls (U+0080 to U+009F) move a terminal's cursor as well as C0 ones do. */
        bool control = width == 0 || byte < 0x20 || byte == 0x7f ||
                       (byte == 0xc2 && (unsigned char)text[i + 1] < 0xa0) || (width == 3 && turns_text(text + i));
        if (control) {
            pq_buf_addf(buffer, "\\x%02x", byte);
            i++;
        } else {
            pq_buf_add(buffer, text + i, width);
            i += width;
        }
    }
}

void pq_buf_truncate(pq_buf *buffer, size_t length)
{
    if (length < buffer->length) {
        buffer->length = length;
        buffer->data[length] = '\0';
    }
}

const char *pq_buf_text(const pq_buf *buffer)
{
    return buffer->data ? buffer->data : "";
}

char *pq_buf_steal(pq_buf *buffer)
{
    char *data = buffer->data ? buffer->data : pq_alloc(1, 1);
    buffer->data = NULL;
    buffer->length = buffer->size = 0;
    return data;
}
