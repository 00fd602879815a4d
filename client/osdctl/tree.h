/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/tree.h - osdctl cp -r: a directory tree into a partition and back
 *
 * One object for each file, directory and symbolic link, named by attributes
 * (docs/tree-format.md). Invariants:
 *  (1) An object has TREE_COMPLETE only when all its data is there.
 *  (2) Running the same copy again changes nothing that is complete and of the same type, size
 *      and modification time, in either direction.
 *  (3) Copying out writes below the destination only, whatever the device says: no component of
 *      a path is followed that is a symbolic link.
 *  (4) One failing item does not stop the others, unless the device is gone (w->fatal).
 */
#ifndef OSDCTL_TREE_H
#define OSDCTL_TREE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "osdctl.h"

#define PAGE_TREE     0x00010000u
#define TREE_PATH     1u
#define TREE_MODE     2u
#define TREE_MTIME    3u
#define TREE_TYPE     4u
#define TREE_COMPLETE 5u

#define TREE_PATH_MAX (PATH_MAX - 1)
#define PIECE         (1u << 20) /* bytes in one command; a smaller file goes in one */

struct item {
    char *path; /* below the root of the tree; NULL: not part of a tree */
    uint64_t oid;
    uint64_t size;
    int64_t mtime; /* nanoseconds since 1970 */
    uint32_t mode;
    char type; /* 'f', 'd', 'l' */
    bool complete;
};

struct items {
    struct item *v;
    size_t n, cap;
};

struct work;

/** Id of an item's object; 0: nothing is there yet. */
typedef uint64_t work_oid(const struct work *w, const struct item *it);

struct work {
    const struct options *o;
    struct osd_session *s;
    uint64_t pid;
    int root; /* the tree's directory; -1: a dry run into nothing */
    struct items items;
    uint64_t *known; /* ids that the partition had, ascending */
    size_t n_known, known_cap;
    void (*run)(struct work *w, struct item *it);
    work_oid *oid_of; /* of items whose credentials are fetched together; NULL: none */
    uint32_t verbs;   /* what is done with them: osd_prefetch() */
    size_t asked;     /* items that were asked for, under the mutex asking */
    bool asks;        /* it is worth while */
    pthread_mutex_t asking;
    _Atomic size_t next;
    _Atomic uint64_t bytes, done, failed, skipped;
    uint64_t total_bytes, total_items, other_objects;
    _Atomic int fatal;     /* osd_status that ended everything; 0 */
    char fatal_why[512];   /* set once, under the mutex */
    pthread_mutex_t mutex; /* output and fatal_why */
    unsigned shown_percent;
    bool terminal;
};

/* tree.c */
/** Append an item; the path's ownership goes over. False without memory (path freed). */
bool items_add(struct items *l, const struct item *it);
/** Ids of the partition into w->known. */
osd_status load_known(struct work *w);

/* tree_work.c */
/** Before anything else, after w->o and w->pid are set. */
void work_begin(struct work *w);
/** run() on every item, in several threads; ends early when w->fatal is set. */
void work_each(struct work *w, void (*run)(struct work *w, struct item *it));
/** What a dry run would do with an item. */
void work_plan(struct work *w, const struct item *it, const char *action);
/** False once nothing more is to be done: the device is gone, or the user wants an end. */
bool work_goes_on(struct work *w);
/** Bytes copied, or found there already; shows progress. */
void work_bytes(struct work *w, uint64_t n);
/** An item failed: said once. For a device that is gone everything ends. message NULL:
 *  osd_last_error(). */
void work_failed(struct work *w, const char *path, osd_status st, const char *message);
/** Summary and exit code; frees what work_begin() and the copy made. */
int work_end(struct work *w, const char *what);

/* tree_in.c, tree_out.c */
int copy_in(const struct options *o, struct osd_session *s, const char *dir, uint64_t pid);
int copy_out(const struct options *o, struct osd_session *s, uint64_t pid, const char *dir);

#endif
