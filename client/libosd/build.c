/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/build.c - struct osd_call to CDB, lists of Data-Out and room for lists of
 * Data-In
 *
 * Invariants:
 *  (1) Command data travels from and into the caller's memory; only lists are copied.
 *  (2) Every command that changes something carries a fresh nonce.
 *  (3) Page format is used where one page or one attribute suffices, because it needs one
 *      direction only; list format otherwise, also for page 0, which in page format means
 *      "nothing to set".
 */
#include <openssl/crypto.h>
#include <string.h>

#include "common/clock.h"
#include "libosd.h"
#include "security/grants.h"
#include "wire/attrs.h"

#define LISTS_MAX (1u << 20)

/* ---- verbs ---- */

/* What a verb is on the wire; what its capability must say is in security/grants.c. */
static const struct verb verbs[OSD_V_MAX] = {
    [OSD_V_FORMAT] = {OSD_OP_FORMAT_OSD, VERB_CHANGES},
    [OSD_V_CREATE_PARTITION] = {OSD_OP_CREATE_PARTITION,
                                VERB_CHANGES | VERB_MAKES_IDS | VERB_MAKES_PARTITION},
    [OSD_V_REMOVE_PARTITION] = {OSD_OP_REMOVE_PARTITION, VERB_CHANGES},
    [OSD_V_CREATE] = {OSD_OP_CREATE, VERB_CHANGES | VERB_MAKES_IDS},
    [OSD_V_CREATE_AND_WRITE] = {OSD_OP_CREATE_AND_WRITE, VERB_CHANGES | VERB_MAKES_IDS},
    [OSD_V_REMOVE] = {OSD_OP_REMOVE, VERB_CHANGES},
    [OSD_V_READ] = {OSD_OP_READ, 0},
    [OSD_V_WRITE] = {OSD_OP_WRITE, VERB_CHANGES},
    [OSD_V_APPEND] = {OSD_OP_APPEND, VERB_CHANGES | VERB_MAKES_IDS},
    [OSD_V_CLEAR] = {OSD_OP_CLEAR, VERB_CHANGES},
    [OSD_V_PUNCH] = {OSD_OP_PUNCH, VERB_CHANGES},
    [OSD_V_FLUSH] = {OSD_OP_FLUSH, 0},
    [OSD_V_FLUSH_PARTITION] = {OSD_OP_FLUSH_PARTITION, 0},
    [OSD_V_FLUSH_OSD] = {OSD_OP_FLUSH_OSD, 0},
    [OSD_V_LIST] = {OSD_OP_LIST, 0},
    [OSD_V_GET_ATTRIBUTES] = {OSD_OP_GET_ATTRIBUTES, 0},
    [OSD_V_CREATE_SNAPSHOT] = {OSD_OP_CREATE_SNAPSHOT, VERB_CHANGES | VERB_MAKES_IDS |
                                                           VERB_MAKES_PARTITION |
                                                           VERB_NAMES_SOURCE | VERB_BY_SOURCE},
    [OSD_V_CREATE_CLONE] = {OSD_OP_CREATE_CLONE, VERB_CHANGES | VERB_MAKES_IDS |
                                                     VERB_MAKES_PARTITION | VERB_NAMES_SOURCE |
                                                     VERB_BY_SOURCE},
    [OSD_V_DETACH_CLONE] = {OSD_OP_DETACH_CLONE, VERB_CHANGES},
    [OSD_V_REFRESH] = {OSD_OP_REFRESH_SNAPSHOT_OR_CLONE, VERB_CHANGES | VERB_NAMES_SOURCE},
    [OSD_V_RESTORE] = {OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT,
                       VERB_CHANGES | VERB_NAMES_SOURCE},
    [OSD_V_COMPARE] = {OSD_OP_READ_MAPS_AND_COMPARE, 0},
    [OSD_V_CREATE_COLLECTION] = {OSD_OP_CREATE_COLLECTION,
                                 VERB_CHANGES | VERB_MAKES_IDS | VERB_COLLECTION},
    [OSD_V_CREATE_TRACKING] = {OSD_OP_CREATE_USER_TRACKING_COLLECTION,
                               VERB_CHANGES | VERB_MAKES_IDS | VERB_COLLECTION},
    [OSD_V_REMOVE_COLLECTION] = {OSD_OP_REMOVE_COLLECTION, VERB_CHANGES | VERB_COLLECTION},
    [OSD_V_LIST_COLLECTION] = {OSD_OP_LIST_COLLECTION, VERB_COLLECTION},
    [OSD_V_QUERY] = {OSD_OP_QUERY, VERB_COLLECTION},
    [OSD_V_SET_ATTRIBUTES] = {OSD_OP_SET_ATTRIBUTES, VERB_CHANGES},
};

