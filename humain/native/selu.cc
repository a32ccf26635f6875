// SELU for XLA on the CPU: one pass, on all threads that XLA computes with. The arithmetic is in selu_loop.h.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "humain/jaxlib_version.h"
#include "humain/native/selu_loop.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

// Floats that a thread takes at a time: 128 KiB, well within a second-level cache, and far more work than taking it.
constexpr int64_t kChunk = 32768;

const humain::Loop selu_loop = humain::SeluLoops().front();

// Which chunks are taken and which are done. A helper may start after the call has returned, and then finds none left:
// hence the counts are shared, not the caller's.
struct Progress {
  std::atomic<int64_t> taken{0};
  std::atomic<int64_t> done{0};
};

ffi::Error Selu(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> values, ffi::ResultBuffer<ffi::F32> result) {
  const float* in = values.typed_data();
  float* out = result->typed_data();
  const int64_t size = static_cast<int64_t>(values.element_count());
  const int64_t num_chunks = (size + kChunk - 1) / kChunk;
  if (num_chunks < 2) {
    selu_loop(in, out, size);
    return ffi::Error::Success();
  }
  auto progress = std::make_shared<Progress>();
  auto work = [progress, in, out, size, num_chunks] {
    for (int64_t chunk; (chunk = progress->taken.fetch_add(1)) < num_chunks;) {
      const int64_t start = chunk * kChunk;
      selu_loop(in + start, out + start, std::min(kChunk, size - start));
      progress->done.fetch_add(1, std::memory_order_release);
    }
  };
  const int64_t num_helpers = std::min(pool.num_threads(), num_chunks) - 1;
  for (int64_t i = 0; i < num_helpers; ++i) {
    auto helper = work;
    pool.Schedule(std::move(helper));
  }
  work();
  // All are taken. Only chunks that helpers are at work on are waited for, never a helper that has not begun: a pool
  // that is busy, or waits for this call, can't hold it up.
  while (progress->done.load(std::memory_order_acquire) < num_chunks) std::this_thread::yield();
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(HumainSelu, Selu,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>());

extern "C" const char* HumainJaxlibVersion() { return HUMAIN_JAXLIB_VERSION; }
