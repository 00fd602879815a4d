/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/model_state.c - objects, attributes, bytes and members in plain arrays
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- objects ---- */

static void object_free(struct m_object *o)
{
    for (size_t i = 0; i < o->n_attrs; i++)
        free(o->attrs[i].value);
    for (size_t i = 0; i < o->n_blocks; i++)
        free(o->blocks[i]);
    free(o->attrs);
    free(o->blocks);
    free(o->members);
    free(o);
}

static void *copy(const void *from, size_t len)
{
    void *p = must(malloc(len ? len : 1));

    if (len)
        memcpy(p, from, len);
    return p;
}

static struct m_object *object_copy(const struct m_object *o)
{
    struct m_object *n = copy(o, sizeof(*o));

    n->attrs = copy(o->attrs, o->n_attrs * sizeof(*o->attrs));
    for (size_t i = 0; i < o->n_attrs; i++)
        n->attrs[i].value = copy(o->attrs[i].value, o->attrs[i].len);
    n->blocks = copy(o->blocks, o->n_blocks * sizeof(*o->blocks));
    for (size_t i = 0; i < o->n_blocks; i++)
        n->blocks[i] = copy(o->blocks[i], sizeof(struct m_block));
    n->members = copy(o->members, o->n_members * sizeof(*o->members));
    return n;
}