const struct verb *verb_of(const struct osd_call *c)
{
    return (unsigned)c->verb < OSD_V_MAX ? &verbs[c->verb] : NULL;
}

const char *verb_name(const struct osd_call *c)
{
    return osd_op_info(verbs[c->verb].op)->name;
}

static bool is_of_collection(uint32_t page)
{
    return osd_page_owner(page) == OSD_TYPE_COLLECTION;
}

/* What GET and SET ATTRIBUTES mean is told by a page that they name. */
static bool names_collection(const struct osd_call *c, const struct verb *v)
{
    bool any = v->op == OSD_OP_GET_ATTRIBUTES || v->op == OSD_OP_SET_ATTRIBUTES;

    return any && ((c->n_get && is_of_collection(c->get[0].page)) ||
                   (c->n_set && is_of_collection(c->set[0].page)));
}

static uint8_t object_type(const struct osd_call *c, const struct verb *v)
{
    if (v->flags & VERB_COLLECTION && (c->oid || v->flags & VERB_MAKES_IDS))
        return OSD_TYPE_COLLECTION;
    if (c->oid && names_collection(c, v))
        return OSD_TYPE_COLLECTION;
    if (c->pid == 0)
        return OSD_TYPE_ROOT;
    return c->oid == 0 ? OSD_TYPE_PARTITION : OSD_TYPE_USER;
}

/* A query does when its matches go into a collection. */
static bool changes(const struct verb *v, const struct osd_call *c)
{
    return v->flags & VERB_CHANGES || (v->op == OSD_OP_QUERY && c->start);
}

/* A capability that grants exactly this call (security method NOSEC). */
static void fill_capability(const struct osd_call *c, const struct verb *v, struct osd_cdb *cdb)
{
    const struct osd_grant *grant = osd_grant_of(v->op);
    struct osd_capability *cap = &cdb->cap;

    *cap = (struct osd_capability){
        .format = (uint8_t)cdb->gen,
        .object_type = grant->type ? grant->type : object_type(c, v),
        .allowed_pid = v->flags & VERB_BY_SOURCE ? c->start : c->pid,
    };
    cap->permissions = osd_grant_permissions(cdb);
    for (size_t i = 0; i < c->n_set; i++)
        cap->permissions |= osd_grant_for_attribute(c->set[i].page, true);
    for (size_t i = 0; i < c->n_get; i++)
        cap->permissions |= osd_grant_for_attribute(c->get[i].page, false) |
                            (c->get[i].page == OSD_ATTR_ALL ? OSD_PERM_POL_SEC : 0);
    cap->descriptor = osd_grant_descriptor(cap->object_type, cdb->gen == OSD_GEN1);
    if (cap->descriptor != OSD_DESC_PAR)
        cap->allowed_oid = c->oid;
}

/* ---- lists ---- */

void build_free(struct build *b)
{
    osd_buf_free(&b->out_lists);
    osd_buf_free(&b->in_lists);
    OPENSSL_cleanse(b->key, sizeof(b->key));
    osd_mac_key_wipe(&b->ready);
    OPENSSL_cleanse(&b->granted, sizeof(b->granted));
    OPENSSL_cleanse(&b->second, sizeof(b->second));
}

/* Append a list to Data-Out at the next representable offset. */
static osd_status add_out(struct build *b, size_t data_len, const void *src, size_t len,
                          uint64_t *ret_off)
{
    uint64_t at = osd_offset_align(data_len + b->out_lists.len, b->cdb.gen);
    osd_status st = osd_buf_put(&b->out_lists, NULL, at - data_len - b->out_lists.len);

    *ret_off = at;
    return st ? st : osd_buf_put(&b->out_lists, src, len);
}

static osd_status reserve_in(struct build *b, size_t data_len, size_t len)
{
    uint64_t at = osd_offset_align(data_len, b->cdb.gen);

    b->in_gap = at - data_len;
    b->cdb.attr.retrieved_off = at;
    b->cdb.attr.get_alloc_len = (uint32_t)len;
    return osd_buf_put(&b->in_lists, NULL, b->in_gap + len);
}

