// Lookups in a sparse table's index, and insertions, one question after the other. humain/kernels/rows.py has the same
// in JAX, where a batch takes as many rounds over all of it as its unluckiest question needs probes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "humain/jaxlib_version.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

using Ids = ffi::Buffer<ffi::S32>;
using Mask = ffi::Buffer<ffi::PRED>;
using IdsResult = ffi::ResultBuffer<ffi::S32>;

// A free entry: `_FREE` in rows.py.
constexpr int32_t kFree = -1;
// Row numbers, and the one that says "none", are int32.
constexpr size_t kMaxPlaces = size_t{1} << 30;
// Questions whose entries are asked for before the first of them is needed: memory answers them side by side.
constexpr int64_t kAhead = 16;

// `SparseRows._home` in rows.py: a table that one of the two has filled is looked up by the other.
uint32_t Home(int32_t context, int32_t goal, uint32_t places) {
  uint32_t mixed = static_cast<uint32_t>(context) * 0x9E3779B1u ^ static_cast<uint32_t>(goal);
  mixed = (mixed ^ (mixed >> 16)) * 0x85EBCA6Bu;
  mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE35u;
  return (mixed ^ (mixed >> 16)) & (places - 1);
}

// What would be read or written out of bounds otherwise: XLA knows types here, but no shapes.
ffi::Error Check(size_t table_contexts, size_t table_goals, size_t contexts, size_t goals, size_t rows) {
  if (table_contexts != table_goals) {
    return ffi::Error::InvalidArgument("the index has " + std::to_string(table_contexts) + " contexts and " +
                                       std::to_string(table_goals) + " goals; there must be as many of each");
  }
  if (table_contexts < 1 || table_contexts > kMaxPlaces || (table_contexts & (table_contexts - 1)) != 0) {
    return ffi::Error::InvalidArgument("the index has " + std::to_string(table_contexts) +
                                       " entries; there must be a power of two, 2**30 at most");
  }
  if (contexts != goals || contexts != rows) {
    return ffi::Error::InvalidArgument(std::to_string(contexts) + " contexts, " + std::to_string(goals) +
                                       " goals and " + std::to_string(rows) +
                                       " rows are asked for; there must be as many of each");
  }
  return ffi::Error::Success();
}

// Calls probe(question, home) for every question.
template <typename Probe>
void ForEach(const int32_t* contexts, const int32_t* goals, int64_t size, const int32_t* table_contexts,
             const int32_t* table_goals, uint32_t places, Probe probe) {
  for (int64_t start = 0; start < size; start += kAhead) {
    const int64_t count = std::min(kAhead, size - start);
    uint32_t homes[kAhead];
    for (int64_t i = 0; i < count; ++i) {
      homes[i] = Home(contexts[start + i], goals[start + i], places);
      __builtin_prefetch(table_contexts + homes[i]);
      __builtin_prefetch(table_goals + homes[i]);
    }
    for (int64_t i = 0; i < count; ++i) probe(start + i, homes[i]);
  }
}

ffi::Error Find(Ids table_contexts, Ids table_goals, Ids contexts, Ids goals, IdsResult rows, int64_t max_probes) {
  ffi::Error fault = Check(table_contexts.element_count(), table_goals.element_count(), contexts.element_count(),
                           goals.element_count(), rows->element_count());
  if (fault.failure()) return fault;
  const int32_t* known_contexts = table_contexts.typed_data();
  const int32_t* known_goals = table_goals.typed_data();
  const int32_t* asked_contexts = contexts.typed_data();
  const int32_t* asked_goals = goals.typed_data();
  int32_t* found = rows->typed_data();
  const uint32_t places = static_cast<uint32_t>(table_contexts.element_count());
  ForEach(asked_contexts, asked_goals, static_cast<int64_t>(contexts.element_count()), known_contexts, known_goals,
          places, [&](int64_t i, uint32_t place) {
            found[i] = static_cast<int32_t>(places);
            for (int64_t probe = 0; probe < max_probes; ++probe, place = (place + 1) & (places - 1)) {
              if (known_contexts[place] == asked_contexts[i] && known_goals[place] == asked_goals[i]) {
                found[i] = static_cast<int32_t>(place);
                return;
              }
              if (known_contexts[place] == kFree) return;
            }
          });
  return ffi::Error::Success();
}

// The table's results are its arguments, written over.
ffi::Error Locate(Ids contexts_before, Ids goals_before, Ids contexts, Ids goals, Mask mask, IdsResult table_contexts,
                  IdsResult table_goals, IdsResult rows, IdsResult refused, int64_t max_probes) {
  ffi::Error fault = Check(table_contexts->element_count(), table_goals->element_count(), contexts.element_count(),
                           goals.element_count(), rows->element_count());
  if (fault.failure()) return fault;
  if (contexts_before.element_count() != table_contexts->element_count() ||
      goals_before.element_count() != table_goals->element_count()) {
    return ffi::Error::InvalidArgument("the index has another size before than after");
  }
  if (mask.element_count() != contexts.element_count() || refused->element_count() != 1) {
    return ffi::Error::InvalidArgument("the mask has " + std::to_string(mask.element_count()) + " elements for " +
                                       std::to_string(contexts.element_count()) + " questions, and refused " +
                                       std::to_string(refused->element_count()) + " and not 1");
  }
  int32_t* known_contexts = table_contexts->typed_data();
  int32_t* known_goals = table_goals->typed_data();
  const int32_t* asked_contexts = contexts.typed_data();
  const int32_t* asked_goals = goals.typed_data();
  const bool* asked = mask.typed_data();
  int32_t* found = rows->typed_data();
  const uint32_t places = static_cast<uint32_t>(table_contexts->element_count());
  int32_t num_refused = 0;
  ForEach(asked_contexts, asked_goals, static_cast<int64_t>(contexts.element_count()), known_contexts, known_goals,
          places, [&](int64_t i, uint32_t place) {
            found[i] = static_cast<int32_t>(places);
            if (!asked[i]) return;
            for (int64_t probe = 0; probe < max_probes; ++probe, place = (place + 1) & (places - 1)) {
              if (known_contexts[place] == kFree) {
                known_contexts[place] = asked_contexts[i];
                known_goals[place] = asked_goals[i];
              }
              if (known_contexts[place] == asked_contexts[i] && known_goals[place] == asked_goals[i]) {
                found[i] = static_cast<int32_t>(place);
                return;
              }
            }
            ++num_refused;
          });
  refused->typed_data()[0] = num_refused;
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    HumainFind, Find,
    ffi::Ffi::Bind().Arg<Ids>().Arg<Ids>().Arg<Ids>().Arg<Ids>().Ret<Ids>().Attr<int64_t>("max_probes"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(HumainLocate, Locate,
                              ffi::Ffi::Bind()
                                  .Arg<Ids>()
                                  .Arg<Ids>()
                                  .Arg<Ids>()
                                  .Arg<Ids>()
                                  .Arg<Mask>()
                                  .Ret<Ids>()
                                  .Ret<Ids>()
                                  .Ret<Ids>()
                                  .Ret<Ids>()
                                  .Attr<int64_t>("max_probes"));

extern "C" const char* HumainJaxlibVersion() { return HUMAIN_JAXLIB_VERSION; }
