/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/memory_check.c - walk the memory store and hold it against its invariants
 *
 * Repair trusts what objects hold and corrects the counters.
 */
#include <stdarg.h>
#include <stdio.h>

#include "memory.h"

struct checker {
    struct mem_store *s;
    bool repair;
    store_check_report report;
    void *arg;
    struct store_check_result result;
};

__attribute__((format(printf, 4, 5))) static void find(struct checker *c, struct store_id id,
                                                       bool repaired, const char *fmt, ...)
{
    char text[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    c->result.findings++;
    c->result.repaired += repaired;
    if (c->report)
        c->report(c->arg, id, text);
}

/* Compare a counter with the truth and correct it if that is wanted. */
static void check_counter(struct checker *c, struct store_id id, const char *name,
                          uint64_t *counter, uint64_t truth)
{
    if (*counter == truth)
        return;
    find(c, id, c->repair, "%s is %llu, a walk finds %llu", name, (unsigned long long)*counter,
         (unsigned long long)truth);
    if (c->repair)
        *counter = truth;
}

static bool tail_is_zero(const struct mem_value *v, uint64_t start, uint64_t length)
{
    for (uint64_t i = length > start ? length - start : 0; i < v->len; i++)
        if (v->data[i] != 0)
            return false;
    return true;
}

static uint64_t check_blocks(struct checker *c, struct store_id id, const struct mem_object *o)
{
    uint64_t used = 0;

    for (const struct tree_node *n = tree_ceil(o->blocks, 0); n; n = tree_next(o->blocks, n)) {
        const struct mem_value *v = (const struct mem_value *)n->value;
        uint64_t start = n->key * STORE_BLOCK;
        if (v->len != STORE_BLOCK)
            find(c, id, false, "a block of %u bytes", v->len);
        if (start >= o->meta.length)
            find(c, id, false, "a block at %llu beyond the length %llu",
                 (unsigned long long)start, (unsigned long long)o->meta.length);
        else if (!tail_is_zero(v, start, o->meta.length))
            find(c, id, false, "bytes beyond the length are not zero");
        used += STORE_BLOCK;
        c->result.bytes += v->len;
    }
    return used;
}

static uint64_t check_attrs(struct checker *c, struct store_id id, const struct mem_object *o)
{
    uint64_t used = 0;

    for (const struct tree_node *n = tree_ceil(o->attrs, 0); n; n = tree_next(o->attrs, n)) {
        const struct mem_value *v = (const struct mem_value *)n->value;
        if (v->len == 0)
            find(c, id, false, "an attribute without a value");
        used += 16 + v->len;
        c->result.attributes++;
        c->result.bytes += v->len;
    }
    return used;
}

/* Check one version; returns what it really uses. */
static uint64_t check_object(struct checker *c, struct store_id id, struct mem_object *o)
{
    uint64_t used = check_blocks(c, id, o) + check_attrs(c, id, o);

    if (o->blocks && o->meta.kind != STORE_USER)
        find(c, id, false, "bytes in what is no user object");
    check_counter(c, id, "used", &o->meta.used, used);
    return used;
}

/* Every membership is there from both sides, which are of the two kinds. */
static void check_members(struct checker *c, struct mem_part *part, struct store_id id,
                          const struct mem_object *o)
{
    uint8_t other = o->meta.kind == STORE_USER ? STORE_COLLECTION : STORE_USER;

    for (const struct tree_node *n = tree_ceil(o->members, 0); n;
         n = tree_next(o->members, n)) {
        const struct mem_object *m = tree_get(part->objects, n->key);
        if (!m || m->meta.kind != other || !tree_get(m->members, id.oid))
            find(c, id, false, "membership with 0x%llx has one side",
                 (unsigned long long)n->key);
    }
}

static uint64_t check_part(struct checker *c, struct mem_part *part)
{
    struct store_id id = {part->pid, 0};
    uint64_t used = check_object(c, id, part->self), count = 0;

    if (part->self->meta.kind != STORE_PARTITION)
        find(c, id, false, "a partition of kind %u", part->self->meta.kind);
    for (const struct tree_node *n = tree_ceil(part->objects, 0); n;
         n = tree_next(part->objects, n)) {
        struct store_id oid = {part->pid, n->key};
        used += check_object(c, oid, (struct mem_object *)n->value);
        check_members(c, part, oid, (struct mem_object *)n->value);
        count++;
    }
    check_counter(c, id, "used", &part->used, used);
    check_counter(c, id, "count", &part->count, count);
    check_counter(c, id, "reserved bytes", &part->reserved_used, 0);
    check_counter(c, id, "reserved objects", &part->reserved_count, 0);
    c->result.objects += count;
    c->result.partitions++;
    return used;
}

static void check_root(struct checker *c)
{
    struct mem_part *root = c->s->root;
    struct store_id id = {0, 0};
    uint64_t used = check_object(c, id, root->self), count = 0;

    for (const struct tree_node *n = tree_ceil(c->s->parts, 0); n;
         n = tree_next(c->s->parts, n)) {
        used += check_part(c, (struct mem_part *)n->value);
        count++;
    }
    check_counter(c, id, "used", &root->used, used);
    check_counter(c, id, "count", &root->count, count);
    check_counter(c, id, "reserved bytes", &root->reserved_used, 0);
    check_counter(c, id, "reserved partitions", &root->reserved_count, 0);
}

osd_status mem_check(struct osd_store *store, bool repair, store_check_report report, void *arg,
                     struct store_check_result *ret)
{
    struct checker c = {(struct mem_store *)store, repair, report, arg, {0}};

    pthread_mutex_lock(&c.s->lock);
    check_root(&c);
    pthread_mutex_unlock(&c.s->lock);
    *ret = c.result;
    return OSD_OK;
}
