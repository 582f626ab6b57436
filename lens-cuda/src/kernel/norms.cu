// The norm before the unembedding, as the host computes it: in float64, then rounded to what the product takes.

struct Facts {
    double square;  // |x|²
    double dot;     // x · f, where f is the row's final residual
};

// Kept in step with `NormArgs` of arguments.rs.
struct NormArgs {
    const void* x;         // [rows, width, d], the final residual last in a row
    const double* weight;  // [d], or null
    const double* bias;    // [d], or null
    void* out;             // [rows, width, d]
    Facts* facts;          // [rows, width], or null
    double eps;
    u32 width;
    u32 d;
    u32 kind;  // NONE, RMS or LAYER
    u32 mode;  // OWN, FINAL_SCALE or FINAL_ONLY
    u32 narrow_x;    // 1: x is bfloat16; 0: float32
    u32 narrow_out;  // likewise
};

enum : u32 { NONE, RMS, LAYER };
// By its own scale, by that of the final residual, or not at all but for the final residual itself.
enum : u32 { OWN, FINAL_SCALE, FINAL_ONLY };

__device__ inline double value_of(const NormArgs& a, u64 i) {
    if (!a.narrow_x) return static_cast<const float*>(a.x)[i];
    return __uint_as_float((u32) static_cast<const unsigned short*>(a.x)[i] << 16);
}

// To the nearest, and of two the one that is even; NaN stays NaN.
__device__ inline unsigned short narrowed(float x) {
    u32 bits = __float_as_uint(x);
    if (x != x) return (unsigned short)(bits >> 16 | 0x40);
    return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// The sum over a block of threads, in each of them.
__device__ inline double block_sum(double x) {
    __shared__ double of_warps[WARPS];
    x = warp_sum(x);
    __syncthreads();
    if (threadIdx.x % WARP == 0) of_warps[threadIdx.x / WARP] = x;
    __syncthreads();
    double sum = 0.0;
    for (u32 i = 0; i < WARPS; ++i) sum += of_warps[i];
    return sum;
}

struct Moments {
    double mean, scale;
};

__device__ inline Moments moments_of(const NormArgs& a, u64 vector) {
    double mean = 0.0, square = 0.0;
    if (a.kind == LAYER) {
        for (u32 i = threadIdx.x; i < a.d; i += THREADS) mean += value_of(a, vector * a.d + i);
        mean = block_sum(mean) / a.d;
    }
    for (u32 i = threadIdx.x; i < a.d; i += THREADS) {
        double x = value_of(a, vector * a.d + i) - mean;
        square += x * x;
    }
    return {mean, sqrt(block_sum(square) / a.d + a.eps)};
}

extern "C" __global__ void __launch_bounds__(THREADS) norms(NormArgs a) {
    u64 own = blockIdx.x, last = own / a.width * a.width + a.width - 1;
    Moments moments = {0.0, 1.0};
    bool is_normed = a.kind != NONE && (a.mode != FINAL_ONLY || own == last);
    if (is_normed) {
        moments = moments_of(a, own);
        if (a.mode == FINAL_SCALE && own != last) moments.scale = moments_of(a, last).scale;
    }
    double square = 0.0, dot = 0.0;
    for (u32 i = threadIdx.x; i < a.d; i += THREADS) {
        double x = value_of(a, own * a.d + i), y = x;
        if (is_normed) {
            y = (x - moments.mean) / moments.scale;
            if (a.weight) y *= a.weight[i];
            if (a.bias) y += a.bias[i];
        }
        if (a.narrow_out) static_cast<unsigned short*>(a.out)[own * a.d + i] = narrowed((float)y);
        else static_cast<float*>(a.out)[own * a.d + i] = (float)y;
        square += x * x;
        if (a.facts) dot += x * value_of(a, last * a.d + i);
    }
    if (!a.facts) return;
    square = block_sum(square);
    dot = block_sum(dot);
    if (threadIdx.x == 0) a.facts[own] = {square, dot};
}
