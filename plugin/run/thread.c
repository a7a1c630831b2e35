#include "thread.h"

#include <signal.h>
#include <stddef.h>

#include "core/base.h"

bool prov_thread_start(pthread_t *out, void *(*main)(void *arg), void *arg)
{
    static const int own_faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
    sigset_t block, before;
    bool made;

    (void)sigfillset(&block);
    for (size_t i = 0; i < PROV_COUNT(own_faults); i++)
        (void)sigdelset(&block, own_faults[i]);
    (void)pthread_sigmask(SIG_SETMASK, &block, &before);
    made = pthread_create(out, NULL, main, arg) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return made;
}
