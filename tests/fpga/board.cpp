// Loads images through the pins of a board, and writes down what its results hold: per image and word, VALUES values.
//   board IMAGES OUT WORDS: int32 counts (images, words), then per image words of (bank, address, LEVELS levels).
// parameters.h says how the boards differ: LEVELS and LEVEL_BITS of a word that is sent, BANKED, VALUES and VALUE_BITS
// of a word of results, and PART, the pin that chooses among them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vdesign.h"
#include "parameters.h"
#include "verilated.h"

constexpr int BITS = LEVELS * LEVEL_BITS;
constexpr int PARTS = (BITS + 31) / 32;

static Vdesign board;

static void step() {
  board.clk = 0;
  board.eval();
  board.clk = 1;
  board.eval();
}

static void load(const std::int32_t* word) {
  for (int part = 0; part < PARTS; ++part) {
    std::uint32_t value = 0;
    for (int bit = 0; bit < 32; ++bit) {
      const int place = 32 * part + bit;
      if (place < BITS) value |= static_cast<std::uint32_t>(word[2 + place / LEVEL_BITS] >> place % LEVEL_BITS & 1) << bit;
    }
    board.host_shift = 1;
    board.host_part = value;
    step();
  }
  board.host_shift = 0;
  board.host_write = 1;
#if BANKED
  board.host_bank = word[0];
#endif
  board.host_address = word[1];
  step();
  board.host_write = 0;
}

int main(int, char** arguments) {
  std::vector<std::int32_t> images(std::size_t{1} << 20);
  std::FILE* in = std::fopen(arguments[1], "rb");
  std::FILE* out = std::fopen(arguments[2], "wb");
  if (in == nullptr || out == nullptr || std::fread(images.data(), 4, images.size(), in) < 2) return 2;
  board.rst = 1;
  for (int i = 0; i < 4; ++i) step();
  board.rst = 0;
  step();
  const std::int32_t* next = images.data() + 2;
  for (int image = 0; image < images[0]; ++image) {
    for (int word = 0; word < images[1]; ++word, next += 2 + LEVELS) load(next);
    step();
    step();
    board.start = 1;
    step();
    board.start = 0;
    for (int cycle = 0; !board.done; ++cycle, step())
      if (cycle > 1000000) return 3;
    for (int word = 0; word < std::atoi(arguments[3]); ++word)
      for (int part = 0; part < VALUES; ++part) {
        board.result_word = word;
        board.PART = part;
        for (int i = 0; i < 4; ++i) step();
        const std::int64_t value = static_cast<std::int64_t>(static_cast<std::uint64_t>(board.result) << (64 - VALUE_BITS)) >> (64 - VALUE_BITS);
        std::fwrite(&value, 8, 1, out);
      }
  }
  std::fclose(in);
  std::fclose(out);
  return 0;
}
