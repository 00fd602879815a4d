/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/ops_rest.c - the commands that no comparison needs
 *
 * Ids of a work: COLLECTION with MEMBERS objects; further collections and copies are fresh ones.
 * SOURCE is a partition with MEMBERS objects; DUPLICATE is the snapshot or clone of it, or of the
 * partition that the work is in (operations of size WHOLE).
 */
#include <string.h>

#include "ops.h"
#include "ops_rest.h"

#define COLLECTION  0x8000ULL
#define MEMBER      0x9000ULL
#define FRESH       0xa000ULL
#define MEMBERS     10
#define SEGMENT     40 /* of a CDB continuation: its header */
#define PAYLOAD     (SEGMENT + 8)
#define IN_LEN      1024
#define OP_COPY     0x0101
#define OP_COMPARE  0x0100
#define COMPARE_LEN 16
#define SOURCE      0x30000ULL
#define DUPLICATE   0x30001ULL
#define WHOLE       1
#define TASK_QUERY  0x81 /* QUERY TASK SET */
#define TASK_LEN    20
#define OP_QUERY    0x0002
#define COPY_LEN    20
#define INQUIRY_LEN 96

static struct osd_cdb base(enum osd_op op, uint64_t pid, uint64_t oid)
{
    return osd_cdb_make(op, OSD_GEN2, pid, oid);
}

static void use(struct bench_work *w, const struct osd_cdb *c)
{
    memset(&w->cmd, 0, sizeof(w->cmd));
    if (osd_cdb_encode(c, w->cmd.cdb, &w->cmd.cdb_len))
        bench_die("%s cannot be encoded", osd_op_info(c->op)->name);
}

static void simple(struct bench_work *w, enum osd_op op, uint64_t pid, uint64_t oid)
{
    struct osd_cdb c = base(op, pid, oid);

    use(w, &c);
}

static void run(struct bench_work *w, enum osd_op op, uint64_t oid)
{
    simple(w, op, w->pid, oid);
    bench_cmd_run(w->to, &w->cmd);
}

static void receive(struct bench_work *w, size_t len)
{
    w->cmd.in = (struct iovec){w->buf, len};
}

static void step(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_run(w->to, &w->cmd);
}

static uint64_t fresh(const struct bench_work *w, unsigned i)
{
    return w->first_oid + FRESH + i;
}

static void step_fresh(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_oid(&w->cmd, fresh(w, i));
    bench_cmd_run(w->to, &w->cmd);
}

static void nothing(struct bench_work *w, const struct bench_op *op)
{
}

/* ---- a collection with members ---- */

static void join(struct bench_work *w, uint64_t oid)
{
    struct osd_cdb c = base(OSD_OP_SET_ATTRIBUTES, w->pid, oid);
    struct osd_writer list = osd_writer_make(w->list, sizeof(w->list));
    uint8_t cid[8];

    be64_put(cid, w->first_oid + COLLECTION);
    osd_attr_list_open(&list, OSD_GEN2, OSD_LIST_SET);
    osd_attr_put_value(&list, OSD_GEN2, (struct osd_attr_id){OSD_PG_COLLECTIONS, 1}, cid, 8);
    osd_attr_list_close(&list, OSD_GEN2, 0);
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_off = OSD_OFFSET_UNUSED,
                                      .retrieved_off = OSD_OFFSET_UNUSED,
                                      .set_len = (uint32_t)list.full};
    use(w, &c);
    w->cmd.out = (struct iovec){w->list, list.full};
    bench_cmd_run(w->to, &w->cmd);
}

static void make_members(struct bench_work *w)
{
    run(w, OSD_OP_CREATE_COLLECTION, w->first_oid + COLLECTION);
    for (unsigned i = 0; i < MEMBERS; i++) {
        run(w, OSD_OP_CREATE, w->first_oid + MEMBER + i);
        join(w, w->first_oid + MEMBER + i);
    }
}

