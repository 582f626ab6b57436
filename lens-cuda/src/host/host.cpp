// The kernels on the host.
#include "shim.h"

#include "../kernel/common.cu"
#include "../kernel/sweep.cu"
#include "../kernel/best.cu"
#include "../kernel/apart.cu"
#include "../kernel/norms.cu"

static Args args;
static NormArgs norm_args;

// 0 when it is done, 1 when the threads wait for each other for ever.
extern "C" int run(unsigned kernel, unsigned blocks, const void* argument) {
    static void (*const kernels[])() = {
        [] { sweep(args); }, [] { best(args); }, [] { apart(args); }, [] { norms(norm_args); }};
    if (kernel == 3) norm_args = *static_cast<const NormArgs*>(argument);
    else args = *static_cast<const Args*>(argument);
    return shim::run(blocks, THREADS, kernels[kernel]) ? 0 : 1;
}

extern "C" unsigned size_of_arguments(unsigned kernel) { return kernel == 3 ? sizeof(NormArgs) : sizeof(Args); }
