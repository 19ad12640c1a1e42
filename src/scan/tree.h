/* A whole tree, or one file: which files count, in which order, and what stands in them. */
#pragma once

#include "base/file.h"
#include "scan/options.h"
#include "scan/scan.h"

/* Takes what a scan finds a few files at a time, so that a tree of any size needs little memory. */
typedef struct pq_scan_sink {
    /* Makes something of what was found while other threads do the same with other files. NULL when not needed. */
    void *(*prepare)(void *context, const pq_scan *found);
    /* On the thread that scans, in the order of the files. `found` may be taken; it has no errors: they come at the
     * end. `prepared` is owned by the callee. */
    void (*take)(void *context, pq_scan *found, void *prepared);
    void *context;
} pq_scan_sink;

/* Adds all that the files of a tree refer to, files in byte order of their path, and all errors, those of folders
 * first. Names in results are relative to the tree. Left out: `.git`, `node_modules`, `*.disabled`, folders that hold a
 * `.git` (other work trees), symbolic links to folders, and what is no regular file. Reads never leave the tree. An
 * image of a file that another one includes counts once if the tree has the file by its own name, too. */
void pq_scan_tree(const pq_tree *tree, const pq_scan_options *options, pq_scan *scan);
/* One file of a tree, whatever its name: Compose if it ends in .yml or .yaml, else a Dockerfile. */
void pq_scan_one(const pq_tree *tree, const char *relative, const pq_scan_options *options, pq_scan *scan);
/* What a user names: a folder is scanned as a tree; a file by itself, named as `path` says. What a Compose file refers
 * to beside it is read within its folder. */
void pq_scan_path(const char *path, const pq_scan_options *options, pq_scan *scan);
/* The same, with what is found going to a sink. */
void pq_scan_path_to(const char *path, const pq_scan_options *options, const pq_scan_sink *sink, pq_errors *errs);
