// The level core as an HLS kernel. docs/fpga.md says what the tables mean; names here are those of its
// sections 3 to 5.
#include "kernel.h"

// HLS(...) is a pragma and LOOP(name) a label in synthesis; a plain compiler knows neither.
#ifdef __SYNTHESIS__
#define SNNCC_PRAGMA(text) _Pragma(#text)
#define HLS(...) SNNCC_PRAGMA(HLS __VA_ARGS__)
#define LOOP(name) name:
#else
#define HLS(...)
#define LOOP(name)
#endif

namespace snncc {

#ifndef SNNCC_TRACE
static void trace_levels(int, int, const Level *) {}
static void trace_result(int, const Potential *) {}
#endif

namespace {

struct Pass {
  bool readout;
  bool last;
  int merge;  // row slots that hold rows of one pooling window
  int group_words;
  int projections;
  int window_rows;
  int window_columns;
  int blocks;
  int tiles;
  int columns;
  int map_words;
  int row_windows;
  int col_windows;
  int out;
  int weights;
  int weight_step;
  int neurons;
  int neuron_step;
  int column_step;
  int weight_bits;
  int pack;  // log2 of the weights that share a slot
  int top;
  int lo;
  bool binary;  // on binary lanes
  bool planes;  // ... which read eight levels a word, plane by plane
  bool packs;   // writes a packed map
};

Pass read_pass(int number) {
  const std::uint32_t *word = passes[number];
  Pass pass;
  pass.readout = (word[0] & 15) != 0;
  pass.group_words = 1 << (word[0] >> 4 & 15);
  pass.projections = word[0] >> 8 & 255;
  pass.window_rows = word[0] >> 16 & 255;
  pass.window_columns = word[0] >> 24;
  pass.blocks = word[1] & 0xFFFF;
  pass.tiles = word[1] >> 16;
  pass.columns = word[2] & 0xFFFF;
  pass.map_words = word[2] >> 16;
  pass.row_windows = word[3];
  pass.col_windows = word[4];
  pass.out = word[5];
  pass.weights = word[6];
  pass.weight_step = word[7];
  pass.neurons = word[8];
  pass.neuron_step = word[9];
  pass.column_step = word[10] & 0xFFFF;
  pass.weight_bits = word[10] >> 16 & 255;
  pass.top = word[10] >> 24;
  pass.lo = static_cast<std::int16_t>(word[11] & 0xFFFF);
  pass.last = (word[11] >> 16 & 1) != 0;
  pass.merge = 1 + (word[11] >> 17 & 1);
  pass.binary = (word[11] >> 18 & 1) != 0;
  pass.planes = (word[11] >> 19 & 1) != 0;
  pass.packs = (word[11] >> 20 & 1) != 0;
  pass.pack = 0;
  while (!pass.binary && (pass.weight_bits << (pass.pack + 1)) <= WB) pass.pack++;
  return pass;
}

// The weight of a number in one lane: its part of the slot, sign extended.
Weight read_weight(const Pass &pass, int number, int lane) {
  HLS(INLINE)
  const int word = number >> pass.pack;
  const int shift = (number & ((1 << pass.pack) - 1)) * pass.weight_bits;
  const int slot = word < WEIGHT_WORDS ? weights[word][lane] : 0;
  const int part = slot >> shift & ((1 << pass.weight_bits) - 1);
  const int sign = 1 << (pass.weight_bits - 1);
  return Weight(pass.weight_bits == 1 ? 2 * part - 1 : (part ^ sign) - sign);
}

// Adds the levels under `mask` of one word of every row slot: one step for each that is not 0 in some slot.
void add_word(const Pass &pass, const Maps &maps, Potential (&sums)[GROUPS][WORD], const RowVisit &visit,
                     int offset, int mask, int number, bool own) {
  HLS(INLINE)
  Level words[GROUPS][WORD];
  HLS(ARRAY_PARTITION variable=words complete dim=0)
  const int first = static_cast<int>(visit.bank);
  int used = 0;
  LOOP(fetch)
  for (int slot = 0; slot < GROUPS / pass.group_words; slot++) {
    HLS(UNROLL)
    const int bank = (first + slot) % GROUPS;
    const int base = static_cast<int>(visit.address + (bank < first ? visit.wrap : 0));
    const int address = (base + offset) & ((1 << MA) - 1);
    const bool there = (visit.banks >> bank & 1) != 0 && address < MAP_WORDS;
    for (int q = 0; q < WORD; q++) {
      words[slot][q] = there && (mask >> q & 1) ? maps[bank][address][q] : Level(0);
      if (words[slot][q] != 0) used |= 1 << q;
    }
  }
  LOOP(steps)
  for (; used != 0; used &= used - 1) {
    HLS(PIPELINE II=1)
    HLS(LOOP_TRIPCOUNT min=0 max=8)
    int q = 0;
    while (!(used >> q & 1)) q++;
    const int at = (number + (own ? 0 : q)) & ((1 << WA) - 1);
    for (int lane = 0; lane < P; lane++) {
      HLS(UNROLL)
      const int group = lane / WORD;
      const Product product = Product(read_weight(pass, at, lane) * words[group / pass.group_words][q]);
      if (!own || lane % WORD == q) sums[group][lane % WORD] += product;
    }
  }
}

// The bits of a word: one by one, or those of byte b times 2^b.
int count_bits(std::uint64_t bits, bool planes) {
  HLS(INLINE)
  int sum = 0;
  for (int i = 0; i < 64; i++) {
    HLS(UNROLL)
    sum += static_cast<int>(bits >> i & 1) << (planes ? i / 8 : 0);
  }
  return sum;
}

// Adds the bytes under `mask` of one word in every binary lane: 2 |n & w| - |n|.
void add_bits(const Pass &pass, const Maps &maps, Potential (&sums)[GROUPS][WORD], const RowVisit &visit,
                     int offset, int mask, int number) {
  HLS(INLINE)
  const int address = (static_cast<int>(visit.address) + offset) & ((1 << MA) - 1);
  if ((visit.banks >> visit.bank & 1) == 0 || address >= MAP_WORDS) return;
  std::uint64_t bits = 0;
  for (int i = 0; i < 64; i++) {
    HLS(UNROLL)
    const int q = pass.planes ? i % 8 : i / 8;
    const int b = pass.planes ? i / 8 : i % 8;
    const int byte = (mask >> q & 1) != 0 ? static_cast<int>(maps[visit.bank][address][q]) : 0;
    bits |= static_cast<std::uint64_t>(byte >> b & 1) << i;
  }
  const int whole = count_bits(bits, pass.planes);
  const int at = number & ((1 << WA) - 1);
  for (int lane = 0; lane < P; lane++) {
    HLS(UNROLL)
    const std::uint64_t weight = BITS != 0 && at < BIT_WORDS ? bit_weights[at][BITS != 0 ? lane : 0] : 0;
    sums[lane / WORD][lane % WORD] += Potential(2 * count_bits(bits & weight, pass.planes) - whole);
  }
}

// The sums of all lanes over the windows that begin at row window `row` and column window `column`.
void add_windows(const Pass &pass, const Maps &maps, Potential (&sums)[GROUPS][WORD], int block, int row,
                        int column) {
  LOOP(projections)
  for (int p = 0; p < pass.projections; p++) {
    const RowWindow &rows = row_windows[row + p];
    const ColWindow &columns = col_windows[column + p];
    if (rows.shift) {
      for (int lane = 0; lane < P; lane++) {
        HLS(UNROLL)
        Potential &sum = sums[lane / WORD][lane % WORD];
        sum = Potential(sum * (1 << (WB - 1)));
      }
    }
    const bool turns = rows.own != 0 && !pass.binary;
    const int start = static_cast<int>(columns.offset) + (turns ? block * pass.group_words : 0);
    LOOP(visits)
    for (int i = 0; i < static_cast<int>(rows.count); i++) {
      const RowVisit &visit = row_visits[rows.first + i];
      LOOP(words)
      for (int j = 0; j < static_cast<int>(columns.count); j++) {
        const ColWord &word = col_words[columns.first + j];
        const int number = pass.weights + block * pass.weight_step + visit.weight + word.weight;
        const int offset = start + static_cast<int>(word.offset);
        const int mask = static_cast<int>(word.mask);
        if (BITS != 0 && pass.binary)
          add_bits(pass, maps, sums, visit, offset, mask, number);
        else
          add_word(pass, maps, sums, visit, offset, mask, number, rows.own != 0);
      }
    }
  }
}

// lo + the greatest q of 0 .. top with potential >= q theta + breaks[first + q], a bit at a time: no divider.
Level fire(const Pass &pass, Potential potential, std::int64_t theta, int group, std::uint32_t row) {
  HLS(INLINE)
  int level = 0;
  LOOP(bits)
  for (int bit = STEPS - 1; bit >= 0; bit--) {
    HLS(UNROLL)
    const int trial = level + (1 << bit);
    const int correction = TABLE_ROWS > 0 ? breaks[group][(row << STEPS) + trial] : 0;
    const Comparand limit = Comparand(Comparand(theta) * Comparand(trial) + Comparand(correction));
    if (trial <= pass.top && potential >= limit) level = trial;
  }
  return Level(pass.lo + level);
}

// Word k = block*Gc + g mod Gc of one column of the tile's rows; with `merge` the greater levels of two slots.
void write_levels(const Pass &pass, Maps &maps, const Level (&levels)[GROUPS][WORD], int block, int tile,
                         int column) {
  const int rows = GROUPS / pass.group_words / pass.merge;
  LOOP(write)
  for (int at = 0; at < rows * pass.group_words; at++) {
    const int group = at / pass.group_words * pass.merge * pass.group_words + at % pass.group_words;
    const int partner = group + (pass.merge - 1) * pass.group_words;
    const int word = block * pass.group_words + at % pass.group_words;
    const OutRow &row = out_rows[pass.out + tile * rows + at / pass.group_words];
    if (!row.valid || word >= pass.map_words) continue;
    const int step = pass.packs ? word / WORD : word;
    const int address = (static_cast<int>(row.address) + column * pass.column_step + step) & ((1 << MA) - 1);
    int byte = 0;
    Level greatest[WORD];
    HLS(ARRAY_PARTITION variable=greatest complete dim=0)
    for (int q = 0; q < WORD; q++) {
      HLS(UNROLL)
      greatest[q] = levels[partner][q] > levels[group][q] ? levels[partner][q] : levels[group][q];
      if (pass.packs)
        byte |= (greatest[q] != 0 ? 1 : 0) << q;
      else
        maps[row.bank][address][q] = greatest[q];
    }
    if (pass.packs) maps[row.bank][address][word % WORD] = Level(byte);
    trace_levels(static_cast<int>(row.bank), address | (pass.packs ? word % WORD << 16 : 0), greatest);
  }
}

// One column of a tile: the levels of its rows and channels, pooled over a window, or a readout's potentials.
void run_tile(const Pass &pass, Maps &maps, Results &results, int block, int tile, int column) {
  Level levels[GROUPS][WORD];
  HLS(ARRAY_PARTITION variable=levels complete dim=0)
  LOOP(window)
  for (int at = 0; at < pass.window_rows * pass.window_columns; at++) {
    Potential sums[GROUPS][WORD];
    HLS(ARRAY_PARTITION variable=sums complete dim=0)
    for (int lane = 0; lane < P; lane++) {
      HLS(UNROLL)
      sums[lane / WORD][lane % WORD] = 0;
      if (at == 0) levels[lane / WORD][lane % WORD] = Level(pass.lo);
    }
    const int wide = pass.window_columns;
    const int row = pass.row_windows + (tile * pass.window_rows + at / wide) * pass.projections;
    const int col = pass.col_windows + (column * wide + at % wide) * pass.projections;
    add_windows(pass, maps, sums, block, row, col);
    const int border = static_cast<int>(row_windows[row].border + col_windows[col].border);
    const int neuron = pass.neurons + block * pass.neuron_step + border;
    LOOP(neuron)
    for (int lane = 0; lane < WORD; lane++) {
      HLS(PIPELINE II=1)
      const std::uint32_t row_of = table_rows[TABLE_ROWS > 0 ? neuron + lane : 0];
      for (int group = 0; group < GROUPS; group++) {
        HLS(UNROLL)
        const Neuron &own = neurons[neuron + lane][group];
        const Potential potential = Potential(sums[group][lane] + Potential(own.bias));
        sums[group][lane] = potential;
        const Level level = fire(pass, potential, own.theta, TABLE_ROWS > 0 ? group : 0, row_of);
        if (level > levels[group][lane]) levels[group][lane] = level;
      }
      if (pass.readout) {
        const int word = pass.out + ((block * pass.tiles + tile) * pass.columns + column) * WORD + lane;
        for (int group = 0; group < GROUPS; group++) results[word][group] = sums[group][lane];
        trace_result(word, results[word]);
      }
    }
  }
  if (!pass.readout) write_levels(pass, maps, levels, block, tile, column);
}

// Fills the words of the inputs; lanes that belong to no pixel are 0.
void load_inputs(Maps &maps, const std::int16_t *image) {
  int first = 0;
  LOOP(inputs)
  for (int i = 0; i < INPUTS; i++) {
    const InputMap &map = inputs[i];
    for (int y = 0; y < map.rows; y++) {
      const int line = y / map.step;
      const int start = map.base + (line / GROUPS * map.step + y % map.step) * map.pitch;
      LOOP(places)
      for (int place = 0; place < map.pitch * WORD; place++) {
        HLS(PIPELINE II=1)
        const int x = place / map.pixel;
        const int c = place % map.pixel;
        const bool inside = x < map.columns && c < map.channels;
        const int from = inside ? first + (c * map.rows + y) * map.columns + x : 0;
        maps[line % GROUPS][start + place / WORD][place % WORD] = inside ? Level(image[from]) : Level(0);
      }
    }
    first += map.channels * map.rows * map.columns;
  }
}

}  // namespace
}  // namespace snncc

