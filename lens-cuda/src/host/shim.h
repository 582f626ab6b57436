// What CUDA gives to the kernels, on the host: the threads of a block take turns, each until it has to wait for others.
#pragma once

#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <ucontext.h>

#define __device__
#define __global__
#define __shared__ static
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)

namespace shim {

constexpr unsigned LANES = 32, MOST = 256;
constexpr std::size_t STACK = 64 << 10;

struct Index {
    unsigned x;
};

// A place where a number of threads wait for each other.
struct Barrier {
    unsigned arrived, generation;
};

struct Thread {
    ucontext_t start;
    jmp_buf where;
    bool started, done;
    alignas(16) unsigned char stack[STACK];
};

inline Thread threads[MOST];
inline Barrier of_block, of_warps[MOST / LANES];
inline unsigned char exchanged[MOST][16];
inline unsigned current;
inline jmp_buf scheduler;
inline void (*body)();

}  // namespace shim

inline shim::Index threadIdx, blockIdx;

namespace shim {

inline void step_aside() {
    if (_setjmp(threads[current].where) == 0) _longjmp(scheduler, 1);
}

inline unsigned long progress;

inline void wait_at(Barrier& barrier, unsigned threads) {
    ++progress;
    unsigned generation = barrier.generation;
    if (++barrier.arrived == threads) {
        barrier.arrived = 0;
        ++barrier.generation;
        return;
    }
    while (barrier.generation == generation) step_aside();
}

inline unsigned n_threads;

template <typename T>
T exchange(T x, unsigned from) {
    static_assert(sizeof(T) <= sizeof(exchanged[0]));
    Barrier& warp = of_warps[threadIdx.x / LANES];
    std::memcpy(exchanged[threadIdx.x], &x, sizeof(T));
    wait_at(warp, LANES);
    std::memcpy(&x, exchanged[threadIdx.x / LANES * LANES + from], sizeof(T));
    wait_at(warp, LANES);
    return x;
}

inline void enter() {
    body();
    threads[current].done = true;
    _longjmp(scheduler, 1);
}

// Runs a thread until it waits or is done.
inline void turn(unsigned thread) {
    current = thread;
    threadIdx.x = thread;
    if (_setjmp(scheduler) != 0) return;
    Thread& own = threads[thread];
    if (own.started) _longjmp(own.where, 1);
    own.started = true;
    getcontext(&own.start);
    own.start.uc_stack.ss_sp = own.stack;
    own.start.uc_stack.ss_size = STACK;
    own.start.uc_link = nullptr;
    makecontext(&own.start, enter, 0);
    setcontext(&own.start);
}

// Runs every block of threads. False when the threads of one wait for each other for ever.
inline bool run(unsigned blocks, unsigned threads_each, void (*what)()) {
    body = what;
    n_threads = threads_each;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        of_block = {0, 0};
        for (Barrier& warp : of_warps) warp = {0, 0};
        for (unsigned i = 0; i < n_threads; ++i) threads[i].started = threads[i].done = false;
        for (unsigned left = n_threads; left > 0;) {
            unsigned long before = progress;
            unsigned were_left = left;
            left = 0;
            for (unsigned i = 0; i < n_threads; ++i) {
                if (!threads[i].done) turn(i);
                left += threads[i].done ? 0 : 1;
            }
            if (left == were_left && progress == before) return false;
        }
    }
    return true;
}

}  // namespace shim

inline void __syncthreads() { shim::wait_at(shim::of_block, shim::n_threads); }

template <typename T>
T __shfl_xor_sync(unsigned, T x, unsigned far) {
    return shim::exchange(x, threadIdx.x % shim::LANES ^ far);
}

// A lane that nobody stands below keeps its own.
template <typename T>
T __shfl_up_sync(unsigned, T x, unsigned far) {
    unsigned lane = threadIdx.x % shim::LANES;
    return shim::exchange(x, lane >= far ? lane - far : lane);
}

inline unsigned atomicAdd(unsigned* where, unsigned x) {
    unsigned before = *where;
    *where += x;
    return before;
}

inline unsigned __float_as_uint(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return bits;
}

inline float __uint_as_float(unsigned bits) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    return x;
}
