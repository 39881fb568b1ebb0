// Sends images through the pins of a chain, one after another, and reads the results of its last core.
//   board IMAGES OUT: int32 counts (images, words of one), then 8 levels per word; int64 values come out word by word.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vdesign.h"
#include "bench.h"
#include "parameters.h"
#include "verilated.h"

namespace {

void tick(Vdesign& board, int times = 1) {
  for (int i = 0; i < times; ++i) {
    board.clk = 0;
    board.eval();
    board.clk = 1;
    board.eval();
  }
}

void send(Vdesign& board, const std::int32_t* levels) {
  std::uint32_t parts[(8 * SNNCC_HOST_BITS + 31) / 32 + 1] = {};
  for (int lane = 0; lane < 8; ++lane) set_field(parts, lane * SNNCC_HOST_BITS, SNNCC_HOST_BITS, levels[lane]);
  while (!board.host_ready) tick(board);
  board.host_shift = 1;
  for (int part = 0; part < (8 * SNNCC_HOST_BITS + 31) / 32; ++part) {
    board.host_part = parts[part];
    tick(board);
  }
  board.host_shift = 0;
  board.host_write = 1;
  tick(board);
  board.host_write = 0;
  tick(board, 3);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const std::vector<std::int32_t> images = read_all(arguments[1]);
  std::FILE* out = std::fopen(arguments[2], "wb");
  if (out == nullptr || images.size() < 2) return 2;
  Vdesign board;
  board.rst = 1;
  board.host_shift = board.host_write = 0;
  board.result_core = SNNCC_LAST;
  tick(board, 4);
  board.rst = 0;
  tick(board, 4);
  const std::int32_t* word = images.data() + 2;
  for (int image = 0; image < images[0]; ++image) {
    for (int i = 0; i < images[1]; ++i, word += 8) send(board, word);
    for (int wait = 0; !(board.finished >> SNNCC_LAST & 1); ++wait) {
      if (wait > 1000000) return 3;
      tick(board);
    }
    tick(board, 8);
    for (int result = 0; result < SNNCC_RESULTS; ++result)
      for (int group = 0; group < SNNCC_GROUPS; ++group) {
        board.result_word = result;
        board.result_group = group;
        tick(board, 4);
        const std::int64_t value = field(board.result, 0, SNNCC_VALUE_BITS, true);
        std::fwrite(&value, sizeof value, 1, out);
      }
  }
  std::fclose(out);
  return 0;
}
