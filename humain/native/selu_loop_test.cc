// Every loop that this processor can run, against the formula in double precision; every number of elements that a
// vector leaves over.

#include "humain/native/selu_loop.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <vector>

namespace {

constexpr double kScale = 1.0507009873554805;
constexpr double kAlpha = 1.6732632423543772;

double Exact(double x) { return x > 0 ? kScale * x : kScale * kAlpha * std::expm1(x); }

// The largest error of a loop, in units of the last place of the exact value as a float.
double LargestError(humain::Loop loop) {
  std::vector<float> values;
  for (double x = -20.0; x < 3.0; x += 1.1e-5) values.push_back(static_cast<float>(x));
  for (double x = 1e-36; x < 1e30; x *= 1.0003) {
    values.push_back(static_cast<float>(x));
    values.push_back(static_cast<float>(-x));
  }
  std::vector<float> found(values.size());
  loop(values.data(), found.data(), static_cast<int64_t>(values.size()));
  double largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double exact = Exact(values[i]);
    const float rounded = static_cast<float>(std::fabs(exact));
    const double unit = std::nextafter(rounded, std::numeric_limits<float>::infinity()) - rounded;
    const double error = std::fabs(found[i] - exact) / unit;
    // Written so that NaN fails.
    if (!(error <= largest)) largest = error;
  }
  return largest;
}

bool SpecialValuesHold(humain::Loop loop) {
  const float inf = std::numeric_limits<float>::infinity();
  const float values[] = {0.0f, -0.0f, inf, -inf, std::numeric_limits<float>::quiet_NaN(), -3e38f, 1e-42f, -1e-42f};
  float found[8];
  loop(values, found, 8);
  return found[0] == 0 && !std::signbit(found[0]) && found[1] == 0 && std::signbit(found[1]) && found[2] == inf &&
         found[3] == -static_cast<float>(kScale * kAlpha) && std::isnan(found[4]) && found[5] == found[3] &&
         std::fabs(found[6]) < 2e-42f && std::fabs(found[7]) < 2e-42f;
}

// Writes what is asked for and nothing beyond it.
bool SizesHold(humain::Loop loop) {
  for (int64_t size = 0; size < 70; ++size) {
    const std::vector<float> values(size, 2.0f);
    std::vector<float> found(size + 1, -7.0f);
    loop(values.data(), found.data(), size);
    for (int64_t i = 0; i < size; ++i) {
      if (found[i] != 2 * static_cast<float>(kScale)) return false;
    }
    if (found[size] != -7.0f) return false;
  }
  return true;
}

}  // namespace

int main() {
  int failures = 0;
  for (humain::Loop loop : humain::SeluLoops()) {
    const double error = LargestError(loop);
    const bool special = SpecialValuesHold(loop);
    const bool sizes = SizesHold(loop);
    std::printf("largest error %.2f units in the last place, special values %s, sizes %s\n", error,
                special ? "right" : "WRONG", sizes ? "right" : "WRONG");
    failures += !(error < 2.0) + !special + !sizes;
  }
  return failures == 0 ? 0 : 1;
}
