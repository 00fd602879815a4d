/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_conform_script.c - any text as a script of the conformance suite
 *
 * Holds: what parses has cases with steps and tables with rows; every command of it becomes a request
 * within its bounds, or is refused with a sentence.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "conform/request.h"
#include "conform/script.h"

#define INSTANCES 4

static void build(const struct vars *vars, const char *text, int gen)
{
    static const struct sign_facts facts = {.token_len = 16};
    static struct words words;
    static char line[LINE_MAX_];
    struct request r;
    char why[256] = "";

    if (!vars_expand(vars, text, line) || !words_split(&words, line))
        return;
    if (request_build(&words, gen, &facts, &r, why, sizeof(why)))
        require(why[0]);
    else
        require(r.cdb_len <= CDB_MAX && r.retrieved_at <= r.in_len + 256);
    request_free(&r);
}

static void run_case(const struct script_case *c)
{
    static struct vars vars;
    char suffix[128];

    require(c->n_steps > 0 && c->name && c->clause && c->covers);
    for (size_t i = 0; i < script_instances(c) && i < INSTANCES; i++) {
        vars.n = 0;
        require(vars_set(&vars, "p", "0x10000") && vars_set(&vars, "o", "0x10005"));
        if (!script_bind(c, i, &vars, suffix, sizeof(suffix)))
            continue;
        for (size_t k = 0; k < c->n_steps; k++)
            if (!c->steps[k].let)
                for (int gen = 1; gen <= 2; gen++)
                    build(&vars, c->steps[k].text, gen);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script *s;
    char reason[512] = "";

    if (script_parse("fuzz.osd", (const char *)data, size, &s, reason, sizeof(reason))) {
        require(reason[0]);
        return 0;
    }
    for (const struct script_case *c = s->cases; c; c = c->next)
        run_case(c);
    script_free(s);
    return 0;
}
