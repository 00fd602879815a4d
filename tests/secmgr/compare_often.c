/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/compare_often.c - compares two objects of one partition for each line it reads, all in
 * one session, whose credentials are kept meanwhile
 *
 * compare_often URL MANAGER PID OID SECOND-OID; says "same" or "another" for each line, ends with the
 * status of the first failure.
 */
#include <stdio.h>
#include <stdlib.h>

#include "osd/osd.h"

static bool note(void *arg, uint64_t start, uint64_t len, bool hole)
{
    (void)start;
    (void)len;
    (void)hole;
    *(bool *)arg = true;
    return false;
}

int main(int argc, char **argv)
{
    struct osd_options options = {.secmgr = argc == 6 ? argv[2] : NULL};
    struct osd_session *s;
    osd_status st;
    int c;

    if (argc != 6)
        return EXIT_FAILURE;
    st = osd_open(argv[1], &options, &s);
    if (st)
        fprintf(stderr, "%s\n", osd_last_error());
    while (!st && (c = getchar()) != EOF) {
        bool differs = false;
        if (c != '\n')
            continue;
        st =
            osd_compare(s, strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0),
                        strtoull(argv[3], NULL, 0), strtoull(argv[5], NULL, 0), note, &differs);
        if (st)
            fprintf(stderr, "%s\n", osd_last_error());
        else
            puts(differs ? "another" : "same");
        fflush(stdout);
    }
    osd_close(s);
    return (int)st;
}
