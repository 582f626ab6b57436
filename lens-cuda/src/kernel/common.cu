// The readout's passes over logits that lie in a card's memory.
//
//   logits   [rows, width, n_vocab]   float32, products alone; the last of a row's `width` readouts is its final one
//   sweep    one pass over a readout: log-sum-exp, moments, what the KL needs, ranks of tokens, the maximum of every block
//   best     its k largest logits, among the k blocks that can hold them
//   apart    total variation and Jensen-Shannon divergence to the final readout, a second pass, where they are asked for
//
// One block of threads does one readout. A warp takes blocks of BLOCK logits in turn: EACH to a lane, which stay in
// registers. Sums are in float32 within a block and in float64 from block to block.
//
// The source is plain C++ but for the names that CUDA gives; tests compile it for the host, where a block's threads run in
// turns. It is compiled without contraction (--fmad=false): a logit has the same bits in every pass, and a multiply-add is
// one only where fmaf says so. What a model does to its logits is known when it is loaded: BIAS and CAP are 1 where it has
// such a thing.

constexpr unsigned WARP = 32;
constexpr unsigned WARPS = 8;
constexpr unsigned THREADS = WARP * WARPS;
// Logits of a block, and those of a lane.
constexpr unsigned BLOCK = 512;
constexpr unsigned EACH = BLOCK / WARP;
// Tokens that are counted in the pass itself; more of them take a pass for each further MANY.
constexpr unsigned FEW = 2;
constexpr unsigned MANY = 4;
// Candidates of a top-k that are gathered in shared memory.
constexpr unsigned GATHERED = 1024;
constexpr unsigned EVERY_LANE = 0xffffffffu;
constexpr float SMALLEST = -3.402823466e38f;
// A token that stands for the top-1 of the row's final readout.
constexpr int FINAL_TOP = -1;

#ifndef BIAS
#define BIAS 0
#endif
#ifndef CAP
#define CAP 0
#endif

using u32 = unsigned int;
using u64 = unsigned long long;

// What a pass keeps of a readout. With m the largest logit, f the final readout's logits and m_f their maximum.
struct Sums {
    double max;
    double weights;  // Σ e^(z - m)
    double first;    // Σ e^(z - m) (z - m)
    double second;   // Σ e^(z - m) (z - m)²
    double towards;  // Σ e^(f - m_f) (f - z), zero term by term where the two agree
};

struct Tracked {
    float logit;
    u32 larger;  // logits that are strictly larger
};

struct Apart {
    double variation;  // Σ |p - q|
    double middle;     // Σ p ln(p / m) + q ln(q / m) with m = (p + q) / 2
};

// Kept in step with `Args` of arguments.rs: pointers and 32-bit numbers alone, without padding.
struct Args {
    const float* logits;  // [rows, width, n_vocab]
    const float* bias;    // [n_vocab], if BIAS
    const int* tokens;    // [rows, n_tracked]
    float* maxima;        // [rows, width, n_blocks]
    Sums* sums;           // [rows, width]
    Tracked* tracked;     // [rows, width, n_tracked]
    u64* top;             // [rows, width, k], in no order
    Apart* apart;         // [rows, width]
    u32 n_vocab;
    u32 n_blocks;
    u32 width;
    u32 n_tracked;
    u32 k;
    u32 finals;  // 1: the final readouts alone; 0: all others
    float scale;
    float cap;  // if CAP
};

#ifdef __CUDACC__
// e^x for x <= 0. The product with log2 e is rounded, and the hardware's power of two is good to 2 ulp: a weight is off by
// a relative (2 + |x|) 2^-23 at most, and what is off by more weighs less. Weights below float32's normal numbers are 0.
__device__ __forceinline__ float weight_of(float x) {
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x * 1.44269504f));
    return power;
}
#else
__device__ inline float weight_of(float x) { return expf(x); }
#endif

// The place of a readout: which one this block of threads does, and the final one of its row.
struct Place {
    u64 row, own, last;
};

__device__ inline Place place_of(const Args& a) {
    u64 others = a.width - 1, row = a.finals ? blockIdx.x : blockIdx.x / others;
    u64 last = row * a.width + others;
    return {row, a.finals ? last : row * a.width + blockIdx.x % others, last};
}

// The logit of token `id`, of its product: bias, scale, cap. Adding z - z keeps an infinite logit from becoming finite under
// a cap: it is NaN for such a one, and 0 for every other.
__device__ inline float finished(const Args& a, float z, u32 id) {
    if (BIAS) z += a.bias[id];
    z *= a.scale;
    if (CAP) z = a.cap * tanhf(z / a.cap) + (z - z);
    return z;
}

__device__ inline float logit_of(const Args& a, u64 readout, u32 id) {
    return finished(a, a.logits[readout * a.n_vocab + id], id);
}

template <typename T>
__device__ inline T warp_sum(T x) {
    for (u32 far = WARP / 2; far > 0; far /= 2) x += __shfl_xor_sync(EVERY_LANE, x, far);
    return x;
}

__device__ inline float warp_max(float x) {
    for (u32 far = WARP / 2; far > 0; far /= 2) x = fmaxf(x, __shfl_xor_sync(EVERY_LANE, x, far));
    return x;
}
