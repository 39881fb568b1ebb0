// Sends images through a Verilated chain, back to back, and writes down every word that any core writes.
//   bench IMAGES TRACE CYCLES: int32 counts (words, levels of one), then the words of all images; the chain runs for
//   CYCLES cycles. Out come per core, and last for what leaves the chain, int32 (level words, result words), rows of
//   (cycle, bank, address, 8 levels) and int64 rows of (cycle, address, values); a word that leaves has bank 0, address 0.
// parameters.h has SNNCC_HOST_BITS, SNNCC_EACH_CORE(X) with X(number, groups, level bits, signed, value bits) per core,
// and SNNCC_LEAVING_BITS and SNNCC_LEAVING_SIGNED where words leave.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vdesign.h"
#include "bench.h"
#include "parameters.h"
#include "verilated.h"

namespace {

constexpr int LEVELS = 8;

struct Written {
  std::vector<std::int32_t> levels;
  std::vector<std::int64_t> results;
  int values = 1;
};

template <class T>
void add_word(Written& to, std::uint64_t cycle, int bank, std::uint32_t address, const T& data, int bits, bool is_signed) {
  to.levels.push_back(static_cast<std::int32_t>(cycle));
  to.levels.push_back(bank);
  to.levels.push_back(static_cast<std::int32_t>(address));
  for (int lane = 0; lane < LEVELS; ++lane)
    to.levels.push_back(static_cast<std::int32_t>(field(data, lane * bits, bits, is_signed)));
}

template <class W, class D>
void add_map_word(Written& to, std::uint64_t cycle, int groups, const W& write, std::uint32_t address, const D& data,
                  int bits, bool is_signed) {
  for (int bank = 0; bank < groups; ++bank)
    if (chunk(write, bank / 32) >> (bank % 32) & 1) add_word(to, cycle, bank, address, data, bits, is_signed);
}

template <class D>
void add_result(Written& to, std::uint64_t cycle, int groups, std::uint32_t address, const D& data, int bits) {
  to.values = groups;
  to.results.push_back(static_cast<std::int64_t>(cycle));
  to.results.push_back(address);
  for (int value = 0; value < groups; ++value) to.results.push_back(field(data, value * bits, bits, true));
}

void tick(Vdesign& chain) {
  chain.clk = 0;
  chain.eval();
  chain.clk = 1;
  chain.eval();
}

void offer(Vdesign& chain, const std::int32_t* word) {
  chain.host_valid = word != nullptr;
  if (word == nullptr) return;
  clear(chain.host_data, (LEVELS * SNNCC_HOST_BITS + 31) / 32);
  for (int lane = 0; lane < LEVELS; ++lane)
    set_field(chain.host_data, lane * SNNCC_HOST_BITS, SNNCC_HOST_BITS, word[lane]);
}

void write_down(std::FILE* out, const Written& written) {
  const std::int32_t head[2] = {static_cast<std::int32_t>(written.levels.size() / (3 + LEVELS)),
                                static_cast<std::int32_t>(written.results.size() / (2 + written.values))};
  std::fwrite(head, sizeof head, 1, out);
  std::fwrite(written.levels.data(), sizeof(std::int32_t), written.levels.size(), out);
  std::fwrite(written.results.data(), sizeof(std::int64_t), written.results.size(), out);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  const std::vector<std::int32_t> words = read_all(arguments[1]);
  std::FILE* out = std::fopen(arguments[2], "wb");
  const std::uint64_t cycles = std::strtoull(arguments[3], nullptr, 10);
  if (out == nullptr || words.size() < 2) return 2;
  Vdesign chain;
  std::vector<Written> cores;
#define SNNCC_ROOM(n, groups, bits, is_signed, value_bits) cores.emplace_back();
  SNNCC_EACH_CORE(SNNCC_ROOM)
  Written leaving;
  chain.rst = 1;
  chain.host_valid = 0;
  for (int i = 0; i < 4; ++i) tick(chain);
  chain.rst = 0;
  const std::int32_t* next = words.data() + 2;
  const std::int32_t* end = next + static_cast<std::size_t>(words[0]) * LEVELS;
  for (std::uint64_t cycle = 0; cycle < cycles; ++cycle) {
    offer(chain, next < end ? next : nullptr);
    chain.eval();
#define SNNCC_RECORD(n, groups, bits, is_signed, value_bits)                                                       \
  if (chunk(chain.map_write##n, 0) || groups > 32)                                                                 \
    add_map_word(cores[n], cycle, groups, chain.map_write##n, chain.map_address##n, chain.map_data##n, bits, is_signed); \
  if (chain.result_valid##n)                                                                                       \
    add_result(cores[n], cycle, groups, chain.result_address##n, chain.result_data##n, value_bits);
    SNNCC_EACH_CORE(SNNCC_RECORD)
#ifdef SNNCC_LEAVING_BITS
    if (chain.leaving_valid)
      add_word(leaving, cycle, 0, 0, chain.leaving_data, SNNCC_LEAVING_BITS, SNNCC_LEAVING_SIGNED);
#endif
    if (next < end && chain.host_ready) next += LEVELS;
    tick(chain);
  }
  for (const Written& written : cores) write_down(out, written);
  write_down(out, leaving);
  std::fclose(out);
  return 0;
}
