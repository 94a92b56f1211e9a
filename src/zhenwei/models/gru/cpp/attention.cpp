// LayerNorm, dropout and masked attention over the states of each article, in one pass, forward and backward.
// Called by `attention_pooling.py`. The dropout mask is a function of a seed and the position of a value, so that the
// backward pass recomputes it and nothing is stored.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "values.h"

namespace {

struct PoolingParams {
    std::int64_t rows, width, size, threads;
    const bool *mask;                                // [B, T]
    void *states;                                    // [B, T, D]; the backward pass overwrites them by their gradient
    const float *norm_weight, *norm_bias;            // [D]
    const float *score_weight, *score_bias;          // [D], [1]
    float *mean, *inverse_std;                       // [B, T], of LayerNorm
    float *weights;                                  // [B, T], of the attention
    float *pooled;                                   // [B, D]
    const float *grad;                               // [B, D], gradient of `pooled`
    float *grad_norm_weight, *grad_norm_bias;        // [B, D], gradients by article
    float *grad_score_weight, *grad_score_bias;      // [B, D], [B]
    std::uint64_t seed;
    std::uint64_t dropped;                           // dropout probability times 2^32
    float epsilon, keep_scale;
};

struct DropoutKeys {  // the random numbers of one token
    std::uint32_t first, second;

    DropoutKeys(std::uint64_t seed, std::int64_t token) {  // SplitMix64 (Steele et al., OOPSLA 2014)
        std::uint64_t mixed = seed + 0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(token + 1);
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
        mixed ^= mixed >> 31;
        first = static_cast<std::uint32_t>(mixed);
        second = static_cast<std::uint32_t>(mixed >> 32);
    }

    std::uint32_t operator()(std::uint32_t number) const {  // every input bit affects every output bit
        std::uint32_t x = number * 0x9e3779b9U + first;
        x = (x ^ (x >> 16)) * 0x7feb352dU;
        x ^= second;
        x = (x ^ (x >> 15)) * 0x846ca68bU;
        return x ^ (x >> 16);
    }
};

template <class T> struct Token {  // one token of an article, with the statistics of its LayerNorm
    const T *states;
    float mean, inverse_std;

    inline float normalized(std::int64_t i) const { return (widen(states[i]) - mean) * inverse_std; }
};

template <class T> Token<T> measure(const T *states, std::int64_t size, float epsilon) {
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < size; ++i) sum += widen(states[i]);
    const float mean = sum / static_cast<float>(size);
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < size; ++i) {
        const float centered = widen(states[i]) - mean;
        squares += centered * centered;
    }
    return {states, mean, 1 / std::sqrt(squares / static_cast<float>(size) + epsilon)};
}

// Write dropout(LayerNorm(states)) of a token to `values`.
template <class T>
void norm_and_dropout(const PoolingParams &params, const Token<T> &token, std::int64_t position, float *values) {
    const std::int64_t size = params.size;
    const float *weight = params.norm_weight, *bias = params.norm_bias;
    if (!params.dropped) {
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) values[i] = token.normalized(i) * weight[i] + bias[i];
        return;
    }
    const DropoutKeys random(params.seed, position);
    const std::uint32_t dropped = static_cast<std::uint32_t>(params.dropped);
    const float scale = params.keep_scale;
#pragma omp simd
    for (std::int64_t i = 0; i < size; ++i) {
        const float value = (token.normalized(i) * weight[i] + bias[i]) * scale;
        values[i] = random(static_cast<std::uint32_t>(i)) >= dropped ? value : 0.0f;
    }
}

inline float dot(const float *left, const float *right, std::int64_t size) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < size; ++i) sum += left[i] * right[i];
    return sum;
}

