/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/libosd/test_calls.c - the calls of osd.h on a device in this process
 *
 * Usage: test_libosd_calls memory|file [1|2 [1-3 [sha256]]]: the kind of store, the generation spoken, the
 * security method of the device and of every command.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "osd/osd.h"

#define PID     0x10000u
#define OID     0x10000u
#define CLIENT  0x10000u /* an attribute page of ours */
#define INFO    0x1u     /* user object information */
#define LENGTH  0x82u
#define PIECE   (1u << 20)
#define MAX_LEN 0xfffe

static struct osd_session *s;
static bool on_file;
static int generation = 2, method; /* 0: no keys */
static bool sha256;
static char key_file[64];
static char directory[80];
static char url[100] = "memory:";

static int make_key_file(void)
{
    int fd;

    snprintf(key_file, sizeof(key_file), "/tmp/libosd-calls-key-%d", (int)getpid());
    fd = open(key_file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return -1;
    for (int i = 0; i < 8; i++)
        if (write(fd, "0123456789", 10) != 10)
            return -1;
    return close(fd);
}

static int setup(void **state)
{
    struct osd_options opt = {.generation = generation, .create = true, .method = -1};

    if (method)
        opt = (struct osd_options){
            .generation = generation, .create = true, .method = method, .key_file = key_file};
    opt.integrity = sha256 ? OSD_INTEGRITY_SHA256 : OSD_INTEGRITY_SHA1;
    if (osd_open(url, &opt, &s)) {
        print_error("%s\n", osd_last_error());
        return -1;
    }
    if (method && osd_install_keys(s, 0)) {
        print_error("%s\n", osd_last_error());
        return -1;
    }
    return osd_create_partition(s, PID, NULL) || osd_create(s, PID, OID, NULL) ? -1 : 0;
}

static int teardown(void **state)
{
    struct osd_call format = {.verb = OSD_V_FORMAT};
    osd_status st = osd_execute(s, &format);

    osd_close(s);
    return st;
}

static uint64_t number_attr(uint64_t oid, uint32_t page, uint32_t number)
{
    uint8_t value[8];
    struct osd_attr_get g = {.page = page, .number = number, .value = value, .cap = 8};

    assert_int_equal(osd_get_attrs(s, PID, oid, &g, 1), OSD_OK);
    assert_true(g.defined && g.len == 8);
    return be64_get(value);
}

/* A partition that is not there has no key to sign with. */
static osd_status no_partition(void)
{
    return method ? OSD_E_DENIED : OSD_E_NOT_FOUND;
}

/* ---- objects ---- */

static void test_libosd_calls__taken_and_missing_ids_have_their_status(void **state)
{
    assert_int_equal(osd_create_partition(s, PID, NULL), OSD_E_EXISTS);
    assert_int_equal(osd_create_partition(s, 5, NULL), OSD_E_INVALID);
    assert_int_equal(osd_create(s, PID, OID, NULL), OSD_E_EXISTS);
    assert_int_equal(osd_create(s, PID, 5, NULL), OSD_E_INVALID);
    assert_int_equal(osd_create(s, PID + 1, OID, NULL), no_partition());
    assert_int_equal(osd_remove(s, PID, OID + 1), OSD_E_NOT_FOUND);
    assert_non_null(strstr(osd_last_error(), "0x10000/0x10001"));
    assert_int_equal(osd_remove_partition(s, PID, false), OSD_E_NOT_EMPTY);
    assert_int_equal(osd_remove_partition(s, PID + 1, false), OSD_E_NOT_FOUND);
}

static void test_libosd_calls__device_chooses_ids(void **state)
{
    uint64_t pid = 0, a = 0, b = 0;

    assert_int_equal(osd_create_partition(s, 0, &pid), OSD_OK);
    assert_true(pid > PID);
    assert_int_equal(osd_create(s, pid, 0, &a), OSD_OK);
    assert_int_equal(osd_create(s, pid, 0, &b), OSD_OK);
    assert_true(a >= 0x10000 && b >= 0x10000 && a != b);
    assert_int_equal(osd_remove(s, pid, a), OSD_OK);
    assert_int_equal(osd_remove(s, pid, b), OSD_OK);
    assert_int_equal(osd_remove_partition(s, pid, false), OSD_OK);
}

static void test_libosd_calls__partition_goes_with_its_contents(void **state)
{
    if (generation == 1)
        skip(); /* REMOVE PARTITION with contents came with OSD-2 */
    assert_int_equal(osd_remove_partition(s, PID, true), OSD_OK);
    assert_int_equal(osd_remove_partition(s, PID, false), OSD_E_NOT_FOUND);
}

/* ---- data ---- */

static uint8_t *pattern(size_t len)
{
    uint8_t *p = malloc(len + 1);

    assert_non_null(p);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(i * 31 + (i >> 8) + (i >> 16));
    return p;
}

/* Would catch: a lost byte where one command ends and the next begins. */
static void test_libosd_calls__transfers_of_all_sizes_are_split_right(void **state)
{
    static const size_t sizes[] = {1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7};
    uint8_t *data = pattern(4 * PIECE), *back = malloc(4 * PIECE);

    assert_non_null(back);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = 0;
        assert_int_equal(osd_truncate(s, PID, OID, 0), OSD_OK);
        assert_int_equal(osd_write(s, PID, OID, 0, data, sizes[i]), OSD_OK);
        assert_int_equal(osd_read(s, PID, OID, 0, back, 4 * PIECE, &n), OSD_OK);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(data, back, n);
        assert_int_equal(osd_read(s, PID, OID, 0, back, sizes[i], &n), OSD_OK);
        assert_int_equal(n, sizes[i]);
    }
    free(data);
    free(back);
}