static osd_status build_page(struct build *b, const struct osd_call *c, bool want_current)
{
    struct osd_attr_params *a = &b->cdb.attr;
    osd_status st = OSD_OK;

    a->format = OSD_ATTR_PAGE;
    a->retrieved_off = a->set_off = OSD_OFFSET_UNUSED;
    if (want_current || b->signs_response) {
        a->get_page = OSD_PAGE_CURRENT;
        b->current_page = true;
        st = reserve_in(b, c->in_len, b->cdb.gen == OSD_GEN1 ? 56 : 76);
    }
    if (!st && c->n_set == 1) {
        a->set_page = c->set[0].page;
        a->set_number = c->set[0].number;
        a->set_len = c->set[0].len;
        if (c->set[0].len > 0)
            st = add_out(b, command_data(c), c->set[0].value, c->set[0].len, &a->set_off);
    }
    return st;
}

static osd_status build_set_list(struct build *b, const struct osd_call *c)
{
    _cleanup_buf_ struct osd_buf list = osd_buf_make(LISTS_MAX);
    size_t need = 16;
    osd_status st;

    for (size_t i = 0; i < c->n_set; i++)
        need += 24 + (size_t)c->set[i].len;
    if ((st = osd_buf_reserve(&list, need)))
        return st;
    struct osd_writer w = osd_writer_make(list.data, need);
    osd_attr_list_open(&w, b->cdb.gen, OSD_LIST_SET);
    for (size_t i = 0; i < c->n_set; i++)
        osd_attr_put_value(&w, b->cdb.gen,
                           (struct osd_attr_id){c->set[i].page, c->set[i].number},
                           c->set[i].value, c->set[i].len);
    osd_attr_list_close(&w, b->cdb.gen, 0);
    b->cdb.attr.set_len = (uint32_t)w.full;
    return add_out(b, command_data(c), list.data, w.full, &b->cdb.attr.set_off);
}

/* Room for the head of a list, and for what the call asks for with so many bytes, once for each
 * object; of the results of a CREATE of several objects the first one tells. */
static osd_status reserve_answer(struct build *b, const struct osd_call *c, size_t wanted)
{
    const size_t head = 8, results = 5 * 24 + (objects_made(b) > 1 ? 16 : 0);
    size_t n = c->n_get > 0 ? objects_made(b) : 1;
    size_t answer = head + n * (results + wanted) + b->answer_room;

    if (n > 1 && answer > (b->cdb.gen == OSD_GEN1 ? UINT16_MAX : ANSWER_MAX)) {
        b->told = true;
        return failed(OSD_E_INVALID,
                      "attributes of %zu objects, with these caps, do not fit into one answer",
                      n);
    }
    return reserve_in(b, c->in_len, answer);
}

static osd_status build_get_list(struct build *b, const struct osd_call *c, bool want_current)
{
    _cleanup_buf_ struct osd_buf list = osd_buf_make(LISTS_MAX);
    size_t need = 16 + 8 * (c->n_get + 4), answer = 0;
    osd_status st = osd_buf_reserve(&list, need);

    if (st)
        return st;
    struct osd_writer w = osd_writer_make(list.data, need);
    osd_attr_list_open(&w, b->cdb.gen, OSD_LIST_GET);
    if (b->signs_response)
        osd_attr_put_get(&w, b->cdb.gen, (struct osd_attr_id){OSD_PAGE_CURRENT, 1});
    for (uint32_t n = 3; want_current && n <= 5; n++)
        osd_attr_put_get(&w, b->cdb.gen, (struct osd_attr_id){OSD_PAGE_CURRENT, n});
    for (size_t i = 0; i < c->n_get; i++) {
        osd_attr_put_get(&w, b->cdb.gen,
                         (struct osd_attr_id){c->get[i].page, c->get[i].number});
        answer += 24 + (size_t)c->get[i].cap;
        if (c->get[i].number == OSD_ATTR_ALL)
            answer += ANSWER_FIRST;
    }
    osd_attr_list_close(&w, b->cdb.gen, 0);
    b->cdb.attr.get_list_len = (uint32_t)w.full;
    st = add_out(b, command_data(c), list.data, w.full, &b->cdb.attr.get_list_off);
    return st ? st : reserve_answer(b, c, answer);
}

