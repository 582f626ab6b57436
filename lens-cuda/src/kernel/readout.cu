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

// Called now and then, and large: not repeated wherever it is called.
__device__ __noinline__ double power_of(double x) { return exp(x); }

// The same sums relative to a larger maximum: with u = old - new, every z - m grows by u.
__device__ inline void raise(Sums& s, double max) {
    double up = s.max - max, by = power_of(up);
    s.second = by * (s.second + 2.0 * up * s.first + up * up * s.weights);
    s.first = by * (s.first + up * s.weights);
    s.weights *= by;
    s.max = max;
}

__device__ inline void add(Sums& s, Sums other) {
    if (other.max > s.max) raise(s, other.max);
    else raise(other, s.max);
    s.weights += other.weights;
    s.first += other.first;
    s.second += other.second;
    s.towards += other.towards;
}

// Ids are tokens of the vocabulary. A readout that is not finite may have no top-1: any token will do, nobody reads it.
__device__ inline u32 tracked_id(const Args& a, const Place& place, u32 i) {
    int id = a.tokens[place.row * a.n_tracked + i];
    if (id != FINAL_TOP) return (u32)id;
    // The largest key of the final readout, whose keys are in no order.
    u64 first = 0;
    if (!a.finals)
        for (u32 j = 0; j < a.k; ++j) {
            u64 key = a.top[place.last * a.k + j];
            if (key > first) first = key;
        }
    u32 token = ~(u32)first;
    return token < a.n_vocab ? token : 0;
}

// The logits of `N` tokens from the `from`-th on; those that do not exist are beaten by none.
template <u32 N>
__device__ inline void thresholds(const Args& a, const Place& place, u32 from, float (&own)[N]) {
#pragma unroll
    for (u32 t = 0; t < N; ++t)
        own[t] = from + t < a.n_tracked ? logit_of(a, place.own, tracked_id(a, place, from + t)) : -SMALLEST;
}

// Adds up the counts of all threads and keeps them, with the logits.
template <u32 N>
__device__ inline void keep_counts(const Args& a, const Place& place, u32 from, const float (&own)[N], const u32 (&larger)[N]) {
    __shared__ u32 counts[MANY];
    if (threadIdx.x < MANY) counts[threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (u32 t = 0; t < N; ++t) {
        u32 sum = warp_sum(larger[t]);
        if (threadIdx.x % WARP == 0 && sum > 0) atomicAdd(&counts[t], sum);
    }
    __syncthreads();
#pragma unroll
    for (u32 t = 0; t < N; ++t)
        if (threadIdx.x == t && from + t < a.n_tracked)
            a.tracked[place.own * a.n_tracked + from + t] = Tracked{own[t], counts[t]};
    __syncthreads();
}

// One block of logits, for a warp: its maximum, its sums relative to the largest logit of the warp so far, its counts.
// All loads come first, so that they are under way together. Where the block is not WHOLE, lanes beyond the vocabulary
// take its last token once more, which is in this block and changes no maximum, and add and count nothing.
template <u32 N, bool FINALS, bool WHOLE>
__device__ inline void block_of_logits(const Args& a, const Place& place, u32 block, float last_max, const float (&own)[N], u32 (&larger)[N], Sums& sums) {
    u32 lane = threadIdx.x % WARP, start = block * BLOCK + lane;
    const float* own_logits = a.logits + place.own * a.n_vocab;
    const float* last_logits = a.logits + place.last * a.n_vocab;
    auto is_there = [&](u32 i) { return WHOLE || start + i * WARP < a.n_vocab; };
    auto id_of = [&](u32 i) { return is_there(i) ? start + i * WARP : a.n_vocab - 1; };
    float z[EACH], f[EACH], peak = SMALLEST;
#pragma unroll
    for (u32 i = 0; i < EACH; ++i) {
        z[i] = own_logits[id_of(i)];
        if (!FINALS) f[i] = last_logits[id_of(i)];
    }
#pragma unroll
    for (u32 i = 0; i < EACH; ++i) {
        z[i] = finished(a, z[i], id_of(i));
        peak = fmaxf(peak, z[i]);
    }
    peak = warp_max(peak);
    if (lane == 0) a.maxima[place.own * a.n_blocks + block] = peak;
    if (peak > sums.max) raise(sums, peak);
    float max = (float)sums.max, weights = 0.0f, first = 0.0f, second = 0.0f, towards = 0.0f;
#pragma unroll
    for (u32 i = 0; i < EACH; ++i) {
        float below = z[i] - max, weight = is_there(i) ? weight_of(below) : 0.0f, term = weight * below;
        weights += weight;
        first += term;
        second = fmaf(term, below, second);
        if (!FINALS) {
            float last = finished(a, f[i], id_of(i));
            towards = fmaf(is_there(i) ? weight_of(last - last_max) : 0.0f, last - z[i], towards);
        }
#pragma unroll
        for (u32 t = 0; t < N; ++t) larger[t] += is_there(i) && z[i] > own[t] ? 1 : 0;
    }
    sums.weights += weights;
    sums.first += first;
    sums.second += second;
    sums.towards += towards;
}

template <u32 N, bool FINALS>
__device__ inline void sweep_of(const Args& a) {
    __shared__ Sums of_warps[WARPS];
    Place place = place_of(a);
    u32 warp = threadIdx.x / WARP, whole = a.n_vocab / BLOCK;
    float last_max = FINALS ? 0.0f : (float)a.sums[place.last].max, own[N];
    u32 larger[N] = {};
    thresholds<N>(a, place, 0, own);
    // The smallest number of all, and not minus infinity, so that no difference of two maxima is NaN.
    Sums sums = {SMALLEST, 0.0, 0.0, 0.0, 0.0};
    u32 block = warp;
    for (; block < whole; block += WARPS) block_of_logits<N, FINALS, true>(a, place, block, last_max, own, larger, sums);
    if (block < a.n_blocks) block_of_logits<N, FINALS, false>(a, place, block, last_max, own, larger, sums);
    // The lanes of a warp share a maximum.
    sums.weights = warp_sum(sums.weights);
    sums.first = warp_sum(sums.first);
    sums.second = warp_sum(sums.second);
    sums.towards = warp_sum(sums.towards);
    if (threadIdx.x % WARP == 0) of_warps[warp] = sums;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (u32 i = 1; i < WARPS; ++i) add(sums, of_warps[i]);
        a.sums[place.own] = sums;
    }
    keep_counts<N>(a, place, 0, own, larger);
}