static void drop_members(struct bench_work *w, const struct bench_op *op)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        run(w, OSD_OP_REMOVE, w->first_oid + MEMBER + i);
    run(w, OSD_OP_REMOVE_COLLECTION, w->first_oid + COLLECTION);
}

static void drop_collection(struct bench_work *w, const struct bench_op *op)
{
    run(w, OSD_OP_REMOVE_COLLECTION, w->first_oid + COLLECTION);
}

static void prepare_list_collection(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_LIST_COLLECTION, w->pid, w->first_oid + COLLECTION);

    make_members(w);
    c.length = IN_LEN;
    use(w, &c);
    receive(w, IN_LEN);
}

static void prepare_get_members(struct bench_work *w, const struct bench_op *op)
{
    make_members(w);
    simple(w, OSD_OP_GET_MEMBER_ATTRIBUTES, w->pid, w->first_oid + COLLECTION);
    bench_cmd_gets(&w->cmd, w->list, sizeof(w->list), 1, w->buf, IN_LEN);
}

static void prepare_set_members(struct bench_work *w, const struct bench_op *op)
{
    make_members(w);
    simple(w, OSD_OP_SET_MEMBER_ATTRIBUTES, w->pid, w->first_oid + COLLECTION);
    bench_cmd_sets(&w->cmd, w->list, sizeof(w->list), 1, w->buf, 16);
}

static void prepare_remove_members(struct bench_work *w, const struct bench_op *op)
{
    make_members(w);
    simple(w, OSD_OP_REMOVE_MEMBER_OBJECTS, w->pid, w->first_oid + COLLECTION);
}

static void prepare_flush_collection(struct bench_work *w, const struct bench_op *op)
{
    make_members(w);
    simple(w, OSD_OP_FLUSH_COLLECTION, w->pid, w->first_oid + COLLECTION);
}

static void prepare_tracking(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_CREATE_USER_TRACKING_COLLECTION, w->pid, fresh(w, 0));

    make_members(w);
    c.start = w->first_oid + COLLECTION;
    use(w, &c);
}

static void prepare_remove_collection(struct bench_work *w, const struct bench_op *op)
{
    for (unsigned i = 0; i < op->batch; i++)
        run(w, OSD_OP_CREATE_COLLECTION, fresh(w, i));
    simple(w, OSD_OP_REMOVE_COLLECTION, w->pid, 0);
}

/* With members in them: removal has to be forced. */
static void drop_tracking(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_REMOVE_COLLECTION, w->pid, 0);

    c.option = 1;
    for (unsigned i = 0; i < op->batch; i++) {
        c.oid = fresh(w, i);
        use(w, &c);
        bench_cmd_run(w->to, &w->cmd);
    }
    drop_members(w, op);
}

/* ---- commands with a continuation segment ---- */

/* Put one descriptor with len bytes of payload, which are in w->list, behind the header. */
static void continue_with(struct bench_work *w, struct osd_cdb *c, uint16_t type, size_t len)
{
    uint8_t *p = w->list, pad = (uint8_t)(-len & 7);

    p[0] = 1;
    be16_put(p + 2, osd_op_info(c->op)->action[OSD_GEN2]);
    be16_put(p + SEGMENT, type);
    p[SEGMENT + 3] = pad;
    be32_put(p + SEGMENT + 4, (uint32_t)len);
    c->cont_len = (uint32_t)(PAYLOAD + len + pad);
    use(w, c);
    w->cmd.out = (struct iovec){w->list, c->cont_len};
}

/* Members whose length lies between 0 and 1,000. */
static void prepare_query(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_QUERY, w->pid, fresh(w, 0));
    struct osd_writer q = osd_writer_make(w->list + PAYLOAD, sizeof(w->list) - PAYLOAD);

    struct bench_op one = {.batch = 1};
    prepare_tracking(w, &one);
    bench_cmd_run(w->to, &w->cmd);
    memset(w->list, 0, sizeof(w->list));
    osd_writer_be32(&q, 0); /* union */
    osd_writer_be16(&q, 0);
    osd_writer_be16(&q, 12 + 8 + 8);
    osd_writer_be32(&q, OSD_PG_INFORMATION);
    osd_writer_be32(&q, 0x82);
    osd_writer_be16(&q, 8);
    osd_writer_be64(&q, 0);
    osd_writer_be16(&q, 8);
    osd_writer_be64(&q, 1000);
    c.length = IN_LEN;
    continue_with(w, &c, OP_QUERY, q.full);
    receive(w, IN_LEN);
}

