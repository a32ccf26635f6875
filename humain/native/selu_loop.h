// SELU over an array, on one thread, in vectors.
//
//     selu(x) = kScale * x                      where x >= 0
//     selu(x) = kScale * kAlpha * (e^x - 1)     where x < 0
//
// e^x = 2^k * e^r, with k the whole number nearest to x / ln(2) and r the rest, |r| <= ln(2) / 2. A polynomial gives
// e^r - 1 without the cancellation of exp(x) - 1 near 0, and e^x - 1 = 2^k * (e^r - 1) + (2^k - 1). There is no branch
// and no call in the loop, so the compiler makes vectors of it.

#ifndef HUMAIN_NATIVE_SELU_LOOP_H_
#define HUMAIN_NATIVE_SELU_LOOP_H_

#include <cstdint>
#include <cstring>
#include <vector>

namespace humain {

inline constexpr float kScale = 1.0507009873554805f;
inline constexpr float kScaleAlpha = 1.7580993408473766f;
// From here on down, float32 doesn't tell e^x - 1 from -1; 2^k stays a normal number.
inline constexpr float kLowest = -17.5f;
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kLn2 = 0.693147182f;
// 1.5 * 2^23, which leaves no bits for a fraction, plus the bias of an exponent: x + kRound is rounded to a whole
// number, and the low bits of the sum are that number with the bias, ready to be shifted to where an exponent stands.
inline constexpr float kRound = 12582912.0f + 127.0f;

// `in` and `out` are one array or have nothing in common. Without being told, the compiler would take the first for a
// reason to go element by element.
#if defined(__clang__)
#define HUMAIN_ELEMENTS_ARE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define HUMAIN_ELEMENTS_ARE_INDEPENDENT _Pragma("GCC ivdep")
#endif

__attribute__((always_inline)) inline void SeluLoop(const float* in, float* out, int64_t size) {
  HUMAIN_ELEMENTS_ARE_INDEPENDENT
  for (int64_t i = 0; i < size; ++i) {
    const float x = in[i];
    // NaN passes the comparison and then every step. What large x do in these lines is not used.
    const float z = x < kLowest ? kLowest : x;
    const float rounded = z * kLog2E + kRound;
    const float r = z - (rounded - kRound) * kLn2;
    uint32_t bits;
    std::memcpy(&bits, &rounded, sizeof(bits));
    bits <<= 23;
    float power;
    std::memcpy(&power, &bits, sizeof(power));
    power *= kScaleAlpha;
    // (e^r - 1 - r) / r^2, with the least largest relative error of e^r - 1 for that degree: 1.3e-8.
    float p = 0.00138824969f;
    p = p * r + 0.00836664718f;
    p = p * r + 0.0416672044f;
    p = p * r + 0.16666542f;
    p = p * r + 0.49999997f;
    p = p * r;
    p = p * r + r;
    const float negative = power * p + (power - kScaleAlpha);
    // -0 is on this side, and stays -0.
    out[i] = x >= 0.0f ? kScale * x : negative;
  }
}

using Loop = void (*)(const float*, float*, int64_t);

inline void SeluBaseline(const float* in, float* out, int64_t size) { SeluLoop(in, out, size); }

#if defined(__x86_64__)
// What is built does not depend on the machine that builds it: the loop is there for several processors, and the one
// that it runs on decides.
__attribute__((target("avx2,fma"))) inline void SeluAvx2(const float* in, float* out, int64_t size) {
  SeluLoop(in, out, size);
}

__attribute__((target("avx2,fma,avx512f,avx512vl"))) inline void SeluAvx512(const float* in, float* out, int64_t size) {
  SeluLoop(in, out, size);
}
#endif

// The loops that this processor can run, the fastest first.
inline std::vector<Loop> SeluLoops() {
  std::vector<Loop> loops;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) loops.push_back(SeluAvx512);
    loops.push_back(SeluAvx2);
  }
#endif
  loops.push_back(SeluBaseline);
  return loops;
}

}  // namespace humain

#endif  // HUMAIN_NATIVE_SELU_LOOP_H_