/* Where an object is or would be. */
static size_t place(const struct model *m, uint64_t pid, uint64_t oid)
{
    size_t low = 0, high = m->n;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct m_object *o = m->objects[mid];
        if (o->pid < pid || (o->pid == pid && o->oid < oid))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct m_object *model_find(const struct model *m, uint64_t pid, uint64_t oid)
{
    size_t i = place(m, pid, oid);

    return i < m->n && m->objects[i]->pid == pid && m->objects[i]->oid == oid ? m->objects[i]
                                                                              : NULL;
}

struct m_object *model_own(struct model *m, struct m_object *o)
{
    struct m_object *n;

    if (o->born == m->command)
        return o;
    n = object_copy(o);
    n->born = m->command;
    o->dead = true;
    m->objects[place(m, o->pid, o->oid)] = n;
    return n;
}

struct m_object *model_add(struct model *m, uint64_t pid, uint64_t oid, uint8_t type)
{
    struct m_object *o = must(calloc(1, sizeof(*o)));
    size_t i = place(m, pid, oid);

    if (m->n == M_OBJECTS)
        abort();
    memmove(m->objects + i + 1, m->objects + i, (m->n - i) * sizeof(m->objects[0]));
    m->objects[i] = o;
    m->n++;
    o->pid = pid;
    o->oid = oid;
    o->type = type;
    o->born = m->command;
    return o;
}

/* Takes it out of the collections it is in, and its members out of their attributes too. */
void model_remove(struct model *m, struct m_object *o)
{
    size_t i = place(m, o->pid, o->oid);

    memmove(m->objects + i, m->objects + i + 1, (m->n - i - 1) * sizeof(m->objects[0]));
    m->n--;
    if (o->born == m->command)
        object_free(o);
    else
        o->dead = true;
}

void model_begin(struct model *m)
{
    m->command++;
    m->n_before = m->n;
    memcpy(m->before, m->objects, m->n * sizeof(m->objects[0]));
}

void model_end(struct model *m, bool commit)
{
    if (commit) {
        for (size_t i = 0; i < m->n_before; i++)
            if (m->before[i]->dead)
                object_free(m->before[i]);
        return;
    }
    for (size_t i = 0; i < m->n; i++)
        if (m->objects[i]->born == m->command)
            object_free(m->objects[i]);
    m->n = m->n_before;
    memcpy(m->objects, m->before, m->n * sizeof(m->objects[0]));
    for (size_t i = 0; i < m->n; i++)
        m->objects[i]->dead = false;
}

static struct m_object *fresh_root(struct model *m, uint64_t now)
{
    struct m_object *o = model_add(m, 0, 0, M_ROOT);

    o->max_length = o->capacity = o->objects = o->partitions = M_NO_LIMIT;
    o->collections = UINT32_MAX;
    for (int i = 1; i <= 5; i++)
        o->t[i] = now;
    return o;
}

struct model *model_new(uint64_t now)
{
    struct model *m = must(calloc(1, sizeof(*m)));

    m->command = 1;
    fresh_root(m, now);
    return m;
}

void model_free(struct model *m)
{
    for (size_t i = 0; i < m->n; i++)
        object_free(m->objects[i]);
    for (size_t i = 0; i < m->n_learned; i++)
        free(m->learned[i].value);
    free(m->learned);
    free(m);
}

void model_format(struct model *m, uint64_t now)
{
    while (m->n > 0)
        model_remove(m, m->objects[m->n - 1]);
    fresh_root(m, now);
    m->n_list_ids = 0;
}

/* ---- attributes ---- */

static size_t attr_place(const struct m_attr *a, size_t n, uint32_t page, uint32_t number)
{
    size_t i = 0;

    while (i < n && (a[i].page < page || (a[i].page == page && a[i].number < number)))
        i++;
    return i;
}

static void put_attr(struct m_attr **list, size_t *n, uint32_t page, uint32_t number,
                     const void *v, uint32_t len)
{
    size_t i = attr_place(*list, *n, page, number);
    bool there = i < *n && (*list)[i].page == page && (*list)[i].number == number;

    if (there) {
        free((*list)[i].value);
        if (len == 0) {
            memmove(*list + i, *list + i + 1, (*n - i - 1) * sizeof(**list));
            --*n;
            return;
        }
    } else {
        if (len == 0)
            return;
        *list = must(realloc(*list, (*n + 1) * sizeof(**list)));
        memmove(*list + i + 1, *list + i, (*n - i) * sizeof(**list));
        ++*n;
    }
    (*list)[i] = (struct m_attr){page, number, len, copy(v, len)};
}

struct m_attr *model_attr(const struct m_object *o, uint32_t page, uint32_t number)
{
    size_t i = attr_place(o->attrs, o->n_attrs, page, number);

    return i < o->n_attrs && o->attrs[i].page == page && o->attrs[i].number == number
               ? &o->attrs[i]
               : NULL;
}

void model_put_attr(struct m_object *o, uint32_t page, uint32_t number, const void *v,
                    uint32_t len)
{
    put_attr(&o->attrs, &o->n_attrs, page, number, v, len);
}

void model_learn(struct model *m, uint32_t page, uint32_t number, const uint8_t *value,
                 uint32_t len)
{
    put_attr(&m->learned, &m->n_learned, page, number, value, len);
}

/* Used capacity: 4096 for every block that holds data, 16 + length for every attribute. */
static uint64_t own_used(const struct m_object *o)
{
    uint64_t sum = o->n_blocks * (uint64_t)M_BLOCK;

    for (size_t i = 0; i < o->n_attrs; i++)
        sum += 16 + o->attrs[i].len;
    return sum;
}

uint64_t model_used(const struct model *m, const struct m_object *o)
{
    uint64_t sum = 0;

    if (o->type != M_ROOT && o->type != M_PARTITION)
        return own_used(o);
    for (size_t i = 0; i < m->n; i++)
        if (o->type == M_ROOT || m->objects[i]->pid == o->pid)
            sum += own_used(m->objects[i]);
    return sum;
}

uint64_t model_count(const struct model *m, const struct m_object *o)
{
    uint64_t n = 0;

    for (size_t i = 1; i < m->n; i++)
        n += o->type == M_ROOT ? m->objects[i]->oid == 0
                               : m->objects[i]->pid == o->pid && m->objects[i]->oid != 0;
    return n;
}

/* ---- bytes ---- */

static size_t block_place(const struct m_object *o, uint64_t index)
{
    size_t i = 0;

    while (i < o->n_blocks && o->blocks[i]->index < index)
        i++;
    return i;
}

bool model_has_block(const struct m_object *o, uint64_t index)
{
    size_t i = block_place(o, index);

    return i < o->n_blocks && o->blocks[i]->index == index;
}

static struct m_block *need_block(struct m_object *o, uint64_t index)
{
    size_t i = block_place(o, index);

    if (i < o->n_blocks && o->blocks[i]->index == index)
        return o->blocks[i];
    o->blocks = must(realloc(o->blocks, (o->n_blocks + 1) * sizeof(*o->blocks)));
    memmove(o->blocks + i + 1, o->blocks + i, (o->n_blocks - i) * sizeof(*o->blocks));
    o->n_blocks++;
    o->blocks[i] = must(calloc(1, sizeof(struct m_block)));
    o->blocks[i]->index = index;
    return o->blocks[i];
}

/* Forget blocks first..last. */
static void drop_blocks(struct m_object *o, uint64_t first, uint64_t last)
{
    size_t kept = 0;

    for (size_t i = 0; i < o->n_blocks; i++) {
        if (o->blocks[i]->index >= first && o->blocks[i]->index <= last)
            free(o->blocks[i]);
        else
            o->blocks[kept++] = o->blocks[i];
    }
    o->n_blocks = kept;
}

uint64_t model_new_blocks(const struct m_object *o, uint64_t at, uint64_t len)
{
    uint64_t n = 0;

    for (uint64_t b = at / M_BLOCK; len && b <= (at + len - 1) / M_BLOCK; b++)
        n += !model_has_block(o, b);
    return n;
}

void model_write(struct m_object *o, uint64_t at, uint64_t len, const uint8_t *from)
{
    for (uint64_t i = 0; i < len;) {
        uint64_t in = (at + i) % M_BLOCK,
                 part = M_BLOCK - in < len - i ? M_BLOCK - in : len - i;
        memcpy(need_block(o, (at + i) / M_BLOCK)->bytes + in, from + i, part);
        i += part;
    }
    if (len && at + len > o->length)
        o->length = at + len;
}

void model_read(const struct m_object *o, uint64_t at, uint64_t len, uint8_t *to)
{
    memset(to, 0, len);
    for (size_t i = 0; i < o->n_blocks; i++) {
        uint64_t start = o->blocks[i]->index * M_BLOCK, end = start + M_BLOCK;
        uint64_t a = start > at ? start : at, b = end < at + len ? end : at + len;
        if (end > o->length && b > o->length)
            b = o->length;
        if (a < b)
            memcpy(to + (a - at), o->blocks[i]->bytes + (a - start), b - a);
    }
}

/* Zero the bytes of [at, end) in the blocks that are there. */
static void zero(struct m_object *o, uint64_t at, uint64_t end)
{
    for (size_t i = 0; i < o->n_blocks; i++) {
        uint64_t start = o->blocks[i]->index * M_BLOCK, stop = start + M_BLOCK;
        uint64_t a = start > at ? start : at, b = stop < end ? stop : end;
        if (a < b)
            memset(o->blocks[i]->bytes + (a - start), 0, b - a);
    }
}

void model_clear(struct m_object *o, uint64_t at, uint64_t len)
{
    uint64_t end = at + len, first = (at + M_BLOCK - 1) / M_BLOCK, last = end / M_BLOCK;

    if (len == 0)
        return;
    zero(o, at, end);
    if (end >= o->length) {
        o->length = end;
        last = (end + M_BLOCK - 1) / M_BLOCK;
    }
    if (first < last)
        drop_blocks(o, first, last - 1);
}

void model_truncate(struct m_object *o, uint64_t length)
{
    uint64_t keep = (length + M_BLOCK - 1) / M_BLOCK;

    drop_blocks(o, keep, UINT64_MAX);
    zero(o, length, keep * M_BLOCK);
    o->length = length;
}

/* A block holds data afterwards when any byte of it came from a block that did. */
void model_punch(struct m_object *o, uint64_t at, uint64_t len)
{
    struct m_object old = *o;
    uint64_t length = o->length - len;

    o->blocks = NULL;
    o->n_blocks = 0;
    o->length = length;
    for (size_t i = 0; i < old.n_blocks; i++) {
        uint64_t start = old.blocks[i]->index * M_BLOCK;
        for (uint64_t k = 0; k < M_BLOCK; k++) {
            uint64_t from = start + k, to = from < at ? from : from - len;
            if ((from >= at && from < at + len) || to >= length || from >= old.length)
                continue;
            need_block(o, to / M_BLOCK)->bytes[to % M_BLOCK] = old.blocks[i]->bytes[k];
        }
        free(old.blocks[i]);
    }
    free(old.blocks);
}

/* ---- members ---- */

bool model_is_member(const struct m_object *c, uint64_t oid)
{
    for (size_t i = 0; i < c->n_members; i++)
        if (c->members[i] == oid)
            return true;
    return false;
}

void model_set_member(struct m_object *c, uint64_t oid, bool member)
{
    size_t i = 0;

    if (model_is_member(c, oid) == member)
        return;
    while (i < c->n_members && c->members[i] < oid)
        i++;
    if (member) {
        c->members = must(realloc(c->members, (c->n_members + 1) * sizeof(*c->members)));
        memmove(c->members + i + 1, c->members + i, (c->n_members - i) * sizeof(*c->members));
        c->members[i] = oid;
        c->n_members++;
    } else {
        memmove(c->members + i, c->members + i + 1,
                (c->n_members - i - 1) * sizeof(*c->members));
        c->n_members--;
    }
    c->changes++;
}
