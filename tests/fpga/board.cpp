// Loads images through the pins of the board, and writes down what its results hold: per image and word, G values.
//   board IMAGES OUT WORDS: int32 counts (images, words), then per image words of (bank, address, 8 levels).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vdesign.h"
#include "parameters.h"
#include "verilated.h"

constexpr int G = SNNCC_P / 8;
constexpr int PARTS = (8 * SNNCC_LB + 31) / 32;

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
      if (place < 8 * SNNCC_LB) value |= static_cast<std::uint32_t>(word[2 + place / SNNCC_LB] >> place % SNNCC_LB & 1) << bit;
    }
    board.host_shift = 1;
    board.host_part = value;
    step();
  }
  board.host_shift = 0;
  board.host_write = 1;
  board.host_bank = word[0];
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
    for (int word = 0; word < images[1]; ++word, next += 10) load(next);
    step();
    board.start = 1;
    step();
    board.start = 0;
    for (int cycle = 0; !board.done; ++cycle, step())
      if (cycle > 1000000) return 3;
    for (int word = 0; word < std::atoi(arguments[3]); ++word)
      for (int group = 0; group < G; ++group) {
        board.result_word = word;
        board.result_group = group;
        for (int i = 0; i < 4; ++i) step();
        const std::int64_t value = static_cast<std::int64_t>(static_cast<std::uint64_t>(board.result) << (64 - SNNCC_VB)) >> (64 - SNNCC_VB);
        std::fwrite(&value, 8, 1, out);
      }
  }
  std::fclose(in);
  std::fclose(out);
  return 0;
}