static void drop_query(struct bench_work *w, const struct bench_op *op)
{
    struct bench_op one = {.batch = 1};

    drop_tracking(w, &one);
}

static void prepare_copy(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_COPY_USER_OBJECTS, w->pid, fresh(w, 0));

    memset(w->list, 0, sizeof(w->list));
    be64_put(w->list + PAYLOAD, w->pid);
    be64_put(w->list + PAYLOAD + 8, w->first_oid);
    w->list[PAYLOAD + 16] = 1; /* with its attributes */
    continue_with(w, &c, OP_COPY, COPY_LEN);
}

static void drop_copies(struct bench_work *w, const struct bench_op *op)
{
    for (unsigned i = 0; i < op->batch; i++)
        run(w, OSD_OP_REMOVE, fresh(w, i));
}

/* Two of 1 MiB that differ in everything. */
static void prepare_compare(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c =
        base(OSD_OP_READ_MAPS_AND_COMPARE, w->pid, w->first_oid + BENCH_BACKGROUND);

    memset(w->list, 0, sizeof(w->list));
    be64_put(w->list + PAYLOAD, w->pid);
    be64_put(w->list + PAYLOAD + 8, w->first_oid + BENCH_BACKGROUND + 1);
    c.length = IN_LEN;
    continue_with(w, &c, OP_COMPARE, COMPARE_LEN);
    receive(w, IN_LEN);
}

/* ---- partitions made from others ---- */

static void duplicates(struct bench_work *w, enum osd_op op, uint64_t pid, uint64_t of)
{
    struct osd_cdb c = base(op, pid, 0);

    c.start = of;
    use(w, &c);
}

static uint64_t source_of(const struct bench_work *w, const struct bench_op *op)
{
    return op->size == WHOLE ? w->pid : SOURCE;
}

static void prepare_source(struct bench_work *w, const struct bench_op *op)
{
    if (op->size == WHOLE)
        return;
    simple(w, OSD_OP_CREATE_PARTITION, SOURCE, 0);
    bench_cmd_run(w->to, &w->cmd);
    for (unsigned i = 0; i < MEMBERS; i++) {
        simple(w, OSD_OP_CREATE, SOURCE, w->first_oid + i);
        bench_cmd_run(w->to, &w->cmd);
    }
}

static void make_duplicate(struct bench_work *w, const struct bench_op *op, enum osd_op what)
{
    prepare_source(w, op);
    duplicates(w, what, DUPLICATE, source_of(w, op));
    bench_cmd_run(w->to, &w->cmd);
}

static void prepare_snapshot(struct bench_work *w, const struct bench_op *op)
{
    prepare_source(w, op);
    duplicates(w, OSD_OP_CREATE_SNAPSHOT, DUPLICATE, source_of(w, op));
}

static void prepare_clone(struct bench_work *w, const struct bench_op *op)
{
    prepare_source(w, op);
    duplicates(w, OSD_OP_CREATE_CLONE, DUPLICATE, source_of(w, op));
}

static void prepare_refresh(struct bench_work *w, const struct bench_op *op)
{
    make_duplicate(w, op, OSD_OP_CREATE_SNAPSHOT);
    duplicates(w, OSD_OP_REFRESH_SNAPSHOT_OR_CLONE, DUPLICATE, 0);
}

static void prepare_restore(struct bench_work *w, const struct bench_op *op)
{
    make_duplicate(w, op, OSD_OP_CREATE_SNAPSHOT);
    duplicates(w, OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT, source_of(w, op), DUPLICATE);
}

