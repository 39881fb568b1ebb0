// A network as a list of operations on maps of bytes. Everything that comes from outside is checked here, once,
// so that the inner loops need no checks.
//
// A value is a map of codes, level - lo, channels last, with a halo of zeros (code -lo) as wide as its readers'
// padding. Many maps are run together: images, or the steps of one.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "kernels.h"

namespace snncc {

constexpr int64_t MOST_ELEMENTS = int64_t{1} << 28;  // of one value; as the IR has it
constexpr int64_t MOST_THETA = int64_t{1} << 46;

struct Geometry {
    int32_t channels, height, width;
    int32_t top, bottom, left, right;  // halo
    uint8_t zero;

    int64_t row() const { return static_cast<int64_t>(left) + width + right; }
    int64_t pixels() const { return (static_cast<int64_t>(top) + height + bottom) * row(); }
    int64_t bytes() const { return pixels() * channels; }
    int64_t positions() const { return static_cast<int64_t>(height) * width; }
    int64_t elements() const { return positions() * channels; }
    int64_t pixel(int64_t y, int64_t x) const { return (y + top) * row() + x + left; }
};

// A value's buffer, and the one of its codes' high bytes where they have more than 8 bits (else -1).
struct Wide {
    int32_t low, high;
};

// Output channels that are computed together.
struct Block {
    int32_t index, first, count, vectors;
};

// One block, or two that follow each other.
struct Band {
    const Block* blocks;
    int count;
    ptrdiff_t apart() const { return static_cast<ptrdiff_t>(STEPS / count) * BLOCK; }  // sums, from block to block
};

std::vector<Band> bands_of(const std::vector<Block>& blocks, int most);

template <class T>
class Aligned {
  public:
    Aligned() = default;
    explicit Aligned(size_t size, T fill = T{}) : room_(size + 64 / sizeof(T), fill), size_(size) {}
    T* data() { return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(room_.data()) + 63) & ~uintptr_t{63}); }
    const T* data() const { return const_cast<Aligned*>(this)->data(); }
    T& operator[](size_t i) { return data()[i]; }
    const T& operator[](size_t i) const { return data()[i]; }
    size_t size() const { return size_; }
    Aligned(const Aligned&) = delete;
    Aligned& operator=(const Aligned&) = delete;
    Aligned(Aligned&& other) noexcept = default;
    Aligned& operator=(Aligned&& other) noexcept = default;

  private:
    std::vector<T> room_;
    size_t size_ = 0;
};

// A buffer's spikes in the maps that run now.
struct SpikeLists {
    std::vector<uint16_t> ids;
    std::vector<int32_t> starts;  // [maps][rows][pixels of a row + 1]
};

// The maps of one thread.
class Arena {
  public:
    Arena(const std::vector<Geometry>& buffers, int maps, const std::vector<int64_t>& states);
    int maps() const { return count_; }
    int64_t stride(int buffer) const { return strides_[buffer]; }  // from a map to the next
    void keep_last(int from);  // map `from` of every value becomes map 0
    void silence();            // map 0 of every value becomes zeros
    uint8_t* map(int buffer, int index) { return bases_[buffer] + index * strides_[buffer]; }
    const uint8_t* map(int buffer, int index) const { return const_cast<Arena*>(this)->map(buffer, index); }
    Aligned<int32_t>& state(int index) { return states_[static_cast<size_t>(index)]; }
    SpikeLists& spikes(int buffer) { return spikes_[buffer]; }
    const SpikeLists& spikes(int buffer) const { return spikes_[buffer]; }

  private:
    std::vector<Aligned<uint8_t>> maps_;
    std::vector<uint8_t*> bases_;
    int count_;
    std::vector<int64_t> strides_;
    std::vector<uint8_t> zeros_;
    std::vector<SpikeLists> spikes_;
    std::vector<Aligned<int32_t>> states_;
};

class Team;

// One group of maps on its way through the program.
struct Context {
    const Kernels& kernels;
    Arena& arena;
    int64_t first;  // what is added to a map's index to find its place in the caller's arrays
    int begin, end;  // the maps to run
    const uint8_t* const* inputs;
    void* const* outputs;
    int64_t image = 0;  // while steps of one image are run: which image, from which step, and what happened
    int64_t step = 0;
    std::vector<uint8_t>* events = nullptr;  // by map
    Team* team = nullptr;  // that shares the positions of large layers
};

