// Runs images through the Verilated core and writes down every word that it writes.
//   bench IMAGES TRACE [LIMIT]: int32 counts (images, words), then per image words of (bank, address, levels);
//   out come per image int32 (cycles, level words, result words), rows of (cycle, bank, address, levels) and
//   int64 rows of (cycle, address, values).
// parameters.h says how many levels a word has (SNNCC_LEVELS), their bits as they are loaded (SNNCC_HOST_BITS) and
// written (SNNCC_MAP_BITS, SNNCC_MAP_SIGNED), the number and bits of values (SNNCC_VALUES, SNNCC_VALUE_BITS), and
// the banks that levels lie in (SNNCC_BANKS, 0 where the core has none).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vdesign.h"
#include "bench.h"
#include "parameters.h"
#include "verilated.h"

namespace {

constexpr int LEVELS = SNNCC_LEVELS;
constexpr int VALUES = SNNCC_VALUES;
std::uint64_t limit = 1ull << 32;  // cycles after which an image is given up

class Bench {
 public:
  Bench() {
    core_.rst = 1;
    core_.start = 0;
    core_.host_write = 0;
    for (int i = 0; i < 4; ++i) tick();
    core_.rst = 0;
    tick();
  }

  void load(const std::int32_t* word) {
    core_.host_write = 1;
#if SNNCC_BANKS
    core_.host_bank = word[0];
#endif
    core_.host_address = word[1];
    clear(core_.host_data, (LEVELS * SNNCC_HOST_BITS + 31) / 32);
    for (int lane = 0; lane < LEVELS; ++lane)
      set_field(core_.host_data, lane * SNNCC_HOST_BITS, SNNCC_HOST_BITS, word[2 + lane]);
    tick();
    core_.host_write = 0;
  }

  bool run(std::FILE* out) {
    std::vector<std::int32_t> levels;
    std::vector<std::int64_t> results;
    core_.start = 1;
    tick();
    core_.start = 0;
    std::uint64_t cycles = 0;
    core_.eval();
    while (core_.busy && cycles < limit) {
      record(levels, results);
      cycles = core_.cycle + 1ull;
      tick();
      core_.eval();
    }
    const std::int32_t head[3] = {
        static_cast<std::int32_t>(cycles), static_cast<std::int32_t>(levels.size() / (3 + LEVELS)),
        static_cast<std::int32_t>(results.size() / (2 + VALUES))};
    std::fwrite(head, sizeof head, 1, out);
    std::fwrite(levels.data(), sizeof levels[0], levels.size(), out);
    std::fwrite(results.data(), sizeof results[0], results.size(), out);
    return cycles < limit;
  }

 private:
  void tick() {
    core_.clk = 0;
    core_.eval();
    core_.clk = 1;
    core_.eval();
  }

  void record(std::vector<std::int32_t>& levels, std::vector<std::int64_t>& results) {
    for (int bank = 0; core_.map_write != 0 && bank < (SNNCC_BANKS ? SNNCC_BANKS : 1); ++bank) {
      if (!(chunk(core_.map_write, bank / 32) >> (bank % 32) & 1)) continue;
      levels.push_back(static_cast<std::int32_t>(core_.cycle));
      levels.push_back(bank);
      levels.push_back(static_cast<std::int32_t>(core_.map_address));
      for (int lane = 0; lane < LEVELS; ++lane) {
        const std::int64_t level = field(core_.map_data, lane * SNNCC_MAP_BITS, SNNCC_MAP_BITS, SNNCC_MAP_SIGNED);
        levels.push_back(static_cast<std::int32_t>(level));
      }
    }
    if (core_.result_valid) {
      results.push_back(core_.cycle);
      results.push_back(core_.result_address);
      for (int value = 0; value < VALUES; ++value)
        results.push_back(field(core_.result_data, value * SNNCC_VALUE_BITS, SNNCC_VALUE_BITS, true));
    }
  }

  Vdesign core_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 && count != 4) return 2;
  if (count == 4) limit = std::strtoull(arguments[3], nullptr, 10);
  const std::vector<std::int32_t> images = read_all(arguments[1]);
  std::FILE* out = std::fopen(arguments[2], "wb");
  if (out == nullptr || images.size() < 2) return 2;
  Bench bench;
  const std::int32_t* word = images.data() + 2;
  for (int image = 0; image < images[0]; ++image) {
    for (int i = 0; i < images[1]; ++i, word += 2 + LEVELS) bench.load(word);
    if (!bench.run(out)) return 3;
  }
  std::fclose(out);
  return 0;
}
