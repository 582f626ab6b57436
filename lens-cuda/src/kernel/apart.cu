// The distances of a readout to the final one of its row, after the sweep of both.

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
