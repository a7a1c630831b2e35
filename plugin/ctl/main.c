#include "ctl.h"

int main(int argc, char *argv[])
{
    const struct ctl_io io = { .in = stdin, .out = stdout, .err = stderr };

    return ctl_main(&io, argc, argv);
}