static void prepare_detach(struct bench_work *w, const struct bench_op *op)
{
    make_duplicate(w, op, OSD_OP_CREATE_CLONE);
    duplicates(w, OSD_OP_DETACH_CLONE, DUPLICATE, 0);
}

static void drop_duplicates(struct bench_work *w, const struct bench_op *op)
{
    static const uint64_t pids[] = {DUPLICATE, SOURCE};

    for (int i = 0; i < (op->size == WHOLE ? 1 : 2); i++) {
        struct osd_cdb c = base(OSD_OP_REMOVE_PARTITION, pids[i], 0);
        c.option = 1;
        use(w, &c);
        bench_cmd_run(w->to, &w->cmd);
    }
}

/* ---- keys ---- */

static struct bench_signer *signer;
static uint8_t exchanged[BENCH_MASTER_IN], offer[BENCH_MASTER_OUT];

void bench_rest_keys(struct bench_signer *s)
{
    signer = s;
}

static void prepare_set_key(struct bench_work *w, const struct bench_op *op)
{
    bench_signer_set_key(signer, &w->cmd);
}

static void prepare_seed_exchange(struct bench_work *w, const struct bench_op *op)
{
    bench_signer_master_key(signer, 0, exchanged, offer, &w->cmd);
}

static void prepare_master_key(struct bench_work *w, const struct bench_op *op)
{
    prepare_seed_exchange(w, op);
    bench_cmd_run(w->to, &w->cmd);
    bench_signer_master_key(signer, 1, exchanged, offer, &w->cmd);
}

/* ---- single commands ---- */

static void prepare_flush_partition(struct bench_work *w, const struct bench_op *op)
{
    simple(w, OSD_OP_FLUSH_PARTITION, w->pid, 0);
}

static void prepare_flush_osd(struct bench_work *w, const struct bench_op *op)
{
    simple(w, OSD_OP_FLUSH_OSD, 0, 0);
}

static void prepare_check(struct bench_work *w, const struct bench_op *op)
{
    simple(w, OSD_OP_OBJECT_STRUCTURE_CHECK, w->pid, 0);
}

static void prepare_read_map(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_READ_MAP, w->pid, w->first_oid + BENCH_BACKGROUND);

    c.length = IN_LEN;
    use(w, &c);
    receive(w, IN_LEN);
}

static void prepare_scsi(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_PERFORM_SCSI_COMMAND, 0, 0);

    c.scsi_cdb[0] = 0x12;
    c.scsi_cdb[4] = INQUIRY_LEN;
    use(w, &c);
    receive(w, INQUIRY_LEN);
}

static void prepare_read_osd1(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_READ, w->pid, w->first_oid + BENCH_BACKGROUND);

    c.gen = OSD_GEN1;
    c.length = op->size;
    use(w, &c);
    receive(w, op->size);
}

static void prepare_write_fua(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_WRITE, w->pid, w->first_oid + BENCH_BACKGROUND);

    c.fua = true;
    c.length = op->size;
    use(w, &c);
    w->cmd.out = (struct iovec){w->buf, op->size};
}

static void prepare_task(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_PERFORM_TASK_MANAGEMENT, 0, 0);

    c.tm_function = TASK_QUERY;
    c.tm_alloc_len = TASK_LEN;
    use(w, &c);
    receive(w, TASK_LEN);
}

/* The last of all: nothing is left. */
static void prepare_format(struct bench_work *w, const struct bench_op *op)
{
    struct osd_cdb c = base(OSD_OP_FORMAT_OSD, 0, 0);

    c.length = TIB;
    use(w, &c);
}

