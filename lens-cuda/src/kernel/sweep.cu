// The pass over the logits of a readout.

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
