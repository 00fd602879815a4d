/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/hello.c - libosd in one page: store a line in a new object, name it, read it back
 *
 * cc hello.c $(pkg-config --cflags --libs libosd) -o hello
 * ./hello file:///tmp/store
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <osd/osd.h>

#define PARTITION 0x10000
#define OUR_PAGE  0x10000 /* pages from here to 0x1fffffff are for client programs */
#define NAME      1

static const char text[] = "hello, object\n";

/* Data and name arrive together or not at all: one command. The device chooses the id. */
static osd_status store_line(struct osd_session *s, uint64_t *ret_oid)
{
    struct osd_attr name = {OUR_PAGE, NAME, "greeting", 8};
    struct osd_call call = {.verb = OSD_V_CREATE_AND_WRITE,
                            .pid = PARTITION,
                            .out = text,
                            .out_len = sizeof(text) - 1,
                            .set = &name,
                            .n_set = 1};
    osd_status st = osd_execute(s, &call);

    if (!st)
        *ret_oid = call.ret_oid;
    return st;
}

static osd_status show(struct osd_session *s, uint64_t oid)
{
    char name[64], line[80];
    struct osd_attr_get get = {
        .page = OUR_PAGE, .number = NAME, .value = name, .cap = sizeof(name)};
    size_t len;
    osd_status st = osd_get_attrs(s, PARTITION, oid, &get, 1);

    if (!st)
        st = osd_read(s, PARTITION, oid, 0, line, sizeof(line), &len);
    if (!st)
        printf("object 0x%llx, \"%.*s\": %.*s", (unsigned long long)oid, (int)get.len, name,
               (int)len, line);
    return st;
}

int main(int argc, char **argv)
{
    /* For file:// only: a new store lets everybody do everything. */
    const struct osd_options options = {.create = true, .method = -1};
    struct osd_session *s;
    uint64_t oid;
    osd_status st;

    if (argc != 2) {
        fprintf(stderr, "usage: hello URL\n");
        return 2;
    }
    st = osd_open(argv[1], &options, &s);
    if (st) {
        fprintf(stderr, "hello: %s\n", osd_last_error());
        return 1;
    }
    st = osd_create_partition(s, PARTITION, NULL);
    if (!st || st == OSD_E_EXISTS)
        st = store_line(s, &oid);
    if (!st)
        st = show(s, oid);
    if (st)
        fprintf(stderr, "hello: %s\n", osd_last_error());
    osd_close(s);
    return st ? 1 : 0;
}