// Ranks of tokens beyond those of the sweep, MANY in a pass.
__device__ inline void further_ranks(const Args& a) {
    Place place = place_of(a);
    for (u32 from = MANY; from < a.n_tracked; from += MANY) {
        float own[MANY];
        u32 larger[MANY] = {};
        thresholds<MANY>(a, place, from, own);
        for (u32 id = threadIdx.x; id < a.n_vocab; id += THREADS) {
            float z = logit_of(a, place.own, id);
            for (u32 t = 0; t < MANY; ++t) larger[t] += z > own[t] ? 1 : 0;
        }
        keep_counts<MANY>(a, place, from, own, larger);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, CAP ? 2 : 3) sweep(Args a) {
    if (a.finals) sweep_of<MANY, true>(a);
    else if (a.n_tracked <= FEW) sweep_of<FEW, false>(a);
    else sweep_of<MANY, false>(a);
    further_ranks(a);
}

// A number whose order is that of (logit, then smaller index): larger is better, and no two are the same. Negative zero
// equals zero.
__device__ inline u64 key_of(float z, u32 index) {
    u32 bits = __float_as_uint(z + 0.0f);
    bits = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (u64)bits << 32 | (u32)~index;
}

// The largest number that at least `k` of the keys are not below: just k where no two keys are the same, as here. 0 where
// there are fewer keys. `walk(visit)` shows each key to one thread.
//
// Digit by digit from the top: a histogram of the keys that begin like the answer, and the bin in which the k-th is.
template <typename Walk>
__device__ inline u64 kth(u32 k, const Walk& walk) {
    __shared__ u32 bins[256];
    __shared__ u32 found_bin, found_before, found_in;
    u64 prefix = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        bins[threadIdx.x] = 0;
        if (threadIdx.x == 0) found_in = found_before = 0;
        __syncthreads();
        walk([&](u64 key) {
            if (shift == 56 || key >> (shift + 8) == prefix >> (shift + 8)) atomicAdd(&bins[key >> shift & 255], 1u);
        });
        __syncthreads();
        if (threadIdx.x < WARP) {
            // Lane l has eight bins, the largest first: those from 255 - 8 l down.
            u32 high = 255 - 8 * threadIdx.x, sum = 0;
            for (u32 i = 0; i < 8; ++i) sum += bins[high - i];
            u32 before = sum;
            for (u32 far = 1; far < WARP; far *= 2) {
                u32 other = __shfl_up_sync(EVERY_LANE, before, far);
                if (threadIdx.x >= far) before += other;
            }
            before -= sum;
            if (before < k && k <= before + sum) {
                u32 i = 0;
                for (; before + bins[high - i] < k; ++i) before += bins[high - i];
                found_bin = high - i;
                found_before = before;
                found_in = bins[high - i];
            }
        }
        __syncthreads();
        u32 in = found_in, bin = found_bin;
        k -= found_before;
        __syncthreads();
        if (in == 0) return 0;
        prefix |= (u64)bin << shift;
        // All that begin like this are wanted: whatever else they say.
        if (in == k) break;
    }
    return prefix;
}

