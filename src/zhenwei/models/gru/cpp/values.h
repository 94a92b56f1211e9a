// Values are float, or bfloat16 as its 16 bits; everything is computed in float.

#pragma once

#include <cstdint>
#include <cstring>

namespace {

using bf16 = std::uint16_t;

constexpr std::int64_t SERIAL = 1 << 14;  // up to this many values, threads cost more than they save

inline float widen(float value) { return value; }

inline float widen(bf16 value) {
    const std::uint32_t bits = static_cast<std::uint32_t>(value) << 16;
    float wide;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
}

template <class T> T narrow(float value);

template <> inline float narrow<float>(float value) { return value; }

template <> inline bf16 narrow<bf16>(float value) {  // round to nearest, ties to even; NaN stays NaN
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return static_cast<bf16>(value == value ? rounded : 0x7fc0);
}

}  // namespace
