/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/replay.c - runs a fuzz target over the files of a corpus directory, without libFuzzer
 *
 * An empty corpus is a failure: a replay that replays nothing checks nothing.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    static uint8_t whole[1 << 20];
    FILE *f = fopen(path, "rb");
    uint8_t *data;
    size_t n;

    if (!f) {
        perror(path);
        exit(1);
    }
    n = fread(whole, 1, sizeof(whole), f);
    fclose(f);
    data = malloc(n ? n : 1); /* exactly as long, so that a sanitizer sees one byte too far */
    if (!data)
        exit(1);
    memcpy(data, whole, n);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 1;
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        struct dirent *e;

        if (!d) {
            n += replay_file(argv[i]);
            continue;
        }
        while ((e = readdir(d))) {
            char path[PATH_MAX];

            if (e->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
            n += replay_file(path);
        }
        closedir(d);
    }
    printf("replayed %d inputs\n", n);
    return n > 0 ? 0 : 1;
}
