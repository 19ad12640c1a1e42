/* Stand-ins for what we call of libarchive (base/library.h). */
#include "target/archive_lazy.h"

#include <stdarg.h>

#include "base/library.h"

static pq_library archive = {.files = {"libarchive.so.13", "libarchive.so"}, .hint = "apt-get install libarchive13"};

bool pq_archive_load(pq_error *err)
{
    return pq_library_open(&archive, err);
}

/* Who formats is ours. */
void archive_set_error(struct archive *a, int number, const char *format, ...)
{
    static pq_function_slot slot;
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *text = pq_vasprintf(format, arguments);
    va_end(arguments);
    PQ_REAL(archive, archive_set_error, slot)(a, number, "%s", text);
}

PQ_STAND_IN(archive, const char *, archive_error_string, (struct archive * a), (a))

PQ_STAND_IN(archive, struct archive_entry *, archive_entry_new, (void), ())
PQ_STAND_IN_VOID(archive, archive_entry_free, (struct archive_entry * entry), (entry))
PQ_STAND_IN(archive, __LA_MODE_T, archive_entry_filetype, (struct archive_entry * entry), (entry))
PQ_STAND_IN(archive, const char *, archive_entry_pathname, (struct archive_entry * entry), (entry))
PQ_STAND_IN(archive, la_int64_t, archive_entry_size, (struct archive_entry * entry), (entry))
PQ_STAND_IN_VOID(archive, archive_entry_set_filetype, (struct archive_entry * entry, unsigned int type), (entry, type))
PQ_STAND_IN_VOID(archive, archive_entry_set_uid, (struct archive_entry * entry, la_int64_t id), (entry, id))
PQ_STAND_IN_VOID(archive, archive_entry_set_gid, (struct archive_entry * entry, la_int64_t id), (entry, id))
PQ_STAND_IN_VOID(archive, archive_entry_set_pathname_utf8, (struct archive_entry * entry, const char *path),
                 (entry, path))
PQ_STAND_IN_VOID(archive, archive_entry_set_perm, (struct archive_entry * entry, __LA_MODE_T mode), (entry, mode))
PQ_STAND_IN_VOID(archive, archive_entry_set_size, (struct archive_entry * entry, la_int64_t size), (entry, size))
PQ_STAND_IN_VOID(archive, archive_entry_set_symlink_utf8, (struct archive_entry * entry, const char *target),
                 (entry, target))

PQ_STAND_IN(archive, struct archive *, archive_read_new, (void), ())
PQ_STAND_IN(archive, int, archive_read_free, (struct archive * a), (a))
PQ_STAND_IN(archive, int, archive_read_support_filter_gzip, (struct archive * a), (a))
PQ_STAND_IN(archive, int, archive_read_support_format_tar, (struct archive * a), (a))
PQ_STAND_IN(archive, int, archive_read_open_memory, (struct archive * a, const void *bytes, size_t length),
            (a, bytes, length))
PQ_STAND_IN(archive, int, archive_read_next_header, (struct archive * a, struct archive_entry **entry), (a, entry))
PQ_STAND_IN(archive, la_ssize_t, archive_read_data, (struct archive * a, void *place, size_t room), (a, place, room))

PQ_STAND_IN(archive, struct archive *, archive_write_new, (void), ())
PQ_STAND_IN(archive, int, archive_write_free, (struct archive * a), (a))
PQ_STAND_IN(archive, int, archive_write_add_filter_gzip, (struct archive * a), (a))
PQ_STAND_IN(archive, int, archive_write_set_filter_option,
            (struct archive * a, const char *filter, const char *option, const char *value), (a, filter, option, value))
PQ_STAND_IN(archive, int, archive_write_set_format_pax_restricted, (struct archive * a), (a))
PQ_STAND_IN(archive, int, archive_write_set_bytes_in_last_block, (struct archive * a, int bytes), (a, bytes))
PQ_STAND_IN(archive, int, archive_write_open,
            (struct archive * a, void *context, archive_open_callback *open, archive_write_callback *write,
             archive_close_callback *close),
            (a, context, open, write, close))
PQ_STAND_IN(archive, int, archive_write_header, (struct archive * a, struct archive_entry *entry), (a, entry))
PQ_STAND_IN(archive, la_ssize_t, archive_write_data, (struct archive * a, const void *bytes, size_t length),
            (a, bytes, length))
PQ_STAND_IN(archive, int, archive_write_close, (struct archive * a), (a))
