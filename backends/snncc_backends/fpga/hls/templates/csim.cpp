// C simulation of the kernel.
//
//   csim                  checks itself against the golden vectors in golden.h: exit 0 if all agree, else 1
//   csim IMAGES TRACE     (with SNNCC_TRACE) runs every image of a file of int16 levels. Per image TRACE gets all words of maps that
//                         are written, in order, as int32 rows (bank, address, 8 levels), and then those of
//                         results, as int64 rows (word, one value per group)
#include <cstddef>
#include <cstdio>
#include <vector>

#include "kernel.h"

#include "golden.h"

namespace {

std::vector<std::int32_t> level_rows;
std::vector<std::int64_t> result_rows;

using Image = std::vector<std::int16_t>;

int check_golden() {
  int wrong = 0;
  for (int i = 0; i < snncc::GOLDEN; i++) {
    std::vector<snncc::Output> output(snncc::OUTPUTS);
    snncc_kernel(snncc::golden_images[i], output.data());
    for (int j = 0; j < snncc::OUTPUTS; j++) {
      const long long got = output[j], wanted = snncc::golden_outputs[i][j];
      if (got == wanted) continue;
      if (wrong++ < 10) std::fprintf(stderr, "image %d, output %d: %lld, not %lld\n", i, j, got, wanted);
    }
  }
  std::printf("%d images, %d outputs each: %d differ\n", snncc::GOLDEN, snncc::OUTPUTS, wrong);
  return wrong != 0;
}

bool run_image(const Image &image, std::FILE *trace) {
  std::vector<snncc::Output> output(snncc::OUTPUTS);
  level_rows.clear();
  result_rows.clear();
  snncc_kernel(image.data(), output.data());
  return std::fwrite(level_rows.data(), sizeof level_rows[0], level_rows.size(), trace) == level_rows.size() &&
         std::fwrite(result_rows.data(), sizeof result_rows[0], result_rows.size(), trace) == result_rows.size();
}

int run_file(const char *images, const char *traces) {
  std::FILE *in = std::fopen(images, "rb");
  std::FILE *out = std::fopen(traces, "wb");
  Image image(snncc::IMAGE);
  bool good = in && out;
  std::size_t read = 0;
  while (good && (read = std::fread(image.data(), sizeof image[0], image.size(), in)) == image.size())
    good = run_image(image, out);
  good = good && std::feof(in);
  if (in) std::fclose(in);
  if (out && std::fclose(out) != 0) good = false;
  if (!good)
    std::fprintf(stderr, "cannot read %s or write %s\n", images, traces);
  else if (read != 0)
    std::fprintf(stderr, "%s ends in the middle of an image\n", images);
  return good && read == 0 ? 0 : 1;
}

}  // namespace

namespace snncc {

void trace_levels(int bank, int address, const Level *levels) {
  level_rows.push_back(bank);
  level_rows.push_back(address);
  for (int q = 0; q < WORD; q++) level_rows.push_back(int(levels[q]));
}

void trace_result(int word, const Potential *values) {
  result_rows.push_back(word);
  for (int group = 0; group < GROUPS; group++) result_rows.push_back(static_cast<long long>(values[group]));
}

}  // namespace snncc

int main(int count, char **values) {
  if (count == 1) return check_golden();
  if (count == 3) return run_file(values[1], values[2]);
  std::fprintf(stderr, "usage: csim [IMAGES TRACE]\n");
  return 2;
}
