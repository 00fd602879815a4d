/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/interrupt.c - being told to stop by a signal, and leaving things in order
 */
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "osdctl.h"

static atomic_bool told_to_stop; /* read by all threads of a copy */

static void note_signal(int signal_number)
{
    told_to_stop = true;
}

void catch_interrupts(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction note = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction before;

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &note, NULL);
}

bool interrupted(void)
{
    return told_to_stop;
}