// The k largest logits: larger first, and of equals the smaller id.
//
// The k best blocks hold them, where blocks are ordered by their maximum and equals by their place. For take a token x of
// another block. Each of the k best has a token, the first with its maximum, that stands before x: that maximum is larger
// than x's logit, or equal to it and then the block comes first, and so do all of its ids. So k tokens stand before x.
//
// The maximum of the last of the k blocks is also a bound: k tokens are not below it, and what is below is not wanted.
// That leaves about k candidates, which are gathered; where many logits are equal, or k is large, and they do not fit,
// they are looked for in the blocks again and again.
extern "C" __global__ void __launch_bounds__(THREADS) best(Args a) {
    __shared__ u64 gathered[GATHERED];
    __shared__ u32 n_gathered, n_kept;
    Place place = place_of(a);
    const float* maxima = a.maxima + place.own * a.n_blocks;
    u64* top = a.top + place.own * a.k;
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    u64 last_block = kth(a.k, [&](auto visit) {
        for (u32 block = threadIdx.x; block < a.n_blocks; block += THREADS) visit(key_of(maxima[block], block));
    });
    u64 bound = last_block >> 32 << 32;
    auto candidates = [&](auto visit) {
        for (u32 block = warp; block < a.n_blocks; block += WARPS) {
            if (key_of(maxima[block], block) < last_block) continue;
            for (u32 i = 0; i < EACH; ++i) {
                u32 id = block * BLOCK + i * WARP + lane;
                if (id >= a.n_vocab) break;
                u64 key = key_of(logit_of(a, place.own, id), id);
                if (key >= bound) visit(key);
            }
        }
    };
    if (threadIdx.x == 0) n_gathered = n_kept = 0;
    __syncthreads();
    candidates([&](u64 key) {
        u32 slot = atomicAdd(&n_gathered, 1u);
        if (slot < GATHERED) gathered[slot] = key;
    });
    __syncthreads();
    // A readout that is not finite may have fewer than k: then its last places keep what they had, and nobody reads it.
    auto keep_from = [&](u64 least, const auto& walk) {
        walk([&](u64 key) {
            if (key < least) return;
            u32 slot = atomicAdd(&n_kept, 1u);
            if (slot < a.k) top[slot] = key;
        });
    };
    if (n_gathered <= GATHERED) {
        u32 n = n_gathered;
        auto walk = [&](auto visit) {
            for (u32 i = threadIdx.x; i < n; i += THREADS) visit(gathered[i]);
        };
        keep_from(kth(a.k, walk), walk);
    } else {
        keep_from(kth(a.k, candidates), candidates);
    }
}

// ln (p / m) for m = (p + q) / 2 and p > 0. It is 1 + (p - q) / (p + q) that keeps its digits where the two are close, and
// the quotient itself where they are not.
__device__ inline float log_of_share(float p, float q) {
    float apart = (p - q) / (p + q);
    return fabsf(apart) < 0.5f ? log1pf(apart) : logf(2.0f * p / (p + q));
}

extern "C" __global__ void __launch_bounds__(THREADS) apart(Args a) {
    __shared__ Apart of_warps[WARPS];
    Place place = place_of(a);
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    Sums own = a.sums[place.own], last = a.sums[place.last];
    float own_max = (float)own.max, own_by = (float)(1.0 / own.weights);
    float last_max = (float)last.max, last_by = (float)(1.0 / last.weights);
    Apart apart = {0.0, 0.0};
    for (u32 block = warp; block < a.n_blocks; block += WARPS) {
        float variation = 0.0f, middle = 0.0f;
        for (u32 i = 0; i < EACH; ++i) {
            u32 id = block * BLOCK + i * WARP + lane;
            if (id >= a.n_vocab) break;
            float p = weight_of(logit_of(a, place.own, id) - own_max) * own_by;
            float q = weight_of(logit_of(a, place.last, id) - last_max) * last_by;
            variation += fabsf(p - q);
            if (p > 0.0f) middle = fmaf(p, log_of_share(p, q), middle);
            if (q > 0.0f) middle = fmaf(q, log_of_share(q, p), middle);
        }
        apart.variation += variation;
        apart.middle += middle;
    }
    apart.variation = warp_sum(apart.variation);
    apart.middle = warp_sum(apart.middle);
    if (lane == 0) of_warps[warp] = apart;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (u32 i = 1; i < WARPS; ++i) {
            apart.variation += of_warps[i].variation;
            apart.middle += of_warps[i].middle;
        }
        a.apart[place.own] = apart;
    }
}