// Output positions whose sums are computed together.
struct Strip {
    int count;
    bool together;  // one map, and places that follow each other
    bool steps;     // maps that follow each other, and one place
    int map[STRIP];
    int32_t place[STRIP];
};

// A linear map into a layer.
class Term {
  public:
    virtual ~Term() = default;
    virtual void prepare(Context&) const {}
    // Maps are steps from now on, and most codes may be 0: whether the spikes can be followed instead of multiplying all
    // codes. They are where `list_spikes` came before, and the strip says so.
    virtual bool follow_spikes(int /*most*/) { return false; }
    virtual void list_spikes(Context&) const {}
    // `narrow` for a band of blocks, `most` at most: sums [band.count][STEPS / band.count][BLOCK] of as many steps.
    virtual void follow(const Context&, const Strip&, const Band&, uint32_t* sums, bool first) const;
    virtual bool fires() const { return false; }  // whether sums stay in registers until the neurons have fired
    virtual bool fires_bits() const { return false; }  // the same for neurons that write bits, of a term on its own
    // Sums of a strip, [STRIP][BLOCK]: written if `first`, else added to. With `fire` the neurons get them at once.
    virtual void narrow(const Context&, const Strip&, const Block&, uint32_t* sums, bool first,
                        const Fire* fire) const = 0;
    // What a kernel needs to add this term to its own, if it `scales`; the last argument is room for STRIP rows.
    virtual Scaling scaling(const Context&, const Strip&, const Block&, const uint8_t**) const { return {}; }
    virtual bool scales() const { return false; }
    virtual int64_t products() const { return 0; }  // that one position takes, about; in those of bytes
    // Takes over a term that is added in the same kernel; false where it cannot.
    virtual bool absorb(std::unique_ptr<Term>&) { return false; }
    // `narrow` for one position in 64 bits, for layers whose sums do not fit 32; always added.
    virtual void wide(const Context&, int map, int32_t place, const Block&, int64_t* sums) const = 0;
};

struct ConvShape {
    int32_t outputs, fan_in, kernel_height, kernel_width;
    int32_t stride_height, stride_width, pad_top, pad_left, dilation_height, dilation_width, groups;
    int32_t span;  // greatest code of the source
};

struct PoolShape {
    int32_t kernel_height, kernel_width, stride_height, stride_width, pad_top, pad_left;
};

class Operation {
  public:
    virtual ~Operation() = default;
    virtual void run(Context&) const = 0;
    virtual void finish(Context&) const {}  // at the end of an image that was run step by step
};

class Layer;
class Counter;

class Program {
  public:
    Program(const Kernels& kernels, int maps);
    ~Program();

    int add_buffer(const Geometry& geometry);
    int add_input(int buffer);
    int add_export(int buffer);
    int add_probe(int buffer, int mode, const int64_t* fans, int fan_count);
    void add_copy(Wide source, Wide destination, const int32_t* runs, int64_t count, int32_t shift);
    void add_max_pool(Wide source, Wide destination, const PoolShape& shape);

    // A layer is begun, gets its terms, and ends with what it makes of their sum.
    // Its blocks lie within groups of `group` channels.
    void begin_layer(int32_t channels, int32_t height, int32_t width, int32_t group, bool wide);
    void add_conv(int source, const ConvShape& shape, const int8_t* weights, int32_t multiplier);
    void add_scale(int source, const int32_t* weights, int32_t multiplier);
    void add_sum_pool(int source, const PoolShape& shape, const int32_t* weights, const int32_t* factors,
                      int32_t multiplier);
    void end_stairs(Wide levels, const int64_t* theta, const int64_t* offsets, int32_t class_count,
                    const int32_t* classes, int32_t span);
    void end_table(Wide levels, const int64_t* breakpoints, int32_t class_count, const int32_t* classes,
                   int32_t span, const float* slope, const float* start);
    int end_readout(const int64_t* offsets, int32_t class_count, const int32_t* classes);

