// The kernels on the host.
#include "shim.h"

#include "../kernel/readout.cu"

static Args given;

extern "C" int run(unsigned kernel, unsigned blocks, const Args* args) {
    static void (*const kernels[])() = {[] { sweep(given); }, [] { best(given); }, [] { apart(given); }};
    given = *args;
    return shim::run(blocks, THREADS, kernels[kernel]) ? 0 : 1;
}

extern "C" unsigned size_of_arguments() { return sizeof(Args); }
