/*
 * The least that a hook can do: reads the request and lets the device in. Linked with nothing but
 * libc, so that what is measured with it is what starting any program costs.
 */
#include <unistd.h>

static const char answer[] = "{\"decision\":\"activate\"}\n";

int main(void)
{
    char request[4096];

    while (read(STDIN_FILENO, request, sizeof request) > 0)
        continue;
    return write(STDOUT_FILENO, answer, sizeof answer - 1) == (ssize_t)(sizeof answer - 1) ? 0 : 1;
}