const struct bench_op bench_rest_ops[] = {
    {"list_collection", "LIST COLLECTION", 0, 100, 0, prepare_list_collection, step,
     drop_members},
    {"get_members", "GET MEMBER ATTRIBUTES", 0, 100, 0, prepare_get_members, step,
     drop_members},
    {"set_members", "SET MEMBER ATTRIBUTES", 0, 100, 0, prepare_set_members, step,
     drop_members},
    {"remove_members", "REMOVE MEMBER OBJECTS", 0, 1, 0, prepare_remove_members, step,
     drop_collection},
    {"flush_collection", "FLUSH COLLECTION", 0, 100, 0, prepare_flush_collection, step,
     drop_members},
    {"flush_partition", "FLUSH PARTITION", 0, 100, 0, prepare_flush_partition, step, nothing},
    {"flush_osd", "FLUSH OSD", 0, 100, 0, prepare_flush_osd, step, nothing},
    {"create_tracking", "CREATE USER TRACKING COLLECTION", 0, 20, 0, prepare_tracking,
     step_fresh, drop_tracking},
    {"remove_collection", "REMOVE COLLECTION", 0, 100, 0, prepare_remove_collection, step_fresh,
     nothing},
    {"query", "QUERY of 10", 0, 100, 0, prepare_query, step, drop_query},
    {"copy", "COPY USER OBJECTS", 0, 50, 0, prepare_copy, step_fresh, drop_copies},
    {"read_map", "READ MAP", 0, 100, 0, prepare_read_map, step, nothing},
    {"perform_scsi", "PERFORM SCSI COMMAND, INQUIRY", 0, 100, 0, prepare_scsi, step, nothing},
    {"structure_check", "OBJECT STRUCTURE CHECK", 0, 1, 0, prepare_check, step, nothing},
    {"read_4k_osd1", "READ 4 KiB, first generation", 0, 100, 4096, prepare_read_osd1, step,
     nothing},
    {"write_4k_fua", "WRITE 4 KiB with FUA", 0, 100, 4096, prepare_write_fua, step, nothing},
    {"compare", "READ MAPS AND COMPARE", 0, 20, 0, prepare_compare, step, nothing},
    {"task_management", "PERFORM TASK MANAGEMENT FUNCTION", 0, 100, 0, prepare_task, step,
     nothing},
    {"create_snapshot", "CREATE SNAPSHOT of 10", 0, 1, 0, prepare_snapshot, step,
     drop_duplicates},
    {"create_clone", "CREATE CLONE of 10", 0, 1, 0, prepare_clone, step, drop_duplicates},
    {"refresh", "REFRESH SNAPSHOT OR CLONE of 10", 0, 10, 0, prepare_refresh, step,
     drop_duplicates},
    {"restore", "RESTORE PARTITION FROM SNAPSHOT of 10", 0, 10, 0, prepare_restore, step,
     drop_duplicates},
    {"detach", "DETACH CLONE of 10", 0, 1, 0, prepare_detach, step, drop_duplicates},
    {"set_key", "SET KEY, working key", 0, 1, 0, prepare_set_key, step, nothing},
    {"seed_exchange", "SET MASTER KEY, seed exchange", 0, 1, 0, prepare_seed_exchange, step,
     nothing},
    {"set_master_key", "SET MASTER KEY, change", 0, 1, 0, prepare_master_key, step, nothing},
    {"format", "FORMAT OSD", 0, 1, 0, prepare_format, step, nothing},
};
const unsigned bench_n_rest_ops = sizeof(bench_rest_ops) / sizeof(bench_rest_ops[0]);

const struct bench_op bench_whole_ops[] = {
    {"snapshot_whole", "CREATE SNAPSHOT of the partition", 0, 1, WHOLE, prepare_snapshot, step,
     drop_duplicates},
    {"clone_whole", "CREATE CLONE of the partition", 0, 1, WHOLE, prepare_clone, step,
     drop_duplicates},
    {"refresh_whole", "REFRESH of its snapshot", 0, 1, WHOLE, prepare_refresh, step,
     drop_duplicates},
    {"detach_whole", "DETACH of its clone", 0, 1, WHOLE, prepare_detach, step, drop_duplicates},
    {"restore_whole", "RESTORE of the partition", 0, 1, WHOLE, prepare_restore, step,
     drop_duplicates},
};
const unsigned bench_n_whole_ops = sizeof(bench_whole_ops) / sizeof(bench_whole_ops[0]);
