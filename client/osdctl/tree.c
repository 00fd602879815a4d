/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/tree.c - cp: which direction, and lists that both directions use
 */
#include "tree.h"
#include "common/number.h"

#include <stdlib.h>

#include "verbs.h"

static bool grow(void **v, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 1024;
    void *bigger;

    if (n < *cap)
        return true;
    bigger = realloc(*v, more * size);
    if (!bigger)
        return false;
    *v = bigger;
    *cap = more;
    return true;
}

bool items_add(struct items *l, const struct item *it)
{
    if (!grow((void **)&l->v, l->n, &l->cap, sizeof(*l->v))) {
        free(it->path);
        return false;
    }
    l->v[l->n++] = *it;
    return true;
}

static bool add_known(void *arg, uint64_t id)
{
    struct work *w = arg;

    if (!grow((void **)&w->known, w->n_known, &w->known_cap, sizeof(*w->known))) {
        w->fatal = OSD_E_NOMEM;
        return false;
    }
    w->known[w->n_known++] = id;
    return true;
}

osd_status load_known(struct work *w)
{
    osd_status st = osd_each_id(w->s, w->pid, 0, add_known, w);

    return st ? st : (osd_status)w->fatal;
}

int verb_cp(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    uint64_t from, to;
    bool from_device = osd_number_parse(argv[0], &from),
         to_device = osd_number_parse(argv[1], &to);

    if (!o->recursive)
        return usage_error("cp copies trees: say -r (put and get are for single objects)");
    if (!argv[0][0] || !argv[1][0])
        return usage_error("the name of the directory is empty");
    if (from_device == to_device)
        return usage_error("one of the two has to be a partition id, the other a directory "
                           "(./%s)",
                           argv[1]);
    if (from_device && from == 0)
        return usage_error("0 is no partition to copy from; osdctl ls shows which there are");
    if (to_device && !new_id(to))
        return too_small(to);
    catch_interrupts();
    return from_device ? copy_out(o, s, from, argv[1]) : copy_in(o, s, argv[0], to);
}