template <class T> void forward_row(const PoolingParams &params, std::int64_t row) {
    const std::int64_t size = params.size, first = row * params.width;
    std::vector<float> buffer(size);
    float *values = buffer.data(), *pooled = params.pooled + row * size;
    std::memset(pooled, 0, size * sizeof(float));
    float highest = -INFINITY, total = 0;
    for (std::int64_t position = first; position < first + params.width; ++position) {
        params.weights[position] = -INFINITY;  // the score, until all scores are known
        if (!params.mask[position]) continue;
        const T *states = static_cast<const T *>(params.states) + position * size;
        const Token<T> token = measure(states, size, params.epsilon);
        params.mean[position] = token.mean;
        params.inverse_std[position] = token.inverse_std;
        norm_and_dropout(params, token, position, values);
        const float score = dot(values, params.score_weight, size) + params.score_bias[0];
        params.weights[position] = score;
        // Online softmax: rescale the sum whenever the maximum changes (Milakov & Gimelshein, 2018).
        const float maximum = score > highest ? score : highest;
        const float rescale = total == 0 ? 0 : std::exp(highest - maximum), weight = std::exp(score - maximum);
        highest = maximum;
        total = total * rescale + weight;
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) pooled[i] = pooled[i] * rescale + weight * values[i];
    }
    if (total == 0) {  // a row without tokens
        std::memset(params.weights + first, 0, params.width * sizeof(float));
        return;
    }
    for (std::int64_t i = 0; i < size; ++i) pooled[i] /= total;
    for (std::int64_t position = first; position < first + params.width; ++position)
        params.weights[position] = params.mask[position] ? std::exp(params.weights[position] - highest) / total : 0;
}

template <class T> void backward_row(const PoolingParams &params, std::int64_t row) {
    const std::int64_t size = params.size, first = row * params.width;
    std::vector<float> buffer(2 * size);
    float *values = buffer.data(), *grad_normalized = values + size;
    const float *grad = params.grad + row * size, *weight = params.norm_weight, *score = params.score_weight;
    float *grad_weight = params.grad_norm_weight + row * size, *grad_bias = params.grad_norm_bias + row * size;
    float *grad_score = params.grad_score_weight + row * size;
    for (float *each : {grad_weight, grad_bias, grad_score}) std::memset(each, 0, size * sizeof(float));
    params.grad_score_bias[row] = 0;
    const float grad_pooled = dot(grad, params.pooled + row * size, size);
    const std::uint32_t dropped = static_cast<std::uint32_t>(params.dropped);
    const float scale = dropped ? params.keep_scale : 1.0f;
    for (std::int64_t position = first; position < first + params.width; ++position) {
        T *states = static_cast<T *>(params.states) + position * size;
        if (!params.mask[position]) {
            std::memset(states, 0, size * sizeof(T));
            continue;
        }
        const Token<T> token{states, params.mean[position], params.inverse_std[position]};
        norm_and_dropout(params, token, position, values);
        const float attention = params.weights[position];
        const float grad_own_score = attention * (dot(grad, values, size) - grad_pooled);
        params.grad_score_bias[row] += grad_own_score;
        const DropoutKeys random(params.seed, position);
        float sum = 0, projection = 0;
#pragma omp simd reduction(+ : sum, projection)
        for (std::int64_t i = 0; i < size; ++i) {
            grad_score[i] += grad_own_score * values[i];
            const float keep = random(static_cast<std::uint32_t>(i)) >= dropped ? scale : 0.0f;
            const float grad_norm = (attention * grad[i] + grad_own_score * score[i]) * keep;
            const float normalized = token.normalized(i), scaled = grad_norm * weight[i];
            grad_weight[i] += grad_norm * normalized;
            grad_bias[i] += grad_norm;
            grad_normalized[i] = scaled;
            sum += scaled;
            projection += scaled * normalized;
        }
        sum /= static_cast<float>(size);
        projection /= static_cast<float>(size);
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i)
            states[i] = narrow<T>(token.inverse_std * (grad_normalized[i] - sum - projection * token.normalized(i)));
    }
}

void each_row(void (*kernel)(const PoolingParams &, std::int64_t), const PoolingParams &params) {
    const bool parallel = params.threads > 1 && params.rows * params.width * params.size > SERIAL;
#pragma omp parallel for schedule(dynamic) num_threads(params.threads) if (parallel)
    for (std::int64_t row = 0; row < params.rows; ++row) kernel(params, row);
}

}  // namespace

extern "C" {
void forward_float32(const PoolingParams *params) { each_row(forward_row<float>, *params); }
void forward_bfloat16(const PoolingParams *params) { each_row(forward_row<bf16>, *params); }
void backward_float32(const PoolingParams *params) { each_row(backward_row<float>, *params); }
void backward_bfloat16(const PoolingParams *params) { each_row(backward_row<bf16>, *params); }
}
