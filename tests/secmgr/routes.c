/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/routes.c - print what the program's tables hold, one a line: routes of the API, or
 * with an argument the keys of the configuration
 */
#include <stdio.h>

#include "secmgr/api.h"

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        for (size_t i = 0; sm_config_key(i); i++)
            puts(sm_config_key(i));
    else
        for (size_t i = 0; sm_api_route(i); i++)
            puts(sm_api_route(i));
    return 0;
}