/* Results that only the current command page tells. */
static bool wants_current(const struct osd_call *c, const struct verb *v)
{
    bool ids_known = v->op != OSD_OP_APPEND &&
                     (c->oid != 0 || (v->flags & VERB_MAKES_PARTITION && c->pid != 0));

    return (v->flags & VERB_MAKES_IDS) && !ids_known && !c->no_results;
}

static osd_status build_attrs(struct build *b, const struct osd_call *c, const struct verb *v)
{
    bool want_current = wants_current(c, v);
    osd_status st = OSD_OK;

    if (c->n_get == 0 && (c->n_set == 0 || (c->n_set == 1 && c->set[0].page != 0)))
        return build_page(b, c, want_current);
    b->cdb.attr.format = OSD_ATTR_LIST;
    b->cdb.attr.set_off = b->cdb.attr.get_list_off = b->cdb.attr.retrieved_off =
        OSD_OFFSET_UNUSED;
    if (c->n_set > 0)
        st = build_set_list(b, c);
    if (!st && (c->n_get > 0 || want_current || b->signs_response))
        st = build_get_list(b, c, want_current);
    return st;
}

/* Integrity information at the ends of Data-Out and Data-In. */
static osd_status build_info(struct build *b, const struct osd_call *c)
{
    enum osd_gen gen = b->cdb.gen;
    size_t before = c->in_len + b->in_lists.len, len = signer_in_info(gen);
    uint64_t at = osd_offset_align(before, gen);
    osd_status st = OSD_OK;

    b->in_tail = at - before + len;
    b->cdb.sec.data_in_icv_off = at;
    st = osd_buf_put(&b->in_lists, NULL, b->in_tail);
    if (st == OSD_OK && command_data(c) + b->out_lists.len > 0)
        st = add_out(b, command_data(c), NULL, signer_out_info(gen),
                     &b->cdb.sec.data_out_icv_off);
    return st;
}

/* Signed commands ask for a response integrity value where it costs no second direction. */
static void plan_signature(const struct osd_session *s, const struct osd_call *c,
                           const struct verb *v, struct build *b)
{
    bool out = c->out_len > 0 || c->n_set > 0;

    b->changes = changes(v, c);
    b->signs_response =
        signer_wants_response(&s->signer, b, out && c->n_get == 0 && !wants_current(c, v));
    b->signs_data = signer_wants_data(&s->signer, b);
}

osd_status build(struct osd_session *s, const struct osd_call *c, struct build *b)
{
    const struct verb *v = verb_of(c);
    osd_status st;

    b->out_lists = osd_buf_make(2 * LISTS_MAX);
    b->in_lists = osd_buf_make(2 * ANSWER_MAX);
    b->cdb = (struct osd_cdb){
        .op = v->op,
        .gen = s->gen,
        .fua = c->fua,
        .option = (uint8_t)c->option,
        .timestamps = c->no_timestamps ? 0x7f : 0,
        .pid = c->pid,
        .oid = c->oid,
        .start = c->start,
        .length = c->out_len  ? c->out_len
                  : c->in_len ? c->in_len
                              : c->length,
        .list_id = c->list_id,
        .sec = {.data_in_icv_off = OSD_OFFSET_UNUSED, .data_out_icv_off = OSD_OFFSET_UNUSED},
    };
    if (v->op == OSD_OP_QUERY)
        b->cdb.length = c->in_len;
    if (v->op == OSD_OP_CREATE) {
        b->cdb.count = (uint16_t)c->length;
        b->cdb.length = 0;
    }
    fill_capability(c, v, &b->cdb);
    if (changes(v, c) && !s->signer.with) /* else sign() gives it one */
        signer_nonce(&s->signer, b->cdb.sec.nonce);
    b->name = verb_name(c);
    if ((st = signer_fetch(s, b)))
        return st;
    plan_signature(s, c, v, b);
    if (v->op == OSD_OP_READ_MAPS_AND_COMPARE)
        st = second_build(b, c);
    else if (v->op == OSD_OP_QUERY)
        st = query_build(b, c);
    if (st == OSD_OK)
        st = build_attrs(b, c, v);
    if (st == OSD_OK && b->signs_data)
        st = build_info(b, c);
    return st || s->signer.with ? st : osd_cdb_encode(&b->cdb, b->raw, &b->raw_len);
}