static void test_libosd_calls__reading_ends_at_the_end(void **state)
{
    char buf[16];
    size_t n = 99;

    assert_int_equal(osd_write(s, PID, OID, 0, "0123456789", 10), OSD_OK);
    assert_int_equal(osd_read(s, PID, OID, 6, buf, sizeof(buf), &n), OSD_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(buf, "6789", 4);
    assert_int_equal(osd_read(s, PID, OID, 10, buf, sizeof(buf), &n), OSD_OK);
    assert_int_equal(n, 0);
    assert_int_equal(osd_read(s, PID, OID, 1000000, buf, sizeof(buf), &n), OSD_OK);
    assert_int_equal(n, 0);
    assert_int_equal(osd_read(s, PID, OID, 0, buf, 0, &n), OSD_OK);
    assert_int_equal(n, 0);
    n = 99;
    assert_int_equal(osd_read(s, PID, OID + 1, 0, buf, sizeof(buf), &n), OSD_E_NOT_FOUND);
    assert_int_equal(osd_read(s, PID, OID, UINT64_MAX, buf, 2, &n), OSD_E_INVALID);
    assert_int_equal(n, 99);
}

static void test_libosd_calls__past_end_tells_how_much_was_read(void **state)
{
    char buf[16];
    struct osd_call c = {
        .verb = OSD_V_READ, .pid = PID, .oid = OID, .start = 2, .in = buf, .in_len = 16};

    assert_int_equal(osd_write(s, PID, OID, 0, "abcde", 5), OSD_OK);
    assert_int_equal(osd_execute(s, &c), OSD_E_PAST_END);
    assert_int_equal(c.ret_len, 3);
    assert_memory_equal(buf, "cde", 3);
    assert_int_equal(c.scsi_status, 2);
    assert_true(c.sense_len > 8);
}

static void test_libosd_calls__append_tells_where(void **state)
{
    uint64_t start = 99;

    assert_int_equal(osd_append(s, PID, OID, "abc", 3, &start), OSD_OK);
    assert_int_equal(start, 0);
    assert_int_equal(osd_append(s, PID, OID, "de", 2, NULL), OSD_OK);
    assert_int_equal(osd_append(s, PID, OID, "f", 1, &start), OSD_OK);
    assert_int_equal(start, 5);
    assert_int_equal(osd_append(s, PID, OID + 1, "f", 1, &start), OSD_E_NOT_FOUND);
    assert_int_equal(start, 5);
}

static void test_libosd_calls__truncate_shrinks_and_grows_with_zeros(void **state)
{
    char buf[8];
    size_t n;

    assert_int_equal(osd_write(s, PID, OID, 0, "abcdef", 6), OSD_OK);
    assert_int_equal(osd_truncate(s, PID, OID, 3), OSD_OK);
    assert_int_equal(osd_truncate(s, PID, OID, 5), OSD_OK);
    assert_int_equal(osd_read(s, PID, OID, 0, buf, sizeof(buf), &n), OSD_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(buf, "abc\0\0", 5);
}

static void test_libosd_calls__clear_and_punch_work_on_ranges(void **state)
{
    struct osd_call clear = {
        .verb = OSD_V_CLEAR, .pid = PID, .oid = OID, .start = 1, .length = 2};
    struct osd_call punch = {
        .verb = OSD_V_PUNCH, .pid = PID, .oid = OID, .start = 0, .length = 2};
    char buf[8];
    size_t n;

    if (generation == 1)
        skip(); /* both came with OSD-2 */
    assert_int_equal(osd_write(s, PID, OID, 0, "abcdef", 6), OSD_OK);
    assert_int_equal(osd_execute(s, &clear), OSD_OK);
    assert_int_equal(osd_execute(s, &punch), OSD_OK);
    assert_int_equal(osd_read(s, PID, OID, 0, buf, sizeof(buf), &n), OSD_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(buf, "\0def", 4);
}

static void test_libosd_calls__flushes_of_all_scopes_succeed(void **state)
{
    struct osd_call object = {.verb = OSD_V_FLUSH, .pid = PID, .oid = OID};
    struct osd_call partition = {.verb = OSD_V_FLUSH_PARTITION, .pid = PID};
    struct osd_call write = {
        .verb = OSD_V_WRITE, .pid = PID, .oid = OID, .out = "x", .out_len = 1, .fua = true};

    assert_int_equal(osd_execute(s, &write), OSD_OK);
    assert_int_equal(osd_execute(s, &object), OSD_OK);
    assert_int_equal(osd_execute(s, &partition), OSD_OK);
    assert_int_equal(osd_flush(s), OSD_OK);
}

/* ---- attributes ---- */

static void test_libosd_calls__attributes_are_set_got_and_removed(void **state)
{
    struct osd_attr set[3] = {
        {CLIENT, 1, "one", 3}, {CLIENT, 2, "two", 3}, {CLIENT + 1, 1, "x", 1}};
    char one[8] = "", two[2] = "", none[8] = "";
    struct osd_attr_get get[3] = {{.page = CLIENT, .number = 1, .value = one, .cap = 8},
                                  {.page = CLIENT, .number = 2, .value = two, .cap = 2},
                                  {.page = CLIENT, .number = 3, .value = none, .cap = 8}};

    assert_int_equal(osd_set_attrs(s, PID, OID, set, 3), OSD_OK);
    assert_int_equal(osd_get_attrs(s, PID, OID, get, 3), OSD_OK);
    assert_true(get[0].defined && get[0].len == 3);
    assert_string_equal(one, "one");
    assert_true(get[1].defined && get[1].len == 3); /* the true length; cut at cap */
    assert_memory_equal(two, "tw", 2);
    assert_false(get[2].defined);
    set[0].len = 0;
    assert_int_equal(osd_set_attrs(s, PID, OID, set, 1), OSD_OK);
    assert_int_equal(osd_get_attrs(s, PID, OID, get, 3), OSD_OK);
    assert_false(get[0].defined);
    assert_true(get[1].defined);
}

/* Would catch: a half-done command when one of its attributes is refused. */
/* In page format page 0 means "nothing to set". Would catch: OSD_OK for what was never done. */
static void test_libosd_calls__setting_in_the_directory_page_is_refused(void **state)
{
    const struct osd_attr set = {.page = 0, .number = 1, .value = "x", .len = 1};
    const struct osd_attr removal = {.page = 0, .number = 1};

    assert_int_equal(osd_set_attrs(s, PID, OID, &set, 1), OSD_E_INVALID);
    assert_int_equal(osd_set_attrs(s, PID, OID, &removal, 1), OSD_E_INVALID);
}

static void test_libosd_calls__refused_attribute_undoes_the_command(void **state)
{
    struct osd_attr set[2] = {{CLIENT, 1, "one", 3}, {INFO, 0x81, "12345678", 8}};
    struct osd_call c = {.verb = OSD_V_WRITE,
                         .pid = PID,
                         .oid = OID,
                         .out = "data",
                         .out_len = 4,
                         .set = set,
                         .n_set = 2};

    assert_int_not_equal(osd_execute(s, &c), OSD_OK);
    assert_int_equal(number_attr(OID, INFO, LENGTH), 0);
    assert_int_equal(osd_get_attrs(s, PID, OID, NULL, 0), OSD_OK);
}

static void test_libosd_calls__one_command_creates_writes_sets_and_gets(void **state)
{
    struct osd_attr set[2] = {{CLIENT, 1, "name", 4}, {CLIENT, 2, "kind", 4}};
    char name[8] = "";
    uint8_t length[8];
    struct osd_attr_get get[2] = {{.page = CLIENT, .number = 1, .value = name, .cap = 8},
                                  {.page = INFO, .number = LENGTH, .value = length, .cap = 8}};
    struct osd_call c = {.verb = OSD_V_CREATE_AND_WRITE,
                         .pid = PID,
                         .out = "content",
                         .out_len = 7,
                         .set = set,
                         .n_set = 2,
                         .get = get,
                         .n_get = 2};

    assert_int_equal(osd_execute(s, &c), OSD_OK);
    assert_true(c.ret_oid > OID);
    assert_int_equal(c.ret_pid, PID);
    assert_string_equal(name, "name");
    assert_int_equal(be64_get(length), 7);
    assert_int_equal(number_attr(c.ret_oid, INFO, LENGTH), 7);
}

static void test_libosd_calls__append_tells_where_beside_attributes(void **state)
{
    struct osd_attr set[2] = {{CLIENT, 1, "a", 1}, {CLIENT, 2, "b", 1}};
    struct osd_call c = {.verb = OSD_V_APPEND,
                         .pid = PID,
                         .oid = OID,
                         .out = "xy",
                         .out_len = 2,
                         .set = set,
                         .n_set = 2};

    assert_int_equal(osd_append(s, PID, OID, "abc", 3, NULL), OSD_OK);
    assert_int_equal(osd_execute(s, &c), OSD_OK);
    assert_int_equal(c.ret_start, 3);
}

struct seen {
    int n, stop_after;
    size_t bytes;
    uint32_t last;
};

static bool see_attr(void *arg, uint32_t page, uint32_t number, const void *value, uint16_t len)
{
    struct seen *seen = arg;

    assert_int_equal(page, CLIENT);
    assert_true(number > seen->last);
    assert_int_equal(((const uint8_t *)value)[len - 1], number & 0xff);
    seen->last = number;
    seen->bytes += len;
    return ++seen->n != seen->stop_after;
}

static void set_long(uint32_t number, uint16_t len)
{
    uint8_t *value = malloc(MAX_LEN);
    struct osd_attr set = {CLIENT, number, value, len};

    assert_non_null(value);
    memset(value, (int)number, MAX_LEN);
    assert_int_equal(osd_set_attrs(s, PID, OID, &set, 1), OSD_OK);
    free(value);
}

/* Would catch: a list cut at the size of a buffer and taken for whole. */
static void test_libosd_calls__all_attributes_are_visited_however_long(void **state)
{
    struct seen seen = {0}, two = {.stop_after = 2};

    for (uint32_t i = 1; i <= 40; i++)
        set_long(i, generation == 1 ? 1000 : MAX_LEN);
    assert_int_equal(osd_each_attr(s, PID, OID, CLIENT, see_attr, &seen), OSD_OK);
    assert_int_equal(seen.n, 40);
    assert_int_equal(seen.bytes, 40 * (generation == 1 ? 1000 : MAX_LEN));
    assert_int_equal(osd_each_attr(s, PID, OID, CLIENT, see_attr, &two), OSD_OK);
    assert_int_equal(two.n, 2);
    for (uint32_t i = 41; i <= 70; i++)
        set_long(i, MAX_LEN);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(osd_each_attr(s, PID, OID, CLIENT, see_attr, &seen), OSD_E_NOMEM);
    assert_int_equal(seen.n, 0);
    assert_int_equal(osd_each_attr(s, PID, OID + 1, CLIENT, see_attr, &seen), OSD_E_NOT_FOUND);
}

/* Would catch: a value that is not there returned as if it were. OSD-1 cannot carry it: the
 * length of its lists has 16 bits. */
static void test_libosd_calls__longest_value_comes_back_or_is_an_error(void **state)
{
    uint8_t *value = calloc(1, MAX_LEN);
    struct osd_attr_get get = {.page = CLIENT, .number = 7, .value = value, .cap = MAX_LEN};

    assert_non_null(value);
    set_long(7, MAX_LEN);
    if (generation == 1) {
        assert_int_equal(osd_get_attrs(s, PID, OID, &get, 1), OSD_E_NOMEM);
    } else {
        assert_int_equal(osd_get_attrs(s, PID, OID, &get, 1), OSD_OK);
        assert_int_equal(get.len, MAX_LEN);
        for (size_t i = 0; i < MAX_LEN; i++)
            assert_int_equal(value[i], 7);
    }
    free(value);
}

/* Would catch: an attribute reported as undefined because the one before it took the room. */
static void test_libosd_calls__long_value_takes_no_other_ones_room(void **state)
{
    char first[2], second[8] = "";
    struct osd_attr set = {CLIENT, 2, "second", 6};
    struct osd_attr_get get[2] = {{.page = CLIENT, .number = 1, .value = first, .cap = 2},
                                  {.page = CLIENT, .number = 2, .value = second, .cap = 8}};
    struct osd_call c = {.verb = OSD_V_FLUSH, .pid = PID, .oid = OID, .get = get, .n_get = 2};

    set_long(1, 60000);
    assert_int_equal(osd_set_attrs(s, PID, OID, &set, 1), OSD_OK);
    assert_int_equal(osd_get_attrs(s, PID, OID, get, 2), OSD_OK);
    assert_true(get[0].defined && get[0].len == 60000 && first[1] == 1);
    assert_true(get[1].defined && get[1].len == 6);
    assert_string_equal(second, "second");
    assert_int_equal(osd_execute(s, &c), OSD_E_NOMEM);
    assert_non_null(strstr(osd_last_error(), "was carried out"));
}

/* ---- lists ---- */

struct ids {
    uint64_t last, n, stop_after;
};

static bool see_id(void *arg, uint64_t id)
{
    struct ids *ids = arg;

    assert_true(id > ids->last);
    ids->last = id;
    return ++ids->n != ids->stop_after;
}

/* Would catch: an object lost or shown twice where one LIST ends and the next begins. */
static void test_libosd_calls__lists_of_several_parts_are_whole(void **state)
{
    struct ids all = {0}, some = {0}, first = {.stop_after = 1500}, none = {0};

    for (uint64_t i = 1; i < 2500; i++)
        assert_int_equal(osd_create(s, PID, OID + 3 * i, NULL), OSD_OK);
    assert_int_equal(osd_each_id(s, PID, 0, see_id, &all), OSD_OK);
    assert_int_equal(all.n, 2500);
    assert_int_equal(all.last, OID + 3 * 2499);
    assert_int_equal(osd_each_id(s, PID, OID + 3000, see_id, &some), OSD_OK);
    assert_int_equal(some.n, 1500);
    assert_int_equal(osd_each_id(s, PID, 0, see_id, &first), OSD_OK);
    assert_int_equal(first.n, 1500);
    assert_int_equal(osd_each_id(s, PID, OID + 100000, see_id, &none), OSD_OK);
    assert_int_equal(none.n, 0);
    assert_int_equal(osd_each_id(s, PID + 1, 0, see_id, &none), no_partition());
}

static void test_libosd_calls__partitions_are_listed(void **state)
{
    struct ids ids = {0};

    assert_int_equal(osd_create_partition(s, PID + 7, NULL), OSD_OK);
    assert_int_equal(osd_each_id(s, 0, 0, see_id, &ids), OSD_OK);
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.last, PID + 7);
}

/* ---- the device ---- */

/* ---- collections ---- */

#define CID     0x20000u
#define MEMBERS 9000u /* more than the first answer of a query holds */

/* Objects one after the other in a collection, every 300th one red. Returns the first one. */
static uint64_t make_members(void)
{
    uint8_t cid[8];
    struct osd_attr in_it = {4, 1, cid, sizeof(cid)}, red = {CLIENT, 3, "red", 3};
    struct osd_call collection = {.verb = OSD_V_CREATE_COLLECTION, .pid = PID, .oid = CID},
                    objects = {.verb = OSD_V_CREATE,
                               .pid = PID,
                               .length = MEMBERS,
                               .set = &in_it,
                               .n_set = 1};

    be64_put(cid, CID);
    assert_int_equal(osd_execute(s, &collection), OSD_OK);
    assert_int_equal(osd_execute(s, &objects), OSD_OK);
    for (uint64_t i = 0; i < MEMBERS; i += 300)
        assert_int_equal(osd_set_attrs(s, PID, objects.ret_oid - i, &red, 1), OSD_OK);
    return objects.ret_oid - MEMBERS + 1;
}

static void test_libosd_calls__collections_are_made_listed_and_removed(void **state)
{
    struct osd_call remove = {.verb = OSD_V_REMOVE_COLLECTION, .pid = PID, .oid = CID};
    struct ids found = {0}, some = {.stop_after = 10};

    uint64_t first = make_members();
    assert_int_equal(osd_each_member(s, PID, CID, 0, see_id, &found), OSD_OK);
    assert_int_equal(found.n, MEMBERS);
    assert_int_equal(osd_each_member(s, PID, CID, first + 50, see_id, &some), OSD_OK);
    assert_int_equal(some.last, first + 59);
    assert_int_equal(osd_execute(s, &remove), OSD_E_NOT_EMPTY);
    remove.option = 1;
    assert_int_equal(osd_execute(s, &remove), OSD_OK);
    assert_int_equal(osd_each_member(s, PID, CID, 0, see_id, &found), OSD_E_NOT_FOUND);
    assert_int_equal(number_attr(first, INFO, LENGTH), 0);
}

static bool see_own(void *arg, uint32_t page, uint32_t number, const void *value, uint16_t len)
{
    if (page == 0x60010000 && number == 7)
        *(uint16_t *)arg += len;
    (void)value;
    return true;
}

/* The id does not tell what kind of object it is, the page does. */
static void test_libosd_calls__attributes_of_collections_are_set_and_got(void **state)
{
    struct osd_call collection = {.verb = OSD_V_CREATE_COLLECTION, .pid = PID, .oid = CID};
    const uint32_t own = 0x60010000;
    struct osd_attr red = {own, 7, "red", 3};
    char value[8];
    struct osd_attr_get get = {.page = own, .number = 7, .value = value, .cap = sizeof(value)};
    uint16_t seen = 0;

    assert_int_equal(osd_execute(s, &collection), OSD_OK);
    assert_int_equal(osd_set_attrs(s, PID, CID, &red, 1), OSD_OK);
    assert_int_equal(osd_get_attrs(s, PID, CID, &get, 1), OSD_OK);
    assert_true(get.defined);
    assert_int_equal(get.len, 3);
    assert_memory_equal(value, "red", 3);
    assert_int_equal(osd_each_attr(s, PID, CID, own, see_own, &seen), OSD_OK);
    assert_int_equal(seen, 3);
}

static void test_libosd_calls__queries_find_members(void **state)
{
    struct osd_criterion red = {CLIENT, 3, "red", "red", 3, 3};
    struct osd_call tracking = {
        .verb = OSD_V_CREATE_TRACKING, .pid = PID, .oid = CID + 1, .start = CID};
    struct osd_call matches = {.verb = OSD_V_CREATE_TRACKING, .pid = PID};
    struct ids found = {0}, everything = {0}, some = {.stop_after = 5}, entered = {0};

    make_members();
    if (generation == 1) {
        assert_int_not_equal(osd_query(s, PID, CID, true, &red, 1, see_id, &found), OSD_OK);
        return;
    }
    assert_int_equal(osd_execute(s, &tracking), OSD_OK);
    assert_int_equal(osd_query(s, PID, CID + 1, true, &red, 1, see_id, &found), OSD_OK);
    assert_int_equal(found.n, MEMBERS / 300);
    assert_int_equal(osd_query(s, PID, CID + 1, false, NULL, 0, see_id, &everything), OSD_OK);
    assert_int_equal(everything.n, MEMBERS);
    assert_int_equal(osd_query(s, PID, CID + 1, false, NULL, 0, see_id, &some), OSD_OK);
    assert_int_equal(some.n, 5);
    assert_int_equal(osd_execute(s, &matches), OSD_OK);
    assert_int_equal(osd_query_into(s, PID, CID + 1, false, &red, 1, matches.ret_oid), OSD_OK);
    assert_int_equal(osd_each_member(s, PID, matches.ret_oid, 0, see_id, &entered), OSD_OK);
    assert_int_equal(entered.n, MEMBERS / 300);
    assert_int_equal(entered.last, found.last);
    assert_int_not_equal(osd_query(s, PID, CID, true, &red, 1, see_id, &found), OSD_OK);
}

static void test_libosd_calls__a_query_names_the_collection_it_cannot_use(void **state)
{
    struct osd_call linked = {.verb = OSD_V_CREATE_COLLECTION, .pid = PID, .oid = CID},
                    tracking = {.verb = OSD_V_CREATE_TRACKING, .pid = PID, .oid = CID + 1};

    if (generation == 1)
        skip(); /* it has no QUERY */
    assert_int_equal(osd_execute(s, &linked), OSD_OK);
    assert_int_equal(osd_execute(s, &tracking), OSD_OK);
    assert_int_equal(osd_query_into(s, PID, CID + 1, true, NULL, 0, CID), OSD_E_NOT_FOUND);
    assert_non_null(strstr(osd_last_error(), "0x10000/0x20000 is no tracking collection"));
    assert_int_equal(osd_query_into(s, PID, CID, true, NULL, 0, CID + 1), OSD_E_NOT_FOUND);
    assert_non_null(strstr(osd_last_error(), "0x10000/0x20000 is no tracking collection"));
    assert_int_equal(osd_query_into(s, PID, CID + 1, true, NULL, 0, CID + 1), OSD_E_INVALID);
    assert_non_null(strstr(osd_last_error(), "0x20001"));
}

/* ---- CREATE of several objects ---- */

/* What comes back of each: its id, and whether the values agree with it. */
struct several {
    uint64_t last;
    unsigned n, wrong;
};

static void see_several(void *arg, uint64_t oid, const struct osd_attr_get *a)
{
    struct several *v = arg;

    if (a->page == INFO) { /* its own id, the first one asked for */
        v->wrong += a->len != 8 || be64_get(a->value) != oid || oid <= v->last;
        v->last = oid;
        v->n++;
    } else {
        v->wrong += a->page != CLIENT || a->len != 5 || memcmp(a->value, "every", 5) != 0 ||
                    oid != v->last;
    }
}

#define SEVERAL 100u

static void test_libosd_calls__several_objects_bring_their_attributes(void **state)
{
    uint8_t id[8], word[8], none[8];
    struct osd_attr set[] = {{CLIENT, 1, "every", 5}, {CLIENT, 2, "one", 3}};
    struct osd_attr_get get[] = {{INFO, 2, id, sizeof(id)},
                                 {CLIENT, 1, word, sizeof(word)},
                                 {CLIENT, 9, none, sizeof(none)}};
    struct several seen = {0};
    struct osd_call c = {.verb = OSD_V_CREATE,
                         .pid = PID,
                         .length = SEVERAL,
                         .set = set,
                         .n_set = 2,
                         .get = get,
                         .n_get = 3,
                         .each = see_several,
                         .each_arg = &seen};

    assert_int_equal(osd_execute(s, &c), OSD_OK);
    assert_int_equal(seen.n, SEVERAL);
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(seen.last, c.ret_oid);
    assert_true(get[0].defined && get[1].defined && !get[2].defined);
    assert_int_equal(be64_get(id), c.ret_oid);

    c.each = NULL;
    assert_int_equal(osd_execute(s, &c), OSD_OK);
    assert_int_equal(be64_get(id), c.ret_oid);
    assert_int_equal(c.ret_oid, seen.last + SEVERAL);
}

/* Ids alone come back of any number; values beyond any answer are refused before they are made. */
static void test_libosd_calls__of_many_objects_the_highest_id_comes_back(void **state)
{
    static uint8_t value[MAX_LEN];
    struct osd_attr set[] = {{CLIENT, 1, "every", 5}, {CLIENT, 2, "one", 3}};
    struct osd_attr_get get = {CLIENT, 1, value, sizeof(value)};
    struct osd_call c = {
        .verb = OSD_V_CREATE, .pid = PID, .length = 20000, .set = set, .n_set = 2};
    struct ids found = {0};

    assert_int_equal(osd_execute(s, &c), OSD_OK);
    c.get = &get;
    c.n_get = 1;
    assert_int_equal(osd_execute(s, &c), OSD_E_INVALID);
    assert_non_null(strstr(osd_last_error(), "20000 objects"));
    assert_int_equal(osd_each_id(s, PID, OID + 1, see_id, &found), OSD_OK);
    assert_int_equal(found.n, 20000);
    assert_int_equal(found.last, c.ret_oid);
}

static void test_libosd_calls__bad_calls_are_refused(void **state)
{
    struct osd_call c = {.verb = OSD_V_MAX};

    assert_int_equal(osd_execute(s, &c), OSD_E_INVALID);
    c.verb = (enum osd_verb) - 1;
    assert_int_equal(osd_execute(s, &c), OSD_E_INVALID);
}

static void test_libosd_calls__check_counts_what_is_there(void **state)
{
    struct osd_check_result r = {0};

    assert_int_equal(osd_write(s, PID, OID, 0, "0123456789", 10), OSD_OK);
    set_long(1, 10);
    assert_int_equal(osd_check(s, false, NULL, NULL, &r), OSD_OK);
    assert_int_equal(r.partitions, 1);
    assert_int_equal(r.objects, 1);
    assert_true(r.bytes >= 10);
    assert_int_equal(r.findings, 0);
}

static void test_libosd_calls__bad_urls_name_themselves(void **state)
{
    static const char *const bad[] = {"",         "file://relative", "http://host/",
                                      "iscsi://", "iscsi://host",    "iscsi://host/iqn.x"};
    struct osd_session *other = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(osd_open(bad[i], NULL, &other), OSD_E_INVALID);
        assert_true(strlen(osd_last_error()) > 10);
    }
    assert_int_equal(osd_open("file:///nonexistent/store", NULL, &other), OSD_E_NOT_FOUND);
    assert_non_null(strstr(osd_last_error(), "/nonexistent/store"));
    assert_null(other);
    osd_close(NULL);
}

static void test_libosd_calls__store_in_use_is_busy(void **state)
{
    struct osd_session *other = NULL;

    if (!on_file)
        skip(); /* memory: is a device of its own for each session */
    assert_int_equal(osd_open(url, NULL, &other), OSD_E_BUSY);
    assert_non_null(strstr(osd_last_error(), directory));
}

/* More partitions and objects than a session keeps keys of, in turns. Would catch: a key that is
 * taken for another's. */
static void test_libosd_calls__keys_of_many_are_told_apart(void **state)
{
    enum { PARTITIONS = 20, OBJECTS = 3, FIRST = PID + 1 };
    char byte, got;
    size_t len;

    for (uint64_t p = FIRST; p < FIRST + PARTITIONS; p++) {
        assert_int_equal(osd_create_partition(s, p, NULL), OSD_OK);
        for (uint64_t o = OID; o < OID + OBJECTS; o++)
            assert_int_equal(osd_create(s, p, o, NULL), OSD_OK);
    }
    for (int round = 0; round < 3; round++)
        for (uint64_t o = OID; o < OID + OBJECTS; o++)
            for (uint64_t p = FIRST; p < FIRST + PARTITIONS; p++) {
                byte = (char)(round + p + o);
                assert_int_equal(osd_write(s, p, o, 0, &byte, 1), OSD_OK);
                assert_int_equal(osd_read(s, p, o, 0, &got, 1, &len), OSD_OK);
                assert_true(len == 1 && got == byte);
            }
    for (uint64_t p = FIRST; p < FIRST + PARTITIONS; p++) {
        for (uint64_t o = OID; o < OID + OBJECTS; o++)
            assert_int_equal(osd_remove(s, p, o), OSD_OK);
        assert_int_equal(osd_remove_partition(s, p, false), OSD_OK);
    }
}

static void test_libosd_calls__sense_is_explained(void **state)
{
    static const uint8_t sense[] = {0x72, 5, 0x24, 0, 0, 0, 0, 0};
    char text[200] = "", small[5];

    osd_explain_sense(sense, sizeof(sense), text, sizeof(text));
    assert_non_null(strstr(text, "ILLEGAL REQUEST"));
    osd_explain_sense(sense, sizeof(sense), small, sizeof(small));
    assert_true(strlen(small) < sizeof(small));
    osd_explain_sense((const uint8_t *)"junk", 4, text, sizeof(text));
    assert_string_equal(text, "not sense data");
}

/* ---- comparing ---- */

struct ranges {
    unsigned n;
    uint64_t start, length;
    bool hole;
};

static bool take_range(void *arg, uint64_t start, uint64_t length, bool hole)
{
    struct ranges *r = arg;

    *r = (struct ranges){r->n + 1, start, length, hole};
    return true;
}

static bool stop_at_one(void *arg, uint64_t start, uint64_t length, bool hole)
{
    take_range(arg, start, length, hole);
    return false;
}

/* Under every method: the second object has a key of its own. */
static void test_libosd_calls__compare_tells_what_changed_since_a_snapshot(void **state)
{
    struct osd_call snapshot = {.verb = OSD_V_CREATE_SNAPSHOT, .pid = PID + 1, .start = PID};
    static uint8_t data[100000];
    struct ranges r = {0};

    (void)state;
    if (generation == 1) {
        assert_int_equal(osd_compare(s, PID, OID, PID, OID, take_range, &r), OSD_E_UNSUPPORTED);
        return;
    }
    memset(data, 7, sizeof(data));
    assert_int_equal(osd_write(s, PID, OID, 0, data, sizeof(data)), OSD_OK);
    assert_int_equal(osd_execute(s, &snapshot), OSD_OK);
    assert_int_equal(osd_compare(s, PID, OID, PID + 1, OID, take_range, &r), OSD_OK);
    assert_int_equal(r.n, 0);
    assert_int_equal(osd_write(s, PID, OID, 50000, "new", 3), OSD_OK);
    assert_int_equal(osd_compare(s, PID, OID, PID + 1, OID, take_range, &r), OSD_OK);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.start, 49152);
    assert_int_equal(r.length, 4096);
    assert_false(r.hole);
    for (uint64_t at = 0; at < sizeof(data); at += 8192)
        assert_int_equal(osd_write(s, PID, OID, at, "new", 3), OSD_OK);
    r.n = 0;
    assert_int_equal(osd_compare(s, PID, OID, PID + 1, OID, stop_at_one, &r), OSD_OK);
    assert_int_equal(r.n, 1);
    r.n = 0;
    assert_int_equal(osd_compare(s, PID, OID, PID + 1, OID, take_range, &r), OSD_OK);
    assert_int_equal(r.n, 13);
    assert_int_equal(osd_compare(s, PID, OID, PID + 1, OID + 1, take_range, &r),
                     OSD_E_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_libosd_calls__##name, setup, teardown)

static int run(void)
{
    const struct CMUnitTest tests[] = {
        TEST(taken_and_missing_ids_have_their_status),
        TEST(device_chooses_ids),
        TEST(partition_goes_with_its_contents),
        TEST(transfers_of_all_sizes_are_split_right),
        TEST(collections_are_made_listed_and_removed),
        TEST(attributes_of_collections_are_set_and_got),
        TEST(queries_find_members),
        TEST(a_query_names_the_collection_it_cannot_use),
        TEST(several_objects_bring_their_attributes),
        TEST(of_many_objects_the_highest_id_comes_back),
        TEST(reading_ends_at_the_end),
        TEST(past_end_tells_how_much_was_read),
        TEST(append_tells_where),
        TEST(truncate_shrinks_and_grows_with_zeros),
        TEST(clear_and_punch_work_on_ranges),
        TEST(flushes_of_all_scopes_succeed),
        TEST(attributes_are_set_got_and_removed),
        TEST(setting_in_the_directory_page_is_refused),
        TEST(refused_attribute_undoes_the_command),
        TEST(one_command_creates_writes_sets_and_gets),
        TEST(append_tells_where_beside_attributes),
        TEST(all_attributes_are_visited_however_long),
        TEST(longest_value_comes_back_or_is_an_error),
        TEST(long_value_takes_no_other_ones_room),
        TEST(lists_of_several_parts_are_whole),
        TEST(partitions_are_listed),
        TEST(bad_calls_are_refused),
        TEST(check_counts_what_is_there),
        TEST(bad_urls_name_themselves),
        TEST(store_in_use_is_busy),
        TEST(keys_of_many_are_told_apart),
        TEST(sense_is_explained),
        TEST(compare_tells_what_changed_since_a_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    char command[100];
    int rc;

    on_file = argc > 1 && strcmp(argv[1], "file") == 0;
    generation = argc > 2 && argv[2][0] == '1' ? 1 : 2;
    snprintf(directory, sizeof(directory), "%s/libosd-test.XXXXXX",
             tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    if (on_file && !mkdtemp(directory))
        return 1;
    if (on_file)
        snprintf(url, sizeof(url), "file://%s", directory);
    method = argc > 3 ? argv[3][0] - '0' : 0;
    sha256 = argc > 4;
    if (method && make_key_file())
        return 1;
    rc = run();
    unlink(key_file);
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return on_file && system(command) != 0 ? 1 : rc;
}
