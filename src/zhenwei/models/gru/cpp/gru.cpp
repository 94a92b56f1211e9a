// One recurrent step of a bidirectional GRU, forward and backward, without its matrix products: one pass over memory.
// Called by `cpu_kernels.py`; `steps.py` does the same with PyTorch operations.
//
//     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
//     z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
//     n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
//     h' = (1 - z) * n + z * h

#include <cstdint>
#include <cstring>

#include "gru_params.h"

namespace {

// `hidden_proj` is W_hh h of this direction, [n, 3H].
template <class T> void forward_row(const GRUParams &params, const Row<T> &at, const T *hidden_proj) {
    const std::int64_t hidden = params.hidden;
    T *gates = static_cast<T *>(params.gates) + (params.unique_index ? at.buffer : at.token) * 3 * hidden;
    if (params.unique_index) project_input(params, at, 0, 3 * hidden, gates);
    T *gate_r = gates, *gate_z = gates + hidden, *gate_n = gates + 2 * hidden;
    T *hidden_new = static_cast<T *>(params.hidden_new) + at.buffer * hidden;
    hidden_proj += at.row * 3 * hidden;
    const T *hidden_z = hidden_proj + hidden, *hidden_n = hidden_proj + 2 * hidden;
    const T *b_hn = static_cast<const T *>(params.b_hn) + at.direction * hidden;
    float *h = params.h + at.slot * hidden;
    T *output = static_cast<T *>(params.output) + at.output * hidden;
    T *next_prev = static_cast<T *>(params.prev_hidden) + at.next * hidden;
#pragma omp simd
    for (std::int64_t i = 0; i < hidden; ++i) {
        const float r = sigmoid_of(widen(gate_r[i]) + widen(hidden_proj[i]));
        const float z = sigmoid_of(widen(gate_z[i]) + widen(hidden_z[i]));
        const float m = widen(hidden_n[i]) + widen(b_hn[i]);
        const float n = tanh_of(widen(gate_n[i]) + r * m);
        const float h_new = n + z * (h[i] - n);
        gate_r[i] = narrow<T>(r);
        gate_z[i] = narrow<T>(z);
        gate_n[i] = narrow<T>(n);
        hidden_new[i] = narrow<T>(m);
        h[i] = h_new;
        output[i] = narrow<T>(h_new);
    }
    if (at.continues) std::memcpy(next_prev, output, hidden * sizeof(T));
}

// `grad_hidden` is the gradient that reaches the state through W_hh of the next step, [n, H].
template <class T> void backward_row(const GRUParams &params, const Row<T> &at, const T *grad_hidden) {
    const std::int64_t hidden = params.hidden;
    T *gate_r = static_cast<T *>(params.gates) + at.token * 3 * hidden, *gate_z = gate_r + hidden;
    T *gate_n = gate_z + hidden;
    T *hidden_new = static_cast<T *>(params.hidden_new) + at.token * hidden;
    const T *prev_hidden = static_cast<const T *>(params.prev_hidden) + at.token * hidden;
    const T *grad_output = static_cast<const T *>(params.grad_output) + at.output * hidden;
    float *grad_h = params.grad_h + at.slot * hidden;
    if (!at.continues) {  // the last step of this row
        std::memset(grad_h, 0, hidden * sizeof(float));
    } else {
        grad_hidden += at.row * hidden;
#pragma omp simd
        for (std::int64_t i = 0; i < hidden; ++i) grad_h[i] += widen(grad_hidden[i]);
    }
#pragma omp simd
    for (std::int64_t i = 0; i < hidden; ++i) {
        const float grad = widen(grad_output[i]) + grad_h[i];
        const float r = widen(gate_r[i]), z = widen(gate_z[i]), n = widen(gate_n[i]), m = widen(hidden_new[i]);
        const float grad_n = grad * (1 - z) * (1 - n * n);
        const float grad_z = grad * (widen(prev_hidden[i]) - n) * z * (1 - z);
        gate_r[i] = narrow<T>(grad_n * m * r * (1 - r));
        gate_z[i] = narrow<T>(grad_z);
        gate_n[i] = narrow<T>(grad_n * r);
        hidden_new[i] = narrow<T>(grad_n);
        grad_h[i] = grad * z;
    }
}

template <class T> using RowKernel = void (*)(const GRUParams &, const Row<T> &, const T *);

template <class T>
void each_row(RowKernel<T> kernel, const GRUParams &params, std::int64_t step, const void *forward,
              const void *backward) {
    const std::int64_t size = params.step_offsets[step + 1] - params.step_offsets[step], rows = 2 * size;
    const bool parallel = rows * params.hidden > SERIAL && params.threads > 1;
#pragma omp parallel for schedule(static) num_threads(params.threads) if (parallel)
    for (std::int64_t number = 0; number < rows; ++number) {
        const Row<T> at(params, step, number / size, number % size);
        kernel(params, at, static_cast<const T *>(at.direction ? backward : forward));
    }
}

}  // namespace

// `forward` and `backward` are the matrix products of the two directions.
extern "C" {
void forward_step_float32(const GRUParams *params, std::int64_t step, const void *forward, const void *backward) {
    each_row<float>(forward_row<float>, *params, step, forward, backward);
}
void forward_step_bfloat16(const GRUParams *params, std::int64_t step, const void *forward, const void *backward) {
    each_row<bf16>(forward_row<bf16>, *params, step, forward, backward);
}
void backward_step_float32(const GRUParams *params, std::int64_t step, const void *forward, const void *backward) {
    each_row<float>(backward_row<float>, *params, step, forward, backward);
}
void backward_step_bfloat16(const GRUParams *params, std::int64_t step, const void *forward, const void *backward) {
    each_row<bf16>(backward_row<bf16>, *params, step, forward, backward);
}
}
