// The k largest logits of a readout, after the sweep has left the maximum of every block.

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