void snncc_kernel(const std::int16_t image[snncc::IMAGE], snncc::Output output[snncc::OUTPUTS]) {
  using namespace snncc;
  HLS(INTERFACE m_axi port=image offset=slave bundle=gmem0)
  HLS(INTERFACE m_axi port=output offset=slave bundle=gmem1)
  HLS(INTERFACE s_axilite port=return)
  HLS(ARRAY_PARTITION variable=weights complete dim=2)
  HLS(ARRAY_PARTITION variable=neurons complete dim=2)
  static Maps maps;
  static Results results;
  HLS(ARRAY_PARTITION variable=maps complete dim=1)
  HLS(ARRAY_PARTITION variable=maps complete dim=3)
  HLS(ARRAY_PARTITION variable=results complete dim=2)
  load_inputs(maps, image);
  LOOP(passes)
  for (int number = 0; number < PASSES; number++) {
    const Pass pass = read_pass(number);
    LOOP(blocks)
    for (int block = 0; block < pass.blocks; block++) {
      LOOP(tiles)
      for (int tile = 0; tile < pass.tiles; tile++) {
        LOOP(columns)
        for (int column = 0; column < pass.columns; column++) run_tile(pass, maps, results, block, tile, column);
      }
    }
  }
  LOOP(outputs)
  for (int i = 0; i < OUTPUTS; i++) {
    const OutputPlace &place = outputs[i];
    if (place.readout)
      output[i] = Output(results[place.word][place.lane]);
    else
      output[i] = place.bank < 0 ? Output(0) : Output(maps[place.bank][place.word][place.lane]);
  }
}
