/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/secured.c - what the security methods cost: the commands of the paper's Table 3 under
 * each of them, in rounds that interleave the methods
 *
 * Time inside the unit only; signing is the client's work. NOSEC with a nonce is shown because
 * CMDRSP and ALLDATA need one, and a nonce alone makes the unit record the outcome.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figures.h"
#include "ops.h"
#include "options.h"
#include "security/icv.h"
#include "signer.h"

static const char *const more_ops[] = {"write_64k", "read_64k"};
#define N_OPS (BENCH_TABLE3 + sizeof(more_ops) / sizeof(more_ops[0]))

static const char *name_of(size_t i)
{
    return i < BENCH_TABLE3 ? bench_table3[i] : more_ops[i - BENCH_TABLE3];
}

/* One pass of libcrypto's own HMAC over as many bytes as a command of 64 KiB moves: what ALLDATA
 * cannot do without. */
#define PASS     (64u << 10)
#define LIMIT    1.3
#define ALL_OF_4 3.0 /* us that CAPKEY and CMDRSP may add to a command of 4 KiB */

static double hmac_pass(unsigned n)
{
    static uint8_t data[PASS], key[OSD_KEY_LEN];
    char digest[] = "SHA1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, sizeof(digest) - 1),
        OSSL_PARAM_END};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *c = EVP_MAC_CTX_new(hmac);
    uint8_t value[EVP_MAX_MD_SIZE];
    bool good = c && EVP_MAC_CTX_set_params(c, params) == 1;
    size_t len;

    uint64_t t0 = bench_now_ns();
    for (unsigned i = 0; i < n && good; i++)
        good = EVP_MAC_init(c, key, sizeof(key), NULL) == 1 &&
               EVP_MAC_update(c, data, sizeof(data)) == 1 &&
               EVP_MAC_final(c, value, &len, sizeof(value)) == 1;
    double us = (double)(bench_now_ns() - t0) / 1000.0 / n;
    EVP_MAC_CTX_free(c);
    EVP_MAC_free(hmac);
    if (!good)
        bench_die("libcrypto has no HMAC-SHA1");
    return us;
}

/* What a method adds to a command, round by round. */
static struct bench_series added(const struct bench_series us[BENCH_METHODS],
                                 enum bench_method method, enum bench_method to)
{
    struct bench_series s = {.n = us[method].n};

    for (unsigned i = 0; i < s.n; i++)
        s.v[i] = us[method].v[i] - us[to].v[i];
    return s;
}

struct options {
    const char *store, *dir, *json;
    unsigned rounds, batch;
    int cpu; /* -1: any */
};

/* What the goals are about. Commands that change something are compared with those that carry a
 * nonce: to record their outcome is no matter of credentials. */
static void report_added(json_t *list, const struct bench_series us[N_OPS][BENCH_METHODS],
                         const struct bench_series *pass)
{
    char what[128];

    bench_report_head("what security adds, us");
    bench_report(list, "pass", "HMAC-SHA1 of libcrypto over 64 KiB", "us", pass, 0, true);
    for (size_t i = 0; i < N_OPS; i++) {
        bool small = strstr(name_of(i), "_4k"), large = strstr(name_of(i), "_64k");
        for (int m = BENCH_CAPKEY; small && m <= BENCH_CMDRSP; m++) {
            struct bench_series more = added(us[i], (enum bench_method)m,
                                             m == BENCH_CAPKEY ? BENCH_NOSEC : BENCH_NONCE);
            snprintf(what, sizeof(what), "%s, %s", bench_op_find(name_of(i))->what,
                     bench_method_names[m]);
            bench_report(list, name_of(i), what, "us", &more, ALL_OF_4, true);
        }
        if (!large)
            continue;
        struct bench_series more = added(us[i], BENCH_ALLDATA, BENCH_NONCE),
                            ratio = bench_series_ratio(&more, pass);
        snprintf(what, sizeof(what), "%s, ALLDATA / the pass", bench_op_find(name_of(i))->what);
        bench_report(list, name_of(i), what, "", &ratio, LIMIT, true);
    }
}

static void measure(const struct options *o, struct bench_signer *s, struct bench_work *w,
                    json_t *list, json_t **ret_added)
{
    static struct bench_series us[N_OPS][BENCH_METHODS];
    struct bench_series pass = {0};
    char what[128];

    for (unsigned round = 0; round <= o->rounds; round++) {
        double alone = hmac_pass(o->batch);
        if (round > 0)
            bench_series_add(&pass, alone);
        for (size_t i = 0; i < N_OPS; i++)
            for (int m = 0; m < BENCH_METHODS; m++) {
                struct bench_op op = *bench_op_find(name_of(i));
                op.batch = op.batch < o->batch ? op.batch : o->batch;
                double t = bench_signer_batch(s, w, &op, (enum bench_method)m);
                if (round > 0)
                    bench_series_add(&us[i][m], t);
            }
    }
    bench_report_head("security methods, us per command");
    for (size_t i = 0; i < N_OPS; i++)
        for (int m = 0; m < BENCH_METHODS; m++) {
            snprintf(what, sizeof(what), "%s, %s", bench_op_find(name_of(i))->what,
                     bench_method_names[m]);
            bench_report(list, name_of(i), what, "us", &us[i][m], 0, true);
            bench_report_tag(list, "method", (uint64_t)m);
        }
    *ret_added = json_array();
    report_added(*ret_added, us, &pass);
}

static struct options parse(int argc, char **argv)
{
    struct options o = {
        .store = "rocksdb", .dir = "/dev/shm", .rounds = 7, .batch = 500, .cpu = -1};
    const struct bench_option all[] = {
        BENCH_OPTION("store", "rocksdb|memory", &o.store, NULL),
        BENCH_OPTION("dir", "DIR", &o.dir, "where the store goes (default /dev/shm)"),
        BENCH_OPTION_FROM("rounds", "N", &o.rounds, 1, BENCH_MAX_ROUNDS,
                          "counted rounds (default 7)"),
        BENCH_OPTION_FROM("batch", "N", &o.batch, 1, UINT_MAX,
                          "commands of a round (default 500)"),
        BENCH_OPTION("cpu", "N", &o.cpu, "the one to measure on"),
        BENCH_OPTION("json", "FILE", &o.json, NULL),
    };

    bench_options(argc, argv, all, sizeof(all) / sizeof(all[0]));
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    json_t *root = json_object(), *list = json_array(), *added_list;
    struct bench_work w;
    char dir[4096];

    snprintf(dir, sizeof(dir), "%s/liosd-secured-%d", o.dir, (int)getpid());
    bench_describe(root);
    struct bench_signer *s = bench_signer_open(o.store, dir);
    struct bench_target to = bench_signer_target(s);
    if (o.cpu >= 0)
        bench_pin(o.cpu);
    bench_work_init(&w, &to, o.dir, 0, BENCH_PID, 0);
    measure(&o, s, &w, list, &added_list);
    bench_work_end(&w);
    bench_signer_close(s);
    bench_remove_tree(dir);
    json_object_set_new(root, "secured", list);
    json_object_set_new(root, "added", added_list);
    bench_write(root, o.json);
    return 0;
}