    // A network of streaming codes: maps are the steps of one image. Values that are the same in every step are
    // declared so before anything reads or writes them.
    void declare_lasting(int buffer);
    int add_stream_input(int buffer);
    void add_stream_pool(int source, int destination, const PoolShape& shape);
    int end_rate(int levels, const int64_t* theta, const int64_t* offsets, int32_t class_count, const int32_t* classes,
                 bool with_negative, bool hard);
    int end_leaky(int levels, const int64_t* offsets, int32_t class_count, const int32_t* classes, const struct Leak& leak);
    int end_stbif(int levels, const int64_t* theta, const int64_t* start, int32_t class_count, const int32_t* classes,
                  int32_t lo, int32_t hi);
    int end_stbif_table(int levels, const int64_t* breakpoints, int32_t class_count, const int32_t* classes, int32_t lo,
                        int32_t span);
    int end_stream_readout(const int64_t* offsets, int32_t class_count, const int32_t* classes, bool every_step,
                           int delay);

    // Runs maps [0, count); `inputs` and `outputs` hold one array per slot, in the order of their making.
    void run(const uint8_t* const* inputs, const int64_t* input_bytes, void* const* outputs,
             const int64_t* output_bytes, int64_t count, int threads);

    // Runs images [0, count) through `steps` steps at most; with `until_silent` each until nothing happens any
    // more, and -1 in `taken` where that was not reached. Rows of steps that were not run stay as they are. Sums of
    // spikes may have no bytes: they are not wanted then.
    void run_stream(const uint8_t* const* inputs, const int64_t* input_bytes, void* const* outputs,
                    const int64_t* output_bytes, int64_t count, int64_t steps, bool until_silent, int64_t* taken,
                    int threads);

    int64_t bytes_per_map() const { return bytes_per_map_; }
    const Kernels& kernels() const { return kernels_; }

  private:
    const Geometry& buffer(int index) const;
    const Geometry& buffer(Wide value) const;
    Layer& open_layer();
    void close_layer();
    // Forms of a value: what reads one that is not there yet adds the conversion. Each gives the form's buffer.
    int as_codes(int buffer);
    Wide as_codes(Wide value);
    int as_bits(int buffer);
    int written_as_bits(int buffer);
    void add_bit_pool(int source, int destination, const PoolShape& shape);
    bool has_bits(int buffer) const { return forms_[static_cast<size_t>(buffer)].bits >= 0; }
    std::unique_ptr<Arena> take_arena(int maps);
    void give_back(std::unique_ptr<Arena> arena);
    void run_groups(const uint8_t* const* inputs, void* const* outputs, int64_t count, int64_t size, Counter& next);
    void run_together(const uint8_t* const* inputs, void* const* outputs, int64_t count, int threads);
    void run_group(Context& context) const;

    const Kernels& kernels_;
    int maps_;
    int64_t bytes_per_map_ = 0;
    struct Forms {
        int bits = -1;  // the buffer of its bits
        bool codes = true;
    };
    std::vector<Geometry> buffers_;
    std::vector<Forms> forms_;  // of every buffer
    std::vector<std::unique_ptr<Operation>> operations_;
    std::vector<int64_t> input_sizes_, output_sizes_;  // bytes per map
    std::unique_ptr<Layer> layer_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Arena>> idle_;  // kept: fresh memory costs more than a small network

    // Of streaming codes.
    bool is_lasting(int buffer) const { return lasting_.size() > static_cast<size_t>(buffer) && lasting_[buffer]; }
    std::vector<std::unique_ptr<Term>>& terms_for(int source);
    int add_state(int64_t size);
    int add_sums();
    void end_stream(std::unique_ptr<class Stepping> neurons, int delay);
    void add_operation(std::unique_ptr<Operation> operation, bool lasting);
    void run_images(const uint8_t* const* inputs, void* const* outputs, int64_t steps, bool until_silent, int64_t* taken,
                    Counter& next);
    int64_t run_image(Context& context, int64_t steps, bool until_silent) const;
    std::vector<bool> lasting_;
    std::vector<std::unique_ptr<Term>> lasting_terms_;
    std::vector<int64_t> states_;
    std::vector<bool> runs_once_;       // per operation: its value is lasting
    std::vector<bool> per_image_;       // per output: one row for an image, not for every step
};

}  // namespace snncc
